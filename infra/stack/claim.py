"""A stack's name that a demo or a report has taken for itself: until it ends, nobody else brings up a stack of that name.

It takes its stack down with its data, so the stack must be its own from the first step to the last.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from trending.errors import StackBusy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.host.paths import StackPaths

_own: set[Path] = set()
"""What this process has claimed."""


@contextmanager
def claimed(paths: StackPaths) -> Iterator[bool]:
    """Claim the stack's name, and yield whether that succeeded; the kernel frees it when the process dies."""
    lock = _lock(paths)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    _own.add(paths.claim)
    try:
        yield True
    finally:
        _own.discard(paths.claim)
        paths.claim.unlink(missing_ok=True)  # before it is released, as the stack's lock
        lock.release()


def require_unclaimed(paths: StackPaths) -> None:
    """Raise StackBusy if another process has claimed the stack's name."""
    if paths.claim in _own or not paths.claim.exists():
        return
    lock = _lock(paths)
    try:
        lock.acquire()
    except Timeout as error:
        cause = f"a demo or a report has the name {paths.name} for itself, and deletes its stack at the end"
        raise StackBusy(cause, str(paths.claim), "make up NAME=another, or wait until it has ended") from error
    lock.release()


def claimed_here(paths: StackPaths) -> bool:
    """Whether this process has claimed the stack's name, and so deletes its stack at the end."""
    return paths.claim in _own


def _lock(paths: StackPaths) -> FileLock:
    paths.claim.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(paths.claim, timeout=0)
