"""Folders in memory, where the machine has some to spare: SQLite syncs every commit, and a disk takes its time over that."""

from __future__ import annotations

import os
import tempfile

SHARED_MEMORY = "/dev/shm"  # noqa: S108 - each folder in it has a random name and is ours alone


def memory() -> str | None:
    """Return the folder that is in memory; None where there is none, which is tempfile's word for its own."""
    usable = os.path.isdir(SHARED_MEMORY) and os.access(SHARED_MEMORY, os.W_OK)  # noqa: PTH112 - one line for both
    return SHARED_MEMORY if usable else None


def folder_in_memory() -> tempfile.TemporaryDirectory[str]:
    """Return a new folder, to be used in a ``with`` statement; it is deleted at its end."""
    return tempfile.TemporaryDirectory(prefix="trending-", dir=memory())
