"""The job that is evaluated: a process group of its own, with the stack's mark, in an environment that is built for it."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from infra.console.interruptions import begun_despite_signals, finished_despite_signals
from infra.host.environment import built_environment
from infra.host.marks import mark_variables
from infra.host.paths import CHECKOUT
from infra.host.processes import COMPONENT_VARIABLE, end_processes, stack_processes
from infra.java.class_archives import spark_environment
from infra.java.installation import find_java
from infra.java.jars import ensure_jars
from infra.supervision.output_tail import tail
from trending.errors import InvalidInput, ServiceDied

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.evaluation.results import ResultPlace
    from infra.lab.assembly import Lab

JOB = "job"
"""Its name among the stack's components, and of its output's file."""
GRACE_SECONDS = 10.0
LAST_LINES = 5
MOST_CHARACTERS = 600
EXAMPLE = "make evaluate JOB='python my_job.py' RESULTS=…"


def words_of(command: str) -> tuple[str, ...]:
    """Return the words of a command; raises InvalidInput where it is empty, or its program is not to be found."""
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        cause = f"JOB is no command: {error}"
        raise InvalidInput(cause, command, EXAMPLE) from None
    if not words:
        cause = "JOB is missing: which job is to be evaluated?"
        raise InvalidInput(cause, "", EXAMPLE)
    if shutil.which(words[0], path=_path()) is None:
        cause = f"there is no program {words[0]}"
        raise InvalidInput(cause, f"JOB={command}", EXAMPLE)
    return words


def _path() -> str:
    """Return the search path: the lab's own Python comes first."""
    return os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))


def spark_variables() -> dict[str, str]:
    """Return what lets a Spark program find its JVM and Kafka's jars, without a word of it in the program."""
    jars = os.pathsep.join(map(str, ensure_jars("spark")))
    options = ("--driver-memory", "512m", "--conf", f"spark.driver.extraClassPath={jars}", "--conf", "spark.ui.enabled=false")
    return {
        "JAVA_HOME": str(find_java().home),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": shlex.join((*options, "pyspark-shell")),
        "SPARK_LOCAL_IP": "127.0.0.1",
        **spark_environment(),
    }


def job_environment(lab: Lab, place: ResultPlace, more: Mapping[str, str]) -> dict[str, str]:
    """Return the job's environment: docs/your-own.md lists what a job may read of it."""
    stream = lab.settings.stream
    return {
        **built_environment(),
        **mark_variables(lab.paths.stack_id),
        "PATH": _path(),
        "TZ": "UTC",
        "KAFKA_BOOTSTRAP": lab.stack.connection.bootstrap,
        "KAFKA_TOPIC": lab.settings.stack.topic,
        "WINDOW_SECONDS": str(stream.window_seconds),
        "WINDOW_TIME": stream.window_time.value,
        **place.variables,
        **more,
    }


def job_variables(lab: Lab) -> dict[str, str]:
    """Return what a job may use besides: Spark's variables, and a directory for its checkpoint."""
    return {**spark_variables(), "CHECKPOINT": str(lab.paths.job_checkpoint)}


class Job:
    """The process of a command. ``more`` is added to its environment; two jobs on one stack have names of their own."""

    def __init__(self, lab: Lab, words: tuple[str, ...], place: ResultPlace, more: Mapping[str, str], name: str = JOB) -> None:
        self._lab = lab
        self._words = words
        self._name = name
        self._environment = {**job_environment(lab, place, more), COMPONENT_VARIABLE: name}
        self._process: subprocess.Popen[bytes] | None = None
        self.log = lab.paths.output_file(name)

    def start(self) -> None:
        """Start it, or start it again; its output goes on in the same file."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._words,
                cwd=CHECKOUT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def exit_code(self) -> int | None:
        """Return with what it has ended; None while it runs."""
        return self._process.poll() if self._process else None

    def require_alive(self) -> None:
        """Raise ServiceDied with its last lines once it has ended."""
        code = self.exit_code()
        if code is not None:
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            cause = f"the job {how}"
            raise ServiceDied(cause, self.last_lines(), f"{shlex.join(self._words)}; all it said: {self.log}")

    def last_lines(self) -> str:
        """Return what it said last, in one line."""
        lines = [line.strip() for line in tail(self.log, LAST_LINES).splitlines() if line.strip()]
        return " | ".join(lines)[-MOST_CHARACTERS:] or "it said nothing"

    def kill(self) -> None:
        """Kill it with what it has started, as a machine does that loses its power."""
        for process in self._family():
            process.kill()
        self._reap()

    def end(self) -> None:
        """Ask it to end, with what it has started, and kill what does not.

        It has a session of its own, so a second signal would leave it at work: nobody else ends it on a stack that goes on.
        """
        begun_despite_signals(self._end)

    def _end(self) -> None:
        with finished_despite_signals():
            end_processes(self._family(), GRACE_SECONDS)
            self._reap()

    def _family(self) -> list[psutil.Process]:
        """Return its living processes: they carry the stack's mark and the component's name, whatever group they are in."""
        family = stack_processes(self._lab.paths.stack_id, self._name)
        if self._process is not None and self.exit_code() is None and self._process.pid not in {each.pid for each in family}:
            family.append(psutil.Process(self._process.pid))  # it keeps terminals, as expect does, and so looks like somebody's
        return family

    def _reap(self) -> None:
        if self._process is not None:
            self._process.wait()
