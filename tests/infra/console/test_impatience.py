"""A command that was interrupted ends soon, although Prefect's server takes neither the run's end nor the last logs.

Seen with a server that was stopped by SIGSTOP: after Ctrl-C, ``make up`` took more than 280 s to end.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from infra.console.impatience import WITHOUT_END, WITHOUT_LOGS
from trending.errors import Interrupted

pytestmark = pytest.mark.row(8)
COMMAND = """
import atexit, signal, sys, threading, time
import infra.console.impatience as impatience
import infra.forms.terminal as terminal
from infra.console.interruptions import begun_despite_signals, heard_in_flow
from infra.console.reporting import write_line
from infra.forms.stacks import NamedStack
impatience.PATIENCE_SECONDS = 0.5
number = int(sys.argv.pop())
def ask_server(seconds=60):
    write_line("asking")
    time.sleep(seconds)
{body}
terminal.parse = lambda *_: None
terminal.run_command(NamedStack, main, "test")
"""
INTERRUPTED_RUN = """
def run():
    try:
        with heard_in_flow():
            signal.raise_signal(number)
    finally:
        ask_server()
"""
ENGINE = """
def main(_settings):
    run()
"""
NESTED = """
def main(_settings):
    try:
        run()
    except BaseException:
        begun_despite_signals(lambda: (time.sleep(2), write_line("took down")))
        raise
"""
BODY = """
def main(_settings):
    with heard_in_flow():
        try:
            signal.raise_signal(number)
        finally:
            begun_despite_signals(lambda: write_line("put right"))
            ask_server()
"""
EXIT = """
def main(_settings):
    stop = impatience.done_at_exit(lambda: (time.sleep({stopping}), write_line("stopped the server")))
    atexit.register(stop)
    threading._register_atexit(ask_server, {seconds})
    {signalled}
"""
SIGNALLED = "signal.raise_signal(number)"


def run(body: str, number: int = signal.SIGINT) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Run a command; returns how long it took, too."""
    began = time.monotonic()
    command = [sys.executable, "-c", COMMAND.format(body=body), str(int(number))]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    return time.monotonic() - began, done


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_prefects_engine_is_not_waited_for(number: int) -> None:
    seconds, done = run(INTERRUPTED_RUN + ENGINE, number)
    assert (done.returncode, done.stdout) == (Interrupted.exit_code, "asking\n")
    assert done.stderr == f"{WITHOUT_END}\ninterrupted\n"
    assert seconds < 30


def test_nor_is_what_the_flow_itself_tells_prefect_when_all_was_put_right() -> None:
    seconds, done = run(BODY)
    assert (done.returncode, done.stdout) == (Interrupted.exit_code, "put right\nasking\n")
    assert done.stderr == f"{WITHOUT_END}\ninterrupted\n"
    assert seconds < 30


def test_what_takes_down_after_it_is_not_hurried() -> None:
    _seconds, done = run(INTERRUPTED_RUN + NESTED)
    assert (done.returncode, done.stdout) == (Interrupted.exit_code, "asking\ntook down\n")
    assert done.stderr == f"{WITHOUT_END}\ninterrupted\n"


def test_the_last_logs_are_not_waited_for_and_the_server_is_stopped_all_the_same() -> None:
    seconds, done = run(EXIT.format(seconds=60, stopping=0, signalled=SIGNALLED))
    assert (done.returncode, done.stdout) == (Interrupted.exit_code, "asking\nstopped the server\n")
    assert done.stderr == f"interrupted\n{WITHOUT_LOGS}\n"
    assert seconds < 30


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        pytest.param(
            EXIT.format(seconds=0.1, stopping=0, signalled=SIGNALLED), Interrupted.exit_code, "interrupted\n", id="in time"
        ),
        pytest.param(
            EXIT.format(seconds=0, stopping=2, signalled=SIGNALLED), Interrupted.exit_code, "interrupted\n", id="a server"
        ),
        pytest.param(EXIT.format(seconds=1.5, stopping=0, signalled="pass"), 0, "", id="a command that nobody has interrupted"),
    ],
)
def test_nothing_is_cut_short(body: str, code: int, told: str) -> None:
    _seconds, done = run(body)
    assert (done.returncode, done.stdout, done.stderr) == (code, "asking\nstopped the server\n", told)
