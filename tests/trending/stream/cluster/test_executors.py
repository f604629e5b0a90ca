from __future__ import annotations

import sys
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from fakes.trending.checkpoint import stream_spec
from pyspark.errors import PySparkException

from trending.errors import ConfigurationConflict, LabError, NotReady
from trending.settings import StreamSettings
from trending.stream.cluster import beats, executors, master_log
from trending.stream.cluster.executors import cluster_options, look_at_executor, require_executors, watch_master
from trending.stream.cluster.master import WAITING
from trending.stream.cluster.master_log import cluster_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trending.programs.specifications import StreamSpec

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"


class FakeCluster:
    """A session whose one task ends as told, or never, and whose executors are so many."""

    def __init__(self, *, registered: int = 0, error: Exception | None = None, answers: bool = False) -> None:
        self._error = error
        self._answers = answers
        self.ended = threading.Event()
        self.archives: list[str] = []
        memory = SimpleNamespace(size=lambda: registered + 1)
        self._jsc = SimpleNamespace(sc=lambda: SimpleNamespace(getExecutorMemoryStatus=lambda: memory))

    def addArchive(self, path: str) -> None:  # noqa: N802 - Spark's name
        self.archives.append(path)

    @property
    def sparkContext(self) -> FakeCluster:  # noqa: N802 - Spark's name
        return self

    def parallelize(self, _records: list[int], _slices: int) -> FakeCluster:
        return self

    def mapPartitions(self, _look: object) -> FakeCluster:  # noqa: N802 - Spark's name
        return self

    def collect(self) -> list[str]:
        if self._error:
            raise self._error
        if not self._answers:
            self.ended.wait(30)
        return ["worker-1, Python 3.11.7"]


@pytest.fixture
def spec(tmp_path: Path) -> StreamSpec:
    settings = StreamSettings(spark_master="spark://127.0.0.1:7077")
    given = stream_spec(tmp_path, "topic-1", {0: 0}).model_copy(update={"settings": settings, "package": tmp_path / "job.zip"})
    given.scratch.mkdir(parents=True)
    grant(given)
    return given


@pytest.fixture
def silent() -> Iterator[FakeCluster]:
    cluster = FakeCluster()
    yield cluster
    cluster.ended.set()
    for thread in threading.enumerate():
        if thread.name == "look-at-executors":
            thread.join(5)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every heartbeat that is written, its phase and note."""
    found: list[str] = []
    monkeypatch.setattr(beats, "write_heartbeat", lambda _path, phase, note: found.append(f"{phase} {note}".strip()))
    return found


def require(cluster: FakeCluster, spec: StreamSpec, stop: threading.Event | None = None) -> str:
    session: Any = cluster
    return require_executors(session, spec, stop or threading.Event())


def grant(spec: StreamSpec) -> None:
    """Have the master say that a worker is to start an executor."""
    line = "INFO Executor added: app-1/0 on worker-1 (127.0.0.1:35231) with 1 core(s)\n"
    with cluster_log(spec).open("a", encoding="utf-8") as log:
        log.write(line)


def test_executors_get_the_package_the_jars_and_a_python_of_the_drivers_version(spec: StreamSpec, tmp_path: Path) -> None:
    options = cluster_options(spec.model_copy(update={"jars": (tmp_path / "a.jar", tmp_path / "b.jar")}))
    assert options["spark.jars"] == f"{tmp_path / 'a.jar'},{tmp_path / 'b.jar'}"
    assert options["spark.pyspark.python"] == options["spark.executorEnv.PYSPARK_PYTHON"] == PYTHON


def test_an_executor_that_is_well_says_where_it_is(spec: StreamSpec) -> None:
    cluster = FakeCluster(registered=1, answers=True)
    assert require(cluster, spec) == "worker-1, Python 3.11.7"
    assert cluster.archives == [f"{spec.package}#trending-job"]
    [answer] = look_at_executor([0])
    assert answer.endswith("decoder.py")


@pytest.mark.parametrize(
    "said",
    [
        "PythonException\n[PYTHON_VERSION_MISMATCH] Python in worker has different version: 3.9",
        'java.io.IOException: Cannot run program "python3.11": error=2, No such file or directory',
    ],
)
def test_another_python_ends_the_job_for_good(said: str, spec: StreamSpec) -> None:
    with pytest.raises(ConfigurationConflict, match=f"the executors' Python, {PYTHON}, is not the driver's") as found:
        require(FakeCluster(registered=1, error=PySparkException(said)), spec)
    assert "EXECUTOR_PYTHON=" in found.value.next_command
    assert found.value.evidence in said


def test_a_python_that_is_too_old_for_pyspark_itself_is_another_python_too(spec: StreamSpec) -> None:
    said = "Error from python worker:\n  Traceback:\n    File x\n  TypeError: no | of types\nPYTHONPATH was:\n"
    with pytest.raises(ConfigurationConflict, match="is not the driver's") as found:
        require(FakeCluster(registered=1, error=PySparkException(said)), spec)
    assert found.value.evidence == "Error from python worker: TypeError: no | of types"


def test_a_package_that_does_not_arrive_ends_the_job_for_good(spec: StreamSpec) -> None:
    with pytest.raises(ConfigurationConflict, match="cannot import the job's package"):
        require(FakeCluster(registered=1, error=PySparkException("ModuleNotFoundError: No module named 'trending'")), spec)


def test_what_else_a_first_task_dies_of_is_told_as_it_is(spec: StreamSpec) -> None:
    with pytest.raises(LabError, match="the first task on the cluster failed") as found:
        require(FakeCluster(registered=1, error=PySparkException("No space left on device")), spec)
    assert "No space left on device" in found.value.evidence


def test_executors_that_end_before_any_has_called_cannot_reach_the_driver(silent: FakeCluster, spec: StreamSpec) -> None:
    line = "INFO Executor updated: app-1/{} is now EXITED (Command exited with code 1)"
    cluster_log(spec).write_text("\n".join(line.format(number) for number in range(3)), encoding="utf-8")
    with pytest.raises(NotReady, match="executors cannot call the driver at ") as found:
        require(silent, spec)
    assert "app-1/2 is now EXITED" in found.value.evidence


def test_executors_that_were_given_and_never_call_are_told_apart(
    silent: FakeCluster, spec: StreamSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "NEAR_SECONDS", 0.3)
    with pytest.raises(NotReady, match="executors cannot call the driver at ") as found:
        require(silent, spec)
    assert "Executor added" in found.value.evidence


@pytest.mark.parametrize("settings", [{"driver_host": "127.0.0.2", "driver_bind_address": "127.0.0.1"}, {"spark_master": "yarn"}])
def test_executors_that_call_from_elsewhere_have_until_a_time_after_the_jobs_start(
    silent: FakeCluster, spec: StreamSpec, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "running_seconds", lambda: executors.FAR_SECONDS)
    monkeypatch.setattr(executors, "LEAST_SECONDS", 0.3)
    given = spec.model_copy(update={"settings": spec.settings.model_copy(update=settings)})
    with pytest.raises(NotReady, match="call the driver at "):
        require(silent, given)


@pytest.mark.parametrize(("granted", "least"), [(None, 0.8), (2.0, 0.0)])
def test_executors_call_from_the_masters_word_on_however_late_the_session_is(
    silent: FakeCluster, spec: StreamSpec, granted: float | None, least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver on a busy machine has its session late, and the executors have called for as long in vain."""
    monkeypatch.setattr(executors, "running_seconds", lambda: executors.FAR_SECONDS)
    monkeypatch.setattr(executors, "LEAST_SECONDS", 1.0)
    elsewhere = spec.settings.model_copy(update={"driver_host": "127.0.0.2", "driver_bind_address": "127.0.0.1"})
    session: Any = silent
    began = time.monotonic()
    with pytest.raises(NotReady, match="call the driver at "):
        require_executors(
            session,
            spec.model_copy(update={"settings": elsewhere}),
            threading.Event(),
            None if granted is None else began - granted,
        )
    assert least <= time.monotonic() - began < least + 0.7


def test_an_executor_that_has_called_before_the_session_was_there_is_no_silent_one(spec: StreamSpec) -> None:
    cluster = FakeCluster(registered=1, answers=True)
    session: Any = cluster
    assert require_executors(session, spec, threading.Event(), time.monotonic() - 60) == "worker-1, Python 3.11.7"


def test_the_watch_notes_when_the_master_gave_the_first_executor(spec: StreamSpec) -> None:
    cluster_log(spec).unlink()
    watch = watch_master(spec)
    assert watch.granted_at is None
    before = time.monotonic()
    grant(spec)
    while watch.granted_at is None:
        assert time.monotonic() - before < 5
        time.sleep(0.01)
    watch.built.set()
    for thread in threading.enumerate():
        if thread.name == "watch-master":
            thread.join(5)
    assert before <= watch.granted_at


def test_a_job_that_waits_for_its_executors_beats_with_what_it_waits_for(
    spec: StreamSpec, written: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without that, a start-up says for a minute that the job gives no sign of life. The master's log is read more often."""
    monkeypatch.setattr(beats, "BEAT_SECONDS", 60.0)

    class Slow(FakeCluster):
        def collect(self) -> list[str]:
            time.sleep(0.25)
            return super().collect()

    require(Slow(registered=1, answers=True), spec)
    assert written == ["starting the executors", "sending the package to the executors"]


def test_a_job_without_room_says_so_waits_and_goes_on_once_there_is_some(
    silent: FakeCluster, spec: StreamSpec, written: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not die: what it waits for ends by itself, and five deaths would end the job for good."""
    monkeypatch.setattr(master_log, "GRANT_SECONDS", 0.2)
    cluster_log(spec).unlink()

    def freed() -> None:
        while not written:
            time.sleep(0.01)
        silent.ended.set()
        grant(spec)

    other = threading.Thread(target=freed)
    other.start()
    assert require(silent, spec) == "worker-1, Python 3.11.7"
    other.join()
    assert written[0] == f"{WAITING} the cluster at spark://127.0.0.1:7077 has no room for the job"
    assert written[-1] == "starting the executors"


def test_a_job_without_room_ends_when_it_is_stopped(
    silent: FakeCluster, spec: StreamSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(master_log, "GRANT_SECONDS", 0.0)
    cluster_log(spec).unlink()
    stop = threading.Event()
    monkeypatch.setattr(beats, "write_heartbeat", lambda *_given, **_named: stop.set())
    assert require(silent, spec, stop) == ""
    assert silent.archives == []
