"""Whoever has interrupted a command does not wait long for Prefect's server, which may be frozen or slow.

Prefect tells its server of a run's end, and sends its last logs and events at exit. Each request may take 60 s and is tried six
times: with a frozen server, a command that was interrupted took more than 280 s to end.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from infra.console.reporting import write_line

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_SECONDS = 10.0
"""Prefect's own heartbeat at the end of a run takes up to 1 s, and a request to a busy server here up to 4 s."""
WITHOUT_END = "Prefect's server does not take the end of the run: going on without"
WITHOUT_LOGS = "Prefect's server does not take the last logs: ending without"


class _AtExit:
    """Something that is done at exit by whoever comes first; ``begun`` says that somebody has."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act
        self._lock = threading.Lock()
        self.begun = False

    def __call__(self) -> None:
        self.begun = True
        with self._lock:
            self._act()

    def wait(self) -> None:
        """Wait until nobody is at it."""
        with self._lock:
            return


_expected: list[object] = []
"""What the command is expected to see soon, at most one."""
_at_exit: list[_AtExit] = []


def see_soon(handler: object) -> None:
    """Send SIGINT again, as the user would, until the command has seen its signal or handles the next one in another way.

    Only Prefect has it now: what was to be put right has been.
    """
    expected = object()
    _expected[:] = [expected]
    _thread.start_new_thread(_send_again, (handler, expected))


def seen() -> None:
    """Note that the command has seen it."""
    _expected.clear()


def _send_again(handler: object, expected: object) -> None:
    while True:
        time.sleep(PATIENCE_SECONDS)
        if _expected != [expected] or signal.getsignal(signal.SIGINT) is not handler:
            return
        write_line(WITHOUT_END, sys.stderr)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def done_at_exit(act: Callable[[], object]) -> Callable[[], None]:
    """Return the act for ``atexit``; where the end takes too long, it is done before that is cut short."""
    made = _AtExit(act)
    _at_exit.append(made)
    return made


def leave_soon(exit_code: int) -> None:
    """End the process with this code if it has not ended by itself soon. Called once by a command that was interrupted."""
    threading.Thread(target=_leave, args=(exit_code,), name="impatience", daemon=True).start()


def _leave(exit_code: int) -> None:
    time.sleep(PATIENCE_SECONDS)
    begun = [act for act in _at_exit if act.begun]
    for act in begun:  # the last logs are gone by then, and a server takes a while to stop
        act.wait()
    if begun:
        time.sleep(PATIENCE_SECONDS)
    write_line(WITHOUT_LOGS, sys.stderr)
    for act in reversed(_at_exit):
        if not act.begun:
            act()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    os._exit(exit_code)
