from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from fakes.terminal import own_process

from infra.console import interruptions
from infra.console.interruptions import finished_despite_signals, raise_on_signals, undo_abandoned, undo_under_way
from trending.errors import Interrupted, UndoAbandoned

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["own_process"]
pytestmark = [pytest.mark.usefixtures("own_process"), pytest.mark.row(8)]
COMMAND = """
import signal, sys, time
from infra.forms.stacks import NamedStack
from infra.forms.terminal import run_command
from infra.console.interruptions import finished_despite_signals
from infra.console.reporting import say

def main(_settings):
    try:
        for _ in range(200):
            say("up")
            time.sleep(0.1)
    finally:
        with finished_despite_signals():
            for step in range(8):
                say(f"undoing {step} " + "x" * 5000)
                time.sleep(0.1)
            open(sys.argv.pop(), "w").write("undone")

undone = sys.argv[-1]
sys.argv[1:] = ["--name=lab"]
sys.argv.append(undone)
try:
    import infra.forms.terminal as terminal
    terminal.parse = lambda *_: None
    run_command(NamedStack, main, "test")
finally:
    pass
"""


@pytest.fixture(autouse=True)
def _no_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruptions, "ECHO_SECONDS", 0.0)


@pytest.mark.parametrize("number", interruptions.SIGNALS)
def test_the_first_signal_raises_the_second_is_answered_and_the_third_abandons(
    number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    steps = []

    def command() -> None:
        raise_on_signals()
        try:
            signal.raise_signal(number)
        except Interrupted:
            with finished_despite_signals():
                steps.append("begun")
                signal.raise_signal(number)
                steps.append("goes on")
                signal.raise_signal(number)
                steps.append("too far")

    with pytest.raises(UndoAbandoned):
        command()
    assert steps == ["begun", "goes on"]
    assert capfd.readouterr().err == interruptions.ONCE_MORE
    assert undo_abandoned()
    assert {signal.getsignal(each) for each in interruptions.SIGNALS} == {signal.SIG_DFL}, "the next one kills outright"


def test_signals_of_all_kinds_count_alike_and_over_all_undos_of_a_command() -> None:
    raise_on_signals()
    with pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGHUP)
    with finished_despite_signals():
        signal.raise_signal(signal.SIGTERM)
    with finished_despite_signals(), pytest.raises(UndoAbandoned):
        signal.raise_signal(signal.SIGINT)


def test_one_signal_that_make_or_the_shell_pass_on_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruptions, "ECHO_SECONDS", 5.0)
    raise_on_signals()
    with pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGTERM)
    with finished_despite_signals():
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
    assert not undo_abandoned()


def test_after_an_undo_a_signal_raises_again() -> None:
    raise_on_signals()
    with finished_despite_signals():
        assert undo_under_way()
    assert not undo_under_way()
    with pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGINT)


def test_what_was_ignored_from_the_start_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    raise_on_signals()
    with finished_despite_signals():
        for _ in range(3):
            signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_in_another_thread_an_undo_runs_as_it_is() -> None:
    done = []

    def undo() -> None:
        with finished_despite_signals():
            done.append(threading.current_thread())

    thread = threading.Thread(target=undo)
    thread.start()
    thread.join()
    assert done == [thread]


@pytest.mark.row(36)
@pytest.mark.parametrize("signals", [0, 1, 2], ids=["make leads the session", "a signal", "the kernel's and the shell's"])
def test_a_command_whose_terminal_was_closed_undoes_to_the_end(signals: int, tmp_path: Path) -> None:
    terminal, own = pty.openpty()
    undone = tmp_path / "undone"
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(undone)],
        stdin=own,
        stdout=own,
        stderr=own,
        start_new_session=True,
    ) as command:
        os.close(own)
        assert b"up" in os.read(terminal, 100)
        os.close(terminal)  # every write fails with EIO from now on
        for _ in range(signals):
            os.kill(command.pid, signal.SIGHUP)
            time.sleep(0.4)
        assert command.wait(20) == Interrupted.exit_code
    assert undone.read_text() == "undone"


@pytest.mark.row(36)
def test_the_undo_of_a_command_whose_reader_has_gone_comes_to_its_end(tmp_path: Path) -> None:
    undone = tmp_path / "undone"
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(undone)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as command:
        assert command.stdout is not None
        assert command.stdout.read(2) == b"up"
        command.stdout.close()
        command.terminate()
        assert command.wait(20) == Interrupted.exit_code
    assert undone.read_text() == "undone"


ENDING = """
import threading, time
from infra.forms.stacks import NamedStack
from infra.forms.terminal import run_command
from infra.console.reporting import write_line

def drain():
    write_line("draining")
    for _ in range(30):
        time.sleep(0.1)
    write_line("drained")

threading._register_atexit(drain)  # as Prefect's services do
run_command(NamedStack, lambda _settings: None, "test")
"""


@pytest.mark.thorough
@pytest.mark.parametrize("number", interruptions.SIGNALS)
@pytest.mark.parametrize(("times", "code"), [(1, 0), (2, Interrupted.exit_code)])
def test_a_signal_while_prefect_sends_its_last_logs_is_no_traceback_and_the_next_one_ends_it(
    number: int, times: int, code: int
) -> None:
    child = subprocess.Popen([sys.executable, "-c", ENDING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "draining\n"
        for _time in range(times):
            child.send_signal(number)
            time.sleep(0.4)  # more than an echo
        out, err = child.communicate(timeout=20)
    assert "Traceback" not in err
    assert err == interruptions.LAST_LOGS
    assert (child.returncode, out) == (code, "drained\n" if code == 0 else "")


def test_who_has_abandoned_an_undo_ends_the_command_with_the_next_signal() -> None:
    def abandoned() -> None:
        with finished_despite_signals():
            for _twice in range(2):
                signal.raise_signal(signal.SIGTERM)

    raise_on_signals()
    with pytest.raises(UndoAbandoned):
        abandoned()
    interruptions.answer_signals_at_exit()
    assert {signal.getsignal(number) for number in interruptions.SIGNALS} == {signal.SIG_DFL}
    raise_on_signals()
    interruptions.answer_signals_at_exit()
    assert signal.SIG_DFL not in {signal.getsignal(number) for number in interruptions.SIGNALS}
