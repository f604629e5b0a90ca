"""The heartbeat file: a program's own report on how it is doing, replaced atomically so that no reader sees half of it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

FRESH_SECONDS = 10.0
"""An older heartbeat means that the program is frozen or dead; programs write one every half second."""
WAITING = "starting: waits for the scenario's first window"
FINISHED = "finished"
"""Phases of a producer that sends nothing and is well."""
_STARTED = time.time()
"""When this process started as a program. Every heartbeat carries it, so that a reader can tell a restart."""


class Heartbeat(msgspec.Struct, frozen=True):
    """One heartbeat of a program. ``at`` and ``started`` are seconds since the epoch; ``figures`` are the program's numbers."""

    at: float
    pid: int
    phase: str
    figures: dict[str, float] = {}
    note: str = ""
    started: float = 0.0

    def age(self, now: float) -> float:
        """Seconds between this beat and ``now``, in either direction.

        A beat of the future was written before the clock was set back. A living program writes the next one at once; a dead
        one must not look fresh until the clock has caught up.
        """
        return abs(now - self.at)


def running_seconds() -> float:
    """Return how long this process has been running as a program."""
    return time.time() - _STARTED


def write_heartbeat(path: Path, phase: str, figures: dict[str, float] | None = None, note: str = "") -> None:
    """Replace the heartbeat at ``path`` with a new one of this process."""
    beat = Heartbeat(time.time(), os.getpid(), phase, figures or {}, note, _STARTED)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(msgspec.json.encode(beat))
    fresh.replace(path)


def read_heartbeat(path: Path) -> Heartbeat | None:
    """Return the last heartbeat at ``path``, or None if the program has not written one yet."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Heartbeat)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None
