from __future__ import annotations

import errno
import os
import sys
import xmlrpc.client
from typing import TYPE_CHECKING, Any

import pytest
from supervisor import childutils
from supervisor.xmlrpc import Faults

from infra.supervision import budget
from infra.supervision.budget import DEATHS, PERIOD_SECONDS, OomWatch, last_words, note_death, read_budget, reset_deaths

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "budget.json"


@pytest.mark.row(10)
def test_the_budget_is_spent_by_one_death_more_than_it_allows(path: Path) -> None:
    assert [note_death(path, "kafka", float(at)) for at in range(DEATHS + 1)] == [False] * DEATHS + [True]
    assert read_budget(path)["kafka"].spent


def test_deaths_that_are_long_past_do_not_count(path: Path) -> None:
    for number in range(50):
        assert not note_death(path, "kafka", number * PERIOD_SECONDS / DEATHS)


def test_deaths_of_the_future_do_not_count_since_the_clock_was_set_back(path: Path) -> None:
    for _ in range(DEATHS):
        note_death(path, "kafka", 10 * PERIOD_SECONDS)
    assert not note_death(path, "kafka", PERIOD_SECONDS)
    assert read_budget(path)["kafka"].at == [PERIOD_SECONDS]


def test_each_program_has_a_budget_of_its_own(path: Path) -> None:
    for _ in range(DEATHS):
        note_death(path, "kafka", 1.0)
    assert not note_death(path, "stream", 1.0)
    assert note_death(path, "kafka", 1.0)


def test_a_program_that_a_person_asked_for_again_is_forgiven(path: Path) -> None:
    for _ in range(DEATHS + 1):
        note_death(path, "kafka", 1.0)
    note_death(path, "stream", 1.0)
    reset_deaths(path, "kafka")
    assert list(read_budget(path)) == ["stream"]
    assert not note_death(path, "kafka", 2.0)
    reset_deaths(path, "nobody")
    assert set(read_budget(path)) == {"kafka", "stream"}


def test_a_damaged_or_missing_file_is_an_empty_budget(path: Path) -> None:
    assert read_budget(path) == {}
    path.write_text('{"kafka": {"at": ')
    assert read_budget(path) == {}
    assert not note_death(path, "kafka", 1.0)


class FakeListener:
    """supervisord's side of the event protocol: events to read, and the programs it was asked to stop."""

    def __init__(self, events: list[str], fault: int | None = None) -> None:
        self.events = events
        self.fault = fault
        self.stopped: list[str] = []
        self.states = iter(["RUNNING"])
        self.state = ""
        self.acknowledged = 0
        self.supervisor = self

    def wait(self) -> tuple[dict[str, str], str]:
        if not self.events:
            raise EOFError
        return {}, self.events.pop(0)

    def ok(self) -> None:
        self.acknowledged += 1

    def getProcessInfo(self, name: str) -> dict[str, str]:  # noqa: N802 - supervisord's name
        assert name == "stream"
        self.state = next(self.states, self.state)
        return {"statename": self.state}

    def stopProcess(self, name: str, wait: Any) -> None:  # noqa: N802 - supervisord's name
        assert wait is False
        if self.fault is not None:
            raise xmlrpc.client.Fault(self.fault, "NOT_RUNNING")
        self.stopped.append(name)


def listen(listener: FakeListener, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["budget", str(path)])
    monkeypatch.setattr(childutils, "getRPCInterface", lambda _environment: listener)
    monkeypatch.setattr(childutils, "listener", listener)
    with pytest.raises(EOFError):
        budget.main()


def exited(name: str, expected: int) -> str:
    return f"processname:{name} groupname:{name} from_state:RUNNING expected:{expected} pid:1"


@pytest.mark.row(27)
def test_the_listener_stops_what_dies_again_and_again_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listener = FakeListener([exited("stream", 0)] * (DEATHS + 1) + [exited("kafka", 0)])
    listen(listener, path, monkeypatch)
    assert listener.stopped == ["stream"]
    assert listener.acknowledged == DEATHS + 2
    assert "stream died more than 5 times in 600 s: stopped" in capsys.readouterr().err


@pytest.mark.parametrize("gone", [KeyError("len"), BrokenPipeError(errno.EPIPE, "Broken pipe")])
@pytest.mark.parametrize("where", ["wait", "ok"])
def test_the_end_of_supervisord_is_the_listeners_quiet_end(
    gone: Exception, where: str, path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of an input that is closed it reads an empty line, in which childutils looks for a length."""
    listener = FakeListener([exited("kafka", 0)])

    def end(*_arguments: object) -> None:
        raise gone

    monkeypatch.setattr(listener, where, end)
    monkeypatch.setattr(sys, "argv", ["budget", str(path)])
    monkeypatch.setattr(childutils, "getRPCInterface", lambda _environment: listener)
    monkeypatch.setattr(childutils, "listener", listener)
    budget.main()
    assert capsys.readouterr().err == ""


def test_an_error_that_is_not_the_end_of_the_input_is_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = FakeListener([exited("kafka", 0)])
    listen(listener, path, monkeypatch)  # which wants its EOFError
    monkeypatch.setattr(budget, "last_words", lambda *_: {}["words"])
    listener.events.append(exited("kafka", 0))
    with pytest.raises(KeyError, match="words"):
        budget.main()


def test_an_expected_exit_is_no_death(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listen(FakeListener([exited("stream", 1)] * 20), path, monkeypatch)
    assert read_budget(path) == {}


def test_a_failed_start_counts_as_a_death(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listen(FakeListener(["processname:stream groupname:stream from_state:STARTING tries:1"]), path, monkeypatch)
    assert len(read_budget(path)["stream"].at) == 1


def test_the_listener_survives_a_program_that_has_ended_before_it_could_be_stopped(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = FakeListener([exited("stream", 0)] * (DEATHS + 3), Faults.NOT_RUNNING)
    listen(listener, path, monkeypatch)
    assert listener.acknowledged == DEATHS + 3


@pytest.mark.row(27)
@pytest.mark.parametrize(
    ("states", "stopped"),
    [
        (["EXITED", "STARTING", "STARTING", "RUNNING"], ["stream"]),
        (["EXITED", "STARTING", "BACKOFF"], ["stream"]),
        (["BACKOFF", "FATAL"], ["stream"]),
        (["EXITED", "STARTING", "FATAL"], []),
        (["STOPPED"], []),
    ],
)
def test_a_program_is_stopped_once_it_is_started_again_and_not_between_death_and_start(
    path: Path, monkeypatch: pytest.MonkeyPatch, states: list[str], stopped: list[str]
) -> None:
    monkeypatch.setattr(budget, "POLL_SECONDS", 0.001)
    listener = FakeListener([exited("stream", 0)] * (DEATHS + 1))
    listener.states = iter(states)
    listen(listener, path, monkeypatch)
    assert listener.stopped == stopped
    if stopped:
        assert listener.state in {"RUNNING", "BACKOFF"}


def test_a_program_that_never_settles_is_stopped_all_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(budget, "SETTLED_SECONDS", 0.05)
    listener = FakeListener([exited("stream", 0)] * (DEATHS + 1))
    listener.states = iter(["STARTING"])
    listen(listener, path, monkeypatch)
    assert listener.stopped == ["stream"]


def test_a_death_is_noted_with_the_programs_last_words(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = path.parent / "logs"
    output.mkdir()
    (output / "stream.err.log").write_text("WARN native code\njava.io.IOException: No space left on device\n\tat a.b(C.java)\n")
    (output / "kafka.out.log").write_text("INFO started\nINFO stopped\n")
    listen(FakeListener([exited("stream", 0), exited("kafka", 0), exited("page", 0)]), path, monkeypatch)
    words = {program: deaths.last_words for program, deaths in read_budget(path).items()}
    assert words == {"stream": "java.io.IOException: No space left on device", "kafka": "INFO stopped", "page": ""}


def test_how_a_program_ended_is_read_from_supervisords_log(path: Path) -> None:
    output = path.parent / "logs"
    output.mkdir()
    (output / "stream.err.log").write_text("INFO nothing special\n")
    log = path.parent / "supervisord.log"
    ended = "2026-11-28 21:47:05,324 WARN exited: {} ({}; not expected)\n"
    log.write_text(ended.format("kafka", "exit status 3") + ended.format("stream", "exit status 1"))
    assert last_words(path.parent, "stream") == "exit status 1"
    (output / "stream.err.log").write_text("RuntimeError: a defect\nINFO nothing special\n")
    assert last_words(path.parent, "stream") == "exit status 1: RuntimeError: a defect"
    log.write_text(log.read_text() + ended.format("stream", "terminated by SIGKILL"))
    assert last_words(path.parent, "stream") == "terminated by SIGKILL", "what stands in the log is not why"
    assert last_words(path.parent, "kafka") == "exit status 3"


def test_a_tick_is_no_death(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = FakeListener(["when:1201063880"])
    listen(listener, path, monkeypatch)
    assert read_budget(path) == {}
    assert listener.acknowledged == 1


@pytest.mark.row(10)
def test_a_death_is_put_down_to_the_oom_killer_only_where_it_struck_just_then() -> None:
    counts = iter([4, 4, 5, 5, 5, None, 6, 6])
    watch = OomWatch(lambda: next(counts))
    assert watch.look(0.0) is False
    assert watch.look(5.0) is True
    assert watch.look(10.0) is True  # two died of it, one event after the other
    assert watch.look(20.0) is False
    assert watch.look(25.0) is None
    assert watch.look(30.0) is None  # it may have struck while nothing could be read
    assert watch.look(35.0) is False


@pytest.mark.row(10)
def test_the_listener_notes_whether_the_oom_killer_struck(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter([0, 0, 1])
    monkeypatch.setattr(budget, "OomWatch", lambda: OomWatch(lambda: next(counts)))
    listen(FakeListener([exited("kafka", 0), exited("stream", 0)]), path, monkeypatch)
    assert {program: deaths.memory for program, deaths in read_budget(path).items()} == {"kafka": False, "stream": True}


def test_a_file_of_an_earlier_version_is_read(path: Path) -> None:
    path.write_text('{"kafka": {"at": [1.0], "spent": false}}')
    assert read_budget(path)["kafka"].memory is None


def test_a_death_that_cannot_be_noted_leaves_no_file_behind(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(file: Path, _content: bytes) -> None:
        file.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(type(path), "write_bytes", full_disk)
    with pytest.raises(OSError, match="No space left"):
        note_death(path, "kafka", 1.0)
    assert list(path.parent.iterdir()) == []
