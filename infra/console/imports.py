"""The first second of a command, in which it imports its libraries: an interruption or an error there is one line too.

Prefect reads the user's settings while it is imported, and refuses a wrong one with an exception of its own.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType, TracebackType

COMMAND = ".venv/bin/lab"
INTERRUPTED = 130
"""Interrupted.exit_code, without the import."""


def tell_in_one_line() -> None:
    """Set this up for a command; called by the package of a module that is run with ``python -m``, before that module.

    While Python looks for such a module, its name's place among the arguments holds ``-m``; nothing else has it.
    """
    if sys.argv[:1] != ["-m"]:
        return
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
    sys.excepthook = _tell


def interrupt_as_usual() -> None:
    """Let SIGINT raise KeyboardInterrupt again, once there is something to clean up."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    """End at once: nothing has been begun, and an exception could be caught by whatever is being imported."""
    os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)


def _tell(_kind: type[BaseException], error: BaseException, _traceback: TracebackType | None) -> None:
    try:
        from infra.console.crash_reports import report_crash  # noqa: PLC0415 - only where it is needed
    except ImportError as another:
        # Another Python than the lab's, as after `python -m flows.audit` without the environment: what reports it is missing too.
        message = f"error: {sys.executable} has not what the lab needs ({another}): run {COMMAND}, or the same with make\n"
        sys.stderr.write(message)
        return
    report_crash(error)
