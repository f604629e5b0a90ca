"""Who holds a lock: a command that waits says for whom, since one that was suspended in its terminal gives no sign of life."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from filelock import Timeout

from infra.console.reporting import say
from infra.host.processes import is_frozen

if TYPE_CHECKING:
    from filelock import FileLock

LOCKS = Path("/proc/locks")
MOST_CHARACTERS = 120
SILENT_SECONDS = 2.0
"""A command that waits so long for another one says so."""


def acquire(lock: FileLock, what: str, timeout: float) -> None:
    """Acquire a lock, and say for whom one waits; raises filelock's Timeout."""
    try:
        lock.acquire(timeout=min(SILENT_SECONDS, timeout))
    except Timeout:
        if timeout <= SILENT_SECONDS:
            raise
        say(f"{what} is held by {words_of_holder(Path(lock.lock_file))}: waiting for its end")
        lock.acquire(timeout=timeout - SILENT_SECONDS)


def holder_of(lock: Path) -> int | None:
    """Return the pid of the process that holds a file's lock, by proc_locks(5); None where the kernel does not tell."""
    try:
        found, lines = lock.stat(), LOCKS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    file = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    held = (line.split() for line in lines if "->" not in line)  # that is one who waits
    pids = [int(fields[4]) for fields in held if fields[1] == "FLOCK" and fields[5] == file]
    return next((pid for pid in pids if pid > 0), None)


def words_of_holder(lock: Path) -> str:
    """Return who holds the lock, and how one that is suspended goes on."""
    pid = holder_of(lock)
    if pid is None:
        return "another command"
    try:
        command = shlex.join(psutil.Process(pid).cmdline())[:MOST_CHARACTERS]
    except psutil.Error:  # it has ended meanwhile, or is another user's
        command = ""
    suspended = f", which is suspended: fg in its terminal, or kill -CONT {pid}, lets it go on" if is_frozen(pid) else ""
    return f"pid {pid}{f' ({command})' if command else ''}{suspended}"
