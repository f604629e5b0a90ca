from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from trending.errors import AuditFailed, InvalidInput, LabError
from trending.programs.lifecycle import run_program, stop_on_signals
from trending.programs.specifications import ProgramSpec

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from pathlib import Path


ENDLESS = """
import time
from trending.programs.lifecycle import stop_on_signals
stop_on_signals()
print("ready", flush=True)
while True:
    time.sleep(0.05)
"""


@pytest.fixture(autouse=True)
def signals_of_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProgramSpec:
    """A specification on disk, whose path is the program's only argument."""
    spec = ProgramSpec(bootstrap="localhost:9092", topic="tweets", heartbeat=tmp_path / "beat.json")
    path = tmp_path / "program.json"
    path.write_text(spec.model_dump_json(), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["program", str(path)])
    return spec


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sets_the_event_and_interrupts_nothing(number: signal.Signals) -> None:
    stop = stop_on_signals()
    assert not stop.is_set()
    os.kill(os.getpid(), number)
    assert stop.wait(5)


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_program_at_once(second: signal.Signals) -> None:
    """In a process of its own, which would go on for a minute."""
    with subprocess.Popen([sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.3)
            process.send_signal(second)
            assert process.wait(10) == -second
        finally:
            process.kill()


def test_a_program_gets_the_specification_that_its_argument_names(spec: ProgramSpec) -> None:
    seen: list[tuple[ProgramSpec, bool]] = []
    run_program(ProgramSpec, lambda given, stop: seen.append((given, stop.is_set())))
    assert seen == [(spec, False)]


@pytest.mark.usefixtures("spec")
def test_a_signal_reaches_the_running_program() -> None:
    def main(_spec: ProgramSpec, stop: threading.Event) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        if not stop.wait(5):
            cause = "nobody told the program to stop"
            raise LabError(cause)

    run_program(ProgramSpec, main)
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL


@pytest.mark.usefixtures("spec")
def test_an_error_of_the_lab_becomes_the_exit_code_and_one_message(caplog: pytest.LogCaptureFixture) -> None:
    def main(_spec: ProgramSpec, _stop: threading.Event) -> None:
        cause = "one tweet is missing"
        raise AuditFailed(cause, "lost 1", "make status")

    with pytest.raises(SystemExit) as caught:
        run_program(ProgramSpec, main)
    assert caught.value.code == 7
    assert [record.getMessage() for record in caplog.records] == ["one tweet is missing\n  evidence: lost 1\n  next: make status"]
    assert caplog.records[0].exc_info is None


@pytest.mark.usefixtures("spec")
def test_an_error_that_nobody_foresaw_keeps_its_traceback() -> None:
    def main(_spec: ProgramSpec, _stop: threading.Event) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_program(ProgramSpec, main)


def test_a_specification_that_is_missing_is_invalid_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "argv", ["program", str(tmp_path / "none.json")])
    with pytest.raises(SystemExit) as caught:
        run_program(ProgramSpec, lambda _spec, _stop: None)
    assert caught.value.code == InvalidInput.exit_code
    assert "none.json" in caplog.text
