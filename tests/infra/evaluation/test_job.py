"""The job runs in an environment that is built for it, and is ended by the stack's mark."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes.stacks import make

from infra.console.interruptions import SIGNALS, raise_on_signals
from infra.evaluation import job as jobs
from infra.evaluation.job import Job, job_variables, spark_variables, words_of
from infra.evaluation.results import ResultPlace
from infra.host.processes import stack_processes
from trending.errors import Interrupted, InvalidInput, ServiceDied
from trending.settings import StreamSettings, WindowTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psutil

    from infra.lab.assembly import Lab

PLACE = ResultPlace(Path("/x"), "ranking")
TELL = "import json, os; print(json.dumps(dict(os.environ)), flush=True)"
WAIT = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); time.sleep(60)"

pytestmark = pytest.mark.usefixtures("world")


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = make(stream=StreamSettings(window_time=WindowTime.EVENT, window_seconds=10))
    yield made
    assert stack_processes(made.paths.stack_id, jobs.JOB) == []


def started(lab: Lab, code: str) -> Job:
    made = Job(lab, (sys.executable, "-c", code), PLACE, {"MINE": "1"})
    made.start()
    return made


def ended(job: Job) -> int:
    deadline = time.monotonic() + 20
    while (code := job.exit_code()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return code


def test_it_gets_what_it_is_told_and_nothing_else_of_the_shell(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("SPARK_HOME", "/another/spark")
    job = started(lab, TELL)
    assert ended(job) == 0
    told = json.loads(job.log.read_text(encoding="utf-8"))
    assert told["KAFKA_BOOTSTRAP"] == lab.stack.connection.bootstrap
    assert (told["KAFKA_TOPIC"], told["WINDOW_SECONDS"], told["WINDOW_TIME"], told["TZ"]) == (
        "tweets_topic",
        "10",
        "event",
        "UTC",
    )
    assert (told["RESULTS_FILE"], told["RESULTS_TABLE"], told["MINE"]) == ("/x", "ranking", "1")
    assert (told["TRENDING_STACK_ID"], told["TRENDING_COMPONENT"]) == (lab.paths.stack_id, "job")
    assert not {"PYTHONPATH", "SPARK_HOME"} & set(told)


def test_its_death_is_told_with_its_last_lines_in_one_line(lab: Lab) -> None:
    job = started(lab, "print('one'); print(); print('two'); raise SystemExit(3)")
    ended(job)
    with pytest.raises(ServiceDied, match="the job ended with exit code 3") as caught:
        job.require_alive()
    assert caught.value.evidence == "one | two"
    assert str(job.log) in caught.value.next_command


def test_a_job_that_was_killed_says_by_what_and_goes_on_in_the_same_log(lab: Lab) -> None:
    job = started(lab, WAIT)
    job.require_alive()
    job.kill()
    with pytest.raises(ServiceDied, match="was killed by SIGKILL") as caught:
        job.require_alive()
    assert caught.value.evidence == "it said nothing"
    job.start()
    job.require_alive()
    job.end()


def test_what_it_has_started_ends_with_it_and_another_process_does_not(lab: Lab) -> None:
    job = started(lab, WAIT)
    deadline = time.monotonic() + 20
    while len(stack_processes(lab.paths.stack_id, jobs.JOB)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    job.end()
    assert stack_processes(lab.paths.stack_id, jobs.JOB) == []
    assert job.exit_code() is not None


def test_spark_finds_its_java_and_kafkas_jars(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "ensure_jars", lambda _group: (Path("/jars/a.jar"), Path("/jars/b.jar")))
    told = spark_variables()
    assert "spark.driver.extraClassPath=/jars/a.jar:/jars/b.jar" in told["PYSPARK_SUBMIT_ARGS"]
    assert told["PYSPARK_SUBMIT_ARGS"].endswith(" pyspark-shell")
    assert told["PYSPARK_PYTHON"] == sys.executable
    assert job_variables(lab)["CHECKPOINT"].startswith(str(lab.paths.run))


@pytest.mark.parametrize(
    ("command", "words"), [("", "JOB is missing"), ("'open", "JOB is no command"), ("no-such-program x", "no program no-such")]
)
def test_a_command_that_cannot_run_is_refused_before_anything_starts(command: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        words_of(command)


def test_the_words_of_a_command_are_the_shells() -> None:
    assert words_of("python 'my job.py' --x=1") == ("python", "my job.py", "--x=1")


@pytest.mark.row(8)
def test_a_second_signal_does_not_leave_it_at_work(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C twice in ``make naive`` left the job, a JVM with it, beside a stack that goes on."""
    earlier = {number: signal.getsignal(number) for number in SIGNALS}
    job = started(lab, WAIT)
    ends = jobs.end_processes

    def hit(processes: list[psutil.Process], grace: float) -> list[psutil.Process]:
        monkeypatch.setattr(jobs, "end_processes", ends)
        signal.raise_signal(signal.SIGINT)
        return ends(processes, grace)

    monkeypatch.setattr(jobs, "end_processes", hit)
    raise_on_signals()
    try:
        with pytest.raises(Interrupted):
            interrupted(job)
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
    assert job.exit_code() is not None
    assert stack_processes(lab.paths.stack_id, jobs.JOB) == []


def interrupted(job: Job) -> None:
    """Let a signal end what uses the job, as a command does."""
    try:
        raise Interrupted
    finally:
        job.end()


@pytest.mark.parametrize("end", [Job.end, Job.kill])
def test_one_that_keeps_terminals_of_its_own_is_ended_all_the_same(lab: Lab, end: Callable[[Job], None]) -> None:
    """As expect's do: such a process looks like the server of somebody's tmux."""
    job = started(lab, "import pty; pty.spawn(['sh', '-c', 'echo up; sleep 60'])")
    deadline = time.monotonic() + 20
    while "up" not in job.last_lines():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    end(job)
    assert job.exit_code() is not None
