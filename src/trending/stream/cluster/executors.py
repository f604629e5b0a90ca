"""The cluster's side of a session: its configuration, and a look at the executors before the query starts.

Without that look a job with another Python, or with a driver that no executor reaches, waits or fails again and again.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from trending.errors import ConfigurationConflict, LabError, NotReady
from trending.programs.heartbeat import running_seconds
from trending.stream.cluster.beats import Beats
from trending.stream.cluster.master_log import LINE, LOOK_SECONDS, STARTING, await_room, ended, is_granted, last_line
from trending.stream.cluster.python import DRIVERS_PYTHON, PYTHON_REMEDY, another_python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pyspark.sql import SparkSession

    from trending.programs.specifications import StreamSpec

logger = logging.getLogger("trending.stream")

PACKAGE = "trending-job"
"""What executors call the unpacked package; it lies in their working directory."""
LOGGING = Path(__file__).with_name("log4j2.properties")
NEAR_SECONDS = 60.0
"""How long executors may take that call the driver where it listens, on one machine: only that can be slow."""
FAR_SECONDS, LEAST_SECONDS = 14.0, 5.0
"""How long after the job's start those of other machines may call for the first time, and how long they have at least, from when
the master gave the first one."""
WORK_SECONDS = 90.0
"""How long an executor that has called may take to fetch and unpack the package and to start its Python."""
UNPACKING = "sending the package to the executors"
_ENDED = 3
"""Executors of a cluster that ended before any had called: none will."""
_NO_PYTHON = re.compile(
    r"PYTHON_VERSION_MISMATCH|Python in worker has different version|Cannot run program|"
    r"Error from python worker|Bad data in pyspark\.daemon"
)
"""The last two are of a Python so old that PySpark cannot even be imported; what it died of stands below."""
_DIED_OF = re.compile(r"^\s*\w*(Error|Exception): .*", re.MULTILINE)
_NO_PACKAGE = re.compile(r"ModuleNotFoundError|ImportError")
_REFUSED = "Failed to connect to master"


def executor_python(spec: StreamSpec) -> str:
    """Return the Python that the executors are to run: of one's own machine the very one that the driver's environment is of."""
    if spec.settings.executor_python:
        return spec.settings.executor_python
    if spec.settings.imitated:
        return str(Path(sys.executable).resolve())
    return f"python{DRIVERS_PYTHON}"


def cluster_options(spec: StreamSpec) -> dict[str, str]:
    """Return what a session on a cluster has beside every session's options."""
    python = executor_python(spec)
    return {
        "spark.jars": ",".join(map(str, spec.jars)),
        "spark.pyspark.python": python,
        "spark.executorEnv.PYSPARK_PYTHON": python,
        "spark.executorEnv.PYTHONPATH": f"{PACKAGE}/lib",
        "spark.executor.syncLogLevel.enabled": "true",
    }


def set_environment(spec: StreamSpec) -> None:
    """Set this process's environment as PySpark reads it for a cluster; call it before a session is built."""
    os.environ["PYSPARK_PYTHON"] = executor_python(spec)
    if spec.settings.imitated:
        # Its workers put their directories below SPARK_HOME, which is the virtual environment's.
        import pyspark  # noqa: PLC0415 - its place only

        home = spec.scratch / "spark"
        home.mkdir()
        for part in Path(pyspark.__file__).parent.iterdir():
            (home / part.name).symlink_to(part)
        os.environ["SPARK_HOME"] = str(home)
    if spec.settings.spark_properties:
        os.environ["PYSPARK_SUBMIT_ARGS"] = f'--properties-file "{spec.settings.spark_properties}" pyspark-shell'


@dataclass
class Watch:
    """What is seen of a master while the session is built: ``granted_at`` is when it gave the first executor (monotonic)."""

    built: threading.Event = field(default_factory=threading.Event)
    granted_at: float | None = None


def watch_master(spec: StreamSpec) -> Watch:
    """End the process where the master refuses the driver while the session is built; set the event once it is.

    Spark's own call does not return before a minute, and cannot be cut short.
    """
    watch = Watch()

    def look() -> None:
        while not watch.built.wait(LOOK_SECONDS):
            if watch.granted_at is None and is_granted(spec):
                watch.granted_at = time.monotonic()
            if refusal := last_line(spec, _REFUSED):
                cause = f"the Spark master at {spec.settings.spark_master} refuses the driver, or is none"
                evidence = f"{refusal}; as after another spark.authenticate.secret, or another version of Spark"
                error = NotReady(cause, evidence, "look at the master's log; SPARK_PROPERTIES=file has the secret")
                logger.error("%s", error)
                sys.stderr.flush()
                os._exit(error.exit_code)

    if spec.settings.master_addresses:
        threading.Thread(target=look, name="watch-master", daemon=True).start()
    return watch


def look_at_executor(_records: Iterable[int]) -> Iterator[str]:
    """Import what a task of the job imports, in an executor, and tell where that was."""
    import platform  # noqa: PLC0415 - in the executor

    from trending.stream import decoder  # noqa: PLC0415 - in the executor

    yield f"{platform.node()}, Python {platform.python_version()}, {decoder.__file__}"


def require_executors(session: SparkSession, spec: StreamSpec, stop: threading.Event, granted_at: float | None = None) -> str:
    """Look at an executor's Python, hand the package out, and look whether it arrives; returns where that was.

    Raises NotReady where no executor calls the driver in time, ConfigurationConflict where one cannot run the job's Python. For
    room on the cluster it waits until ``stop``, and returns nothing then. ``granted_at`` is when the master gave the first
    executor, which began to call then, however late the session was.
    """
    logger.info("the session on %s was there after %.1f s", spec.settings.spark_master, running_seconds())
    # A task that needs nothing of ours: to fetch and unpack the package takes longer than an answer about a Python may.
    if not run_task(session, spec, STARTING, lambda _records: iter(["Python"]), stop, granted_at):
        return ""
    session.sparkContext.addArchive(f"{spec.package}#{PACKAGE}")
    if where := run_task(session, spec, UNPACKING, look_at_executor, stop):
        logger.info("executors are well: %s", where)
    return where


def run_task(
    session: SparkSession,
    spec: StreamSpec,
    phase: str,
    look: Callable[[Iterable[int]], Iterator[str]],
    stop: threading.Event,
    granted_at: float | None = None,
) -> str:
    """Return what a task says, beating with ``phase`` meanwhile; nothing once ``stop`` is set."""
    answers: list[str] = []
    failures: list[Exception] = []

    def ask() -> None:
        try:
            answers.extend(session.sparkContext.parallelize([0], 1).mapPartitions(look).collect())
        except (Py4JError, PySparkException, OSError) as error:
            failures.append(error)

    task = threading.Thread(target=ask, name="look-at-executors", daemon=True)
    task.start()
    began = running_seconds()
    await_room(spec, stop)
    settings = spec.settings
    far = settings.called_beyond_loopback or settings.elsewhere or settings.driver_host != settings.bound_to
    now = time.monotonic()
    least = LEAST_SECONDS - (now - granted_at if granted_at else 0.0)
    deadline = now + (max(FAR_SECONDS - began, least) if far else NEAR_SECONDS)
    called, beats = False, Beats(spec.heartbeat)
    while task.is_alive() and not stop.is_set():
        beats.beat(phase)
        task.join(LOOK_SECONDS)
        if not called and _executors(session):
            called = True
            logger.info("an executor called the driver after %.1f s", running_seconds())
            deadline = time.monotonic() + WORK_SECONDS
        if not called and ended(spec) >= _ENDED:
            raise _unreached(spec)
        if task.is_alive() and time.monotonic() > deadline:
            raise _slow(spec) if called else _unreached(spec)
    if failures:
        raise _unfit(failures[0], spec)
    return answers[0] if answers else ""


def _executors(session: SparkSession) -> int:
    # The driver's own block manager is one of them.
    context = session.sparkContext._jsc.sc()  # noqa: SLF001 - PySpark has no count of executors
    return int(context.getExecutorMemoryStatus().size()) - 1


def _unreached(spec: StreamSpec) -> NotReady:
    address = spec.settings.driver_host
    if last := last_line(spec, "is now EXITED") or last_line(spec, "Executor "):
        cause = f"the cluster's executors cannot call the driver at {address}"
        return NotReady(cause, last, "give DRIVER_HOST=an address that they reach, or open the firewall; then make up")
    cause = f"the cluster at {spec.settings.spark_master} gave the job no executor that could call the driver at {address}"
    evidence = "no worker has a free core and the memory for it, or the address is none that they reach"
    return NotReady(cause, evidence, "look at the master's page for workers and cores; DRIVER_HOST=address, then make up")


def _slow(spec: StreamSpec) -> NotReady:
    cause = "an executor has called, and did no work"
    return NotReady(cause, f"{WORK_SECONDS:.0f} s for one task on {spec.settings.spark_master}", "make up once more")


def _unfit(error: Exception, spec: StreamSpec) -> LabError:
    text = str(error)
    for pattern, cause in (
        (_NO_PYTHON, another_python(executor_python(spec))),
        (_NO_PACKAGE, "the executors cannot import the job's package"),
    ):
        if found := pattern.search(text):
            told = text[text.rfind("\n", 0, found.start()) + 1 :].splitlines()
            died_of = _DIED_OF.search("\n".join(told[1:])) if told[0].rstrip().endswith("worker:") else None
            line = " ".join([told[0].strip(), *([died_of[0].strip()] if died_of else [])])
            return ConfigurationConflict(cause, line[:LINE], PYTHON_REMEDY)
    return LabError("the first task on the cluster failed", text[-2 * LINE :], "make logs SERVICE=stream")
