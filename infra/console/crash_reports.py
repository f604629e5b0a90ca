"""Unexpected errors: one line for the terminal, and a file with the traceback that nobody else may read."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from infra.console.imports import interrupt_as_usual
from infra.console.reporting import write_line
from infra.console.standard_streams import make_streams_endure
from infra.host.paths import lab_home
from infra.host.user import require_own_home
from trending.errors import Interrupted, LabError, UndoAbandoned, endings_passed_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORDS = 300
_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space, or set TRENDING_HOME to a larger disk",
    errno.EDQUOT: "the quota is used up: free some space, or set TRENDING_HOME to another disk",
    errno.EROFS: "the disk is read-only: set TRENDING_HOME to a directory that can be written",
    errno.EACCES: "it belongs to another user or may not be written: see its owner and mode, or set TRENDING_HOME",
    errno.EPERM: "it belongs to another user or may not be written: see its owner and mode, or set TRENDING_HOME",
    errno.EMFILE: "too many files are open: raise the limit with ulimit -n",
    errno.ENFILE: "too many files are open on this machine",
    errno.ENOMEM: "the machine is out of memory: close other programs",
    errno.EAGAIN: "the machine has no process or memory left for it: see ulimit -u",
}
"""Number of an operating system's error → what it means and what to do."""


def report_crash(error: BaseException) -> int:
    """Keep the traceback, print one line for the error, and return the exit code."""
    write_line(f"error: {crash_line(error)}", sys.stderr)
    return LabError.exit_code


def crash_line(error: BaseException) -> str:
    """Return the line for an unexpected error; its traceback goes to a file."""
    message = " ".join(str(error).split())[:WORDS]
    told = f"{type(error).__name__}: {message}" if message else type(error).__name__
    remedy = _REMEDIES.get(error.errno or 0) if isinstance(error, OSError) else None
    return " ".join(filter(None, [told, f"({remedy})" if remedy else "", _where(keep_traceback(error))]))


def keep_traceback(error: BaseException) -> Path | None:
    """Write the traceback to a file of mode 0600 and return its path; None where no place can be written to.

    The command's arguments are left out of it, since one of them may be a secret.
    """
    command = f"{Path(sys.argv[0]).name}, pid {os.getpid()}, Python {sys.version.split()[0]}"
    text = f"{time.strftime('%Y-%m-%d %H:%M:%S %z')}, {command}\n\n" + "".join(traceback.format_exception(error))
    for place in _places():
        name = ""
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            # mkstemp gives the file mode 0600 whatever the umask, and a name that no other has.
            number, name = tempfile.mkstemp(prefix=time.strftime("crash-%Y%m%d-%H%M%S-"), suffix=".txt", dir=place)
            with os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        except OSError:
            if name:  # a full disk takes the file and nothing in it
                Path(name).unlink(missing_ok=True)
            continue
        return Path(name)
    return None


def _places() -> Iterator[Path]:
    home = lab_home()
    # Not in another user's home, as after sudo: the file would be in that user's way.
    if not home.exists() or home.stat().st_uid == os.geteuid():
        yield home / "crashes"
    yield Path(tempfile.gettempdir())


def _where(file: Path | None) -> str:
    return f"- its traceback is in {file}" if file else "- its traceback could not be kept: no directory can be written"


def run_reported(main: Callable[[], int | None], *, own_home: bool = False) -> NoReturn:
    """Run the ``main`` of a command without a form and exit, with one message whatever it raises.

    With ``own_home`` it refuses to work in another user's home, as after sudo: what it ends or writes there is that user's.
    """
    make_streams_endure()
    interrupt_as_usual()
    try:
        if own_home:
            require_own_home()
        with endings_passed_on():
            code = main()
    except LabError as error:
        write_line(f"error: {error}", sys.stderr)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, Interrupted):
        write_line("interrupted", sys.stderr)
        sys.exit(Interrupted.exit_code)
    except Exception as error:  # noqa: BLE001 - whatever it is, it ends in one line
        sys.exit(report_crash(error))
    sys.exit(code or 0)


def at_exit(act: Callable[[], object]) -> None:
    """Do something at the end of a command; what goes wrong is one line there too, where Python would print its traceback."""
    try:
        with endings_passed_on():
            act()
    except UndoAbandoned:
        raise
    except LabError as error:
        write_line(f"error: {error}", sys.stderr)
    except Exception as error:  # noqa: BLE001 - as above
        report_crash(error)
