"""The stream on Spark clusters: the one that Spark imitates, and a standalone one with two workers; each audit is at rest."""

from __future__ import annotations

import logging
import re
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from infra.forms.stacks import LastStep
from infra.host.environment import built_environment
from infra.operations.stream import stop_stream
from infra.spark_cluster.package import ensure_package
from infra.spark_cluster.standalone import properties, spark_home
from trending.errors import ConfigurationConflict, LabError, NotReady
from trending.private_file import write_private
from trending.programs.specifications import StreamSpec
from trending.stream.cluster.executors import LEAST_SECONDS
from trending.stream.cluster.master import GRANT_SECONDS, WAITING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from real.harness import RealStack

NOBODY = "127.0.0.2"
"""An address of this machine that the driver does not listen at."""
TOLD_SECONDS = 15.0
AROUND_SECONDS = 12.0
"""On a busy machine, where the session is late: to unpack a package by hand, and for a JVM's end after its error."""
SESSION = re.compile(r"the session on \S+ was there after (\d+\.\d) s")
CALLED, TOLD = "an executor called the driver", "ERROR trending "
PYTHON_SECONDS = 10.0
"""How long it may take on a busy machine to tell another Python, from when an executor has called."""
logger = logging.getLogger(__name__)
BASE = Path(sys.executable).resolve()
"""The interpreter that the virtual environment was made of, which knows none of its packages."""


def checkpoints(stack: RealStack) -> list[str]:
    """Return the stack's checkpoints; a second one would be a new epoch."""
    return sorted(path.name for path in stack.paths.checkpoints.iterdir() if path.is_dir())


def output(stack: RealStack) -> str:
    return stack.paths.output_file("stream", "err").read_text(encoding="utf-8", errors="replace")


def test_tasks_in_executors_of_their_own_count_what_tasks_in_the_driver_began(stack: RealStack) -> None:
    stack.bring_up(page_port="0")
    before, driver = checkpoints(stack), stack.program_pid("stream")
    stack.bring_up(page_port="0", spark_master="local-cluster[2,1,1024]")
    assert stack.program_pid("stream") != driver
    stack.wait_progress()
    places = re.findall(r"executors are well: .*, (\S+decoder\.py)", output(stack))
    assert [f"{stack.paths.run}/scratch/" in place and "/trending-job/lib/" in place for place in places] == [True]
    stack.audit(resume=False)
    assert checkpoints(stack) == before, "another master is no reason for another checkpoint"


def test_a_standalone_cluster_that_cannot_run_the_job_is_one_error_soon_and_nothing_is_lost(
    stack: RealStack, master: str, tmp_path: Path
) -> None:
    """What dies there while it counts is the subject of test_all_at_once.py."""
    stack.bring_up(LastStep.STREAM, spark_master=master)
    stack.wait_progress()
    kept = checkpoints(stack)
    stop_stream(stack.name)  # its end is no part of what is timed
    another_python(stack, tmp_path)
    a_driver_that_nobody_reaches(stack, tmp_path)
    with every_core_taken(master, tmp_path) as leave:
        error = refused(stack, GRANT_SECONDS, executor_python="", driver_host="127.0.0.1", driver_bind_address="")
        assert f"the cluster at {master} has no room for the job" in error
        submitted_from_elsewhere(stack, tmp_path, leave)
    stack.audit(resume=False)
    assert checkpoints(stack) == kept


def refused(stack: RealStack, own_seconds: float = 0.0, **settings: str) -> str:
    """Bring the stream up with these settings too; return its error, which comes soon.

    ``own_seconds`` are those that the job takes for it once its session is there; on a busy machine that is late.
    """
    began = time.monotonic()
    with pytest.raises(LabError) as found:
        stack.bring_up(LastStep.STREAM, **settings)
    require_told(began, own_seconds, output(stack) if own_seconds else "")
    assert stack.lab.supervisor.status("stream") is None
    logger.info("with %s: %s", settings, found.value)
    return str(found.value)


def require_told(began: float, own_seconds: float, log: str) -> None:
    """Require an error within 15 s, or within a job's own seconds once it had a session."""
    told = time.monotonic() - began
    session = float(SESSION.findall(log)[-1]) if own_seconds else 0.0
    logger.info("told after %.1f s, %.1f s of them for the session", told, session)
    assert told < max(TOLD_SECONDS, session + own_seconds + AROUND_SECONDS)


def seconds_between(first: str, last: str, log: str) -> float:
    """Return how long after the line with ``first`` that with ``last`` was written to a program's log."""
    began, ended = (
        datetime.strptime(line.split(" INFO ")[0].split(" ERROR ")[0], "%Y-%m-%d %H:%M:%S,%f").replace(tzinfo=UTC)
        for words in (first, last)
        for line in [next(each for each in log.splitlines() if words in each)]
    )
    return (ended - began).total_seconds()


def another_python(stack: RealStack, tmp_path: Path) -> None:
    """A Python that calls itself 3.9, as that of an older worker."""
    older = tmp_path / "older"
    older.mkdir()
    (older / "sitecustomize.py").write_text("import sys\nsys.version_info = (3, 9, 2, 'final', 0)\n", encoding="utf-8")
    wrapper = older / "python"
    wrapper.write_text(f'#!/bin/sh\nPYTHONPATH="{older}:$PYTHONPATH" exec {BASE} "$@"\n', encoding="utf-8")
    wrapper.chmod(0o755)
    error = refused(stack, executor_python=str(wrapper))
    assert "the executors' Python" in error
    assert "EXECUTOR_PYTHON=" in error
    began = time.monotonic()
    with by_hand(stack, tmp_path, executor_python=str(wrapper)) as job:
        assert job.wait(90) == ConfigurationConflict.exit_code, said_by(tmp_path)
    told, own = time.monotonic() - began, seconds_between(CALLED, TOLD, said_by(tmp_path))
    logger.info("another Python was told after %.1f s, %.1f s after an executor had called", told, own)
    assert told < TOLD_SECONDS or own < PYTHON_SECONDS
    assert f"the executors' Python, {wrapper}, is not the driver's" in said_by(tmp_path)


def a_driver_that_nobody_reaches(stack: RealStack, tmp_path: Path) -> None:
    """Start-up tries the address itself; a job that comes without it, as on other machines, asks the executors."""
    error = refused(stack, executor_python="", driver_host=NOBODY, driver_bind_address="127.0.0.1")
    assert f"cannot call the driver at {NOBODY}" in error
    with black_hole() as port:
        own = tmp_path / "spark.properties"
        write_private(own, f"{properties().read_text(encoding='utf-8')}spark.driver.port {port}\n")
        unreached = {"driver_host": NOBODY, "driver_bind_address": "127.0.0.1", "spark_properties": str(own)}
        began = time.monotonic()
        with by_hand(stack, tmp_path, **unreached) as job:
            assert job.wait(60) == NotReady.exit_code, said_by(tmp_path)
    require_told(began, LEAST_SECONDS, said_by(tmp_path))
    assert f"call the driver at {NOBODY}" in said_by(tmp_path)


@contextmanager
def black_hole() -> Iterator[int]:
    """Yield a port at which nobody is refused and nobody gets an answer: a listener's queue is full."""
    with closing(socket.create_server((NOBODY, 0), backlog=0)) as listener, ExitStack() as waiting:
        address = listener.getsockname()
        for _ in range(3):
            caller = waiting.enter_context(closing(socket.socket()))
            caller.settimeout(0.0)
            caller.connect_ex(address)
        yield address[1]


@contextmanager
def every_core_taken(master: str, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Have another application take all cores; yields what makes it leave."""
    code = (
        "import sys; from pyspark.sql import SparkSession; "
        "c = SparkSession.builder.master(sys.argv[1]).config('spark.ui.enabled', 'false').getOrCreate().sparkContext; "
        "c.parallelize([0, 1], 2).count(); print('taken', flush=True); sys.stdin.readline()"
    )
    given = {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_SUBMIT_ARGS": f"--properties-file {properties()} pyspark-shell"}
    with (tmp_path / "other.log").open("w", encoding="utf-8") as log:
        other = subprocess.Popen(
            [sys.executable, "-c", code, master],
            env={**built_environment(), **given},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )

    def leave() -> None:
        other.communicate("\n", timeout=60)

    assert other.stdout is not None
    try:
        assert other.stdout.readline() == "taken\n"
        yield leave
    finally:
        if other.poll() is None:
            leave()


def said_by(tmp_path: Path) -> str:
    """Return the output of a job by hand."""
    return (tmp_path / "job.log").read_text(encoding="utf-8")


@contextmanager
def by_hand(stack: RealStack, tmp_path: Path, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the package by hand in an empty directory; the first ``python`` on the path is none that could run it."""
    spec = StreamSpec.load(stack.paths.specification("stream"))
    own = {"driver_host": "127.0.0.1", "driver_bind_address": "", "executor_python": str(BASE), **settings}
    specification = tmp_path / "job.json"
    changed = spec.model_copy(update={"settings": spec.settings.model_copy(update=own)})
    specification.write_text(changed.model_dump_json(), encoding="utf-8")
    empty, false = tmp_path / "empty", tmp_path / "bin"
    for directory in (empty, false):
        directory.mkdir(exist_ok=True)
    for name in ("python", "python3"):
        (false / name).write_text("#!/bin/sh\nexit 77\n", encoding="utf-8")
        (false / name).chmod(0o755)
    given = built_environment()
    environment = {**given, "PATH": f"{false}:{given['PATH']}", "SPARK_HOME": str(spark_home())}
    spec.heartbeat.unlink(missing_ok=True)
    with (tmp_path / "job.log").open("w", encoding="utf-8") as out:
        job = subprocess.Popen(
            [str(BASE), str(ensure_package()), str(specification)], cwd=empty, env=environment, stdout=out, stderr=out
        )
        try:
            yield job
        finally:
            if job.poll() is None:
                psutil.Process(job.pid).terminate()
            job.wait(60)
    assert list(empty.iterdir()) == []


def submitted_from_elsewhere(stack: RealStack, tmp_path: Path, leave: Callable[[], None]) -> None:
    """It waits while there is no room, and counts once there is; then the stack's own job goes on."""
    with by_hand(stack, tmp_path) as job:
        stack.wait_until(lambda: getattr(stack.beat("stream"), "phase", "") == WAITING, 60, "the job waits for a core")
        leave()
        stack.wait_until(lambda: stack.figure("stream", "batches") > 0, 120, f"the job counts; {tmp_path / 'job.log'}")
    assert job.returncode == 0, said_by(tmp_path)
    stack.bring_up(LastStep.STREAM, executor_python="", driver_host="127.0.0.1", driver_bind_address="")
    stack.wait_progress()
