"""The stream on Spark clusters: the one that Spark imitates, and a standalone one with two workers; each audit is at rest."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from infra.host.environment import built_environment
from infra.spark_cluster.package import ensure_package
from infra.spark_cluster.standalone import WORKERS, cluster_supervisor, spark_home, start_cluster, stop_cluster
from infra.supervision.programs import launch_program
from trending.errors import LabError
from trending.programs.specifications import StreamSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from real.harness import RealStack

NOBODY = "10.255.255.1"
"""A private address that nobody here has."""
SOON = 15.0
TOLD_SECONDS = 60.0
"""With the end of the job before, and on a busy machine: 20 to 37 s were measured. Spark itself would try for minutes."""
logger = logging.getLogger(__name__)
BASE = Path(sys.executable).resolve()
"""The interpreter that the virtual environment was made of, which knows none of its packages."""


@pytest.fixture
def master(real_home: Path) -> Iterator[str]:
    """A master with two workers, stopped afterwards."""
    yield start_cluster()
    stop_cluster()


def checkpoints(stack: RealStack) -> list[str]:
    """Return the stack's checkpoints; a second one would be a new epoch."""
    return sorted(path.name for path in stack.paths.checkpoints.iterdir() if path.is_dir())


def output(stack: RealStack) -> str:
    return stack.paths.output_file("stream", "err").read_text(encoding="utf-8", errors="replace")


def worker_pid(name: str) -> int:
    status = cluster_supervisor().status(name)
    assert status is not None
    return status.pid


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


def test_a_standalone_cluster_counts_on_when_a_worker_is_killed(stack: RealStack, master: str, tmp_path: Path) -> None:
    stack.bring_up(page_port="0", spark_master=master)
    stack.wait_progress()
    killed = worker_pid(WORKERS[0])
    os.kill(killed, signal.SIGKILL)
    stack.wait_progress()
    stack.wait_until(lambda: worker_pid(WORKERS[0]) not in {0, killed}, 30, "supervisord has brought the worker back")
    assert "spark cluster spark://127.0.0.1:" in stack.command("status", f"--name={stack.name}", code=None)
    kept = checkpoints(stack)
    another_python(stack, tmp_path)
    a_driver_that_nobody_reaches(stack)
    submitted_from_elsewhere(stack, tmp_path)
    stack.audit(resume=False)
    assert checkpoints(stack) == kept


def refused(stack: RealStack, **settings: str) -> str:
    """Bring the stream up with these settings too; return its error, which comes soon. The undo starts the one before again."""
    began = time.monotonic()
    with pytest.raises(LabError) as found:
        stack.bring_up(page_port="0", **settings)
    told = time.monotonic() - began
    logger.info("told after %.1f s with %s: %s", told, settings, found.value)
    assert told < TOLD_SECONDS
    stack.lab.supervisor.remove("stream")
    return str(found.value)


def another_python(stack: RealStack, tmp_path: Path) -> None:
    """A Python that calls itself 3.9, as that of an older worker."""
    older = tmp_path / "older"
    older.mkdir()
    (older / "sitecustomize.py").write_text("import sys\nsys.version_info = (3, 9, 2, 'final', 0)\n", encoding="utf-8")
    wrapper = older / "python"
    wrapper.write_text(f'#!/bin/sh\nPYTHONPATH="{older}:$PYTHONPATH" exec {BASE} "$@"\n', encoding="utf-8")
    wrapper.chmod(0o755)
    error = refused(stack, spark_master=stack_master(stack), executor_python=str(wrapper))
    assert "the executors' Python" in error
    assert "EXECUTOR_PYTHON=" in error


def a_driver_that_nobody_reaches(stack: RealStack) -> None:
    error = refused(
        stack, spark_master=stack_master(stack), executor_python="", driver_host=NOBODY, driver_bind_address="127.0.0.1"
    )
    assert NOBODY in error


def stack_master(stack: RealStack) -> str:
    return stack.lab.settings.stream.spark_master


def submitted_from_elsewhere(stack: RealStack, tmp_path: Path) -> None:
    """Run the package by hand in an empty directory; the first ``python`` on the path is none that could run it."""
    spec = StreamSpec.load(stack.paths.specification("stream"))
    settings = spec.settings.model_copy(
        update={"driver_host": "127.0.0.1", "driver_bind_address": "", "executor_python": str(BASE)}
    )
    specification = tmp_path / "job.json"
    specification.write_text(spec.model_copy(update={"settings": settings}).model_dump_json(), encoding="utf-8")
    empty, false = tmp_path / "empty", tmp_path / "bin"
    empty.mkdir()
    false.mkdir()
    for name in ("python", "python3"):
        (false / name).write_text("#!/bin/sh\nexit 77\n", encoding="utf-8")
        (false / name).chmod(0o755)
    given = built_environment()
    environment = {**given, "PATH": f"{false}:{given['PATH']}", "SPARK_HOME": str(spark_home())}
    spec.heartbeat.unlink(missing_ok=True)
    log = tmp_path / "job.log"
    with log.open("w", encoding="utf-8") as out:
        job = subprocess.Popen(
            [str(BASE), str(ensure_package()), str(specification)], cwd=empty, env=environment, stdout=out, stderr=out
        )
        try:
            stack.wait_until(lambda: stack.figure("stream", "batches") > 0, 120, f"the job counts; {log}")
        finally:
            psutil.Process(job.pid).terminate()
            code = job.wait(60)
    assert code == 0, log.read_text(encoding="utf-8")[-2000:]
    assert list(empty.iterdir()) == []
    launch_program(stack.lab.supervisor, stack.paths, "stream", specification.read_text(encoding="utf-8"), java=True)
    stack.wait_progress()
