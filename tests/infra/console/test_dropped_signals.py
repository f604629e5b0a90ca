"""A signal's exception that Python drops, since it was raised in a finalizer or another callback: the signal is not lost.

Seen on the way: a SIGTERM reached a start-up while a weak reference's callback ran, and the stack came up all the same.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.exceptions import TerminationSignal

from infra.console import interruptions
from trending.errors import Interrupted, NotReady

pytestmark = pytest.mark.row(8)
DROPPERS = {
    "a weak reference's callback": """
class Thing: pass
def drop(number):
    thing = Thing()
    weakref.finalize(thing, signal.raise_signal, number)
    del thing
""",
    "a finalizer": """
class Thing:
    def __init__(self, number): self.number = number
    def __del__(self): signal.raise_signal(self.number)
def drop(number):
    Thing(number)
""",
    "a callback of the collector": """
def drop(number):
    def called(phase, info):
        gc.callbacks.remove(called)
        signal.raise_signal(number)
    gc.callbacks.append(called)
    gc.collect()
""",
    "the end of a file, where Python says nothing": """
import io
def drop(number):
    class File(io.RawIOBase):
        def close(self): signal.raise_signal(number)
    File()
""",
    "somebody who swallows everything": """
def drop(number):
    try:
        signal.raise_signal(number)
    except BaseException:
        pass
""",
    "a library's callback in C": """
import ctypes
def drop(number):
    ctypes.CFUNCTYPE(None)(lambda: signal.raise_signal(number))()
""",
}
COMMAND = """
import gc, signal, sys, time, weakref
import infra.forms.terminal as terminal
from infra.console.interruptions import finished_despite_signals
from infra.console.reporting import write_line
from infra.forms.stacks import NamedStack
{dropper}
{body}
number = int(sys.argv.pop())
terminal.parse = lambda *_: None
terminal.run_command(NamedStack, main, "test")
"""
START_UP = """
def main(_settings):
    drop(number)
    for _step in range(100):
        time.sleep(0.1)
    write_line("went on")
"""
FLOW = """
from prefect.utilities.engine import capture_sigterm
def main(_settings):
    with capture_sigterm():
        drop(signal.SIGTERM)
        for _step in range(100):
            time.sleep(0.1)
    write_line("went on")
"""
HEARD = "from infra.console.interruptions import heard_in_flow"
BODY = HEARD + FLOW.replace("capture_sigterm():", "capture_sigterm(), heard_in_flow():")
CLEAN_UP = """
from trending.errors import NotReady
def main(_settings):
    try:
        signal.raise_signal(number)
    except BaseException:
        raise NotReady("gone wrong on the way out", "", "make status")
"""
UNDO = """
def main(_settings):
    with finished_despite_signals():
        signal.raise_signal(number)
        time.sleep(0.3)  # more than an echo
        drop(number)
        for _step in range(100):
            time.sleep(0.1)
    write_line("went on")
"""
ABANDONED = """
from trending.errors import UndoAbandoned
def main(_settings):
    try:
        with finished_despite_signals():
            for _signal in range(2):
                signal.raise_signal(number)
                time.sleep(0.3)
    except UndoAbandoned:
        write_line("abandoned")
        signal.raise_signal(number)  # an echo
        time.sleep(0.3)
        signal.raise_signal(number)
    write_line("went on")
"""


def run(dropper: str, body: str, number: int = signal.SIGTERM) -> subprocess.CompletedProcess[str]:
    """Run a command that goes on for 10 s after a signal was dropped."""
    program = COMMAND.format(dropper=DROPPERS[dropper], body=body)
    return subprocess.run(
        [sys.executable, "-c", program, str(int(number))], check=False, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("dropper", DROPPERS)
def test_a_signal_that_was_dropped_is_delivered_again(dropper: str) -> None:
    done = run(dropper, START_UP)
    assert (done.returncode, done.stdout, done.stderr) == (Interrupted.exit_code, "", "interrupted\n")


@pytest.mark.thorough
def test_so_is_one_that_prefect_handles() -> None:
    done = run("a weak reference's callback", FLOW)
    assert (done.returncode, done.stdout, done.stderr) == (Interrupted.exit_code, "", "interrupted\n")


@pytest.mark.thorough
def test_so_is_one_in_the_body_of_a_commands_flow_though_nobody_tells_of_it() -> None:
    done = run("the end of a file, where Python says nothing", BODY)
    assert (done.returncode, done.stdout, done.stderr) == (Interrupted.exit_code, "", "interrupted\n")


def test_an_error_in_its_place_ends_the_command_once() -> None:
    done = run("a finalizer", CLEAN_UP)
    assert (done.returncode, done.stdout) == (NotReady.exit_code, "")
    assert done.stderr.startswith("error: gone wrong on the way out")
    assert interruptions.LAST_LOGS not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_so_is_each_kind_of_signal(number: signal.Signals) -> None:
    done = run("a finalizer", START_UP, number)
    assert (done.returncode, done.stdout, done.stderr) == (Interrupted.exit_code, "", "interrupted\n")


@pytest.mark.parametrize("dropper", DROPPERS)
def test_an_undo_whose_end_was_dropped_is_abandoned(dropper: str) -> None:
    done = run(dropper, UNDO)
    assert (done.returncode, done.stdout, done.stderr) == (Interrupted.exit_code, "", f"{interruptions.ONCE_MORE}interrupted\n")


def test_after_an_undo_was_abandoned_the_next_signal_kills() -> None:
    done = run("a finalizer", ABANDONED)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "abandoned\n")


def test_one_that_comes_while_another_is_seen_to_is_not_dropped_in_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    delivered: list[int] = []
    monkeypatch.setattr(interruptions, "_deliver_again", delivered.append)

    def hit(_dropped: object) -> None:
        raise TerminationSignal(signal.SIGTERM)

    seen: Any = SimpleNamespace(exc_value=ValueError())
    interruptions.DroppedSignals(hit).see(seen)
    assert delivered == [signal.SIGTERM]
    with pytest.raises(ZeroDivisionError):
        interruptions.DroppedSignals(lambda _dropped: 1 / 0).see(seen)


def test_what_a_finalizer_raises_itself_is_told_as_ever() -> None:
    raises = "class Thing:\n    def __del__(self): raise ValueError('mine')\ndef drop(number):\n    Thing()\n"
    program = COMMAND.format(dropper=raises, body=START_UP.replace("range(100)", "range(3)"))
    done = subprocess.run([sys.executable, "-c", program, "15"], check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "went on\n")
    assert "ValueError: mine" in done.stderr
