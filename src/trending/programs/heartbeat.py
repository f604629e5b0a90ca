"""The heartbeat file: a program's own word on how it is doing, replaced as a whole so that no reader sees half of it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

FRESH_SECONDS = 10.0
"""A heartbeat older than this is that of a frozen or dead program; programs beat every half second."""
_STARTED = time.time()
"""When this process began to be a program; every beat carries it, so that a reader tells a new life from an old one."""


class Heartbeat(msgspec.Struct, frozen=True):
    """One beat of a program. ``at`` and ``started`` are in seconds since the epoch; ``figures`` are the program's own numbers."""

    at: float
    pid: int
    phase: str
    figures: dict[str, float] = {}
    note: str = ""
    started: float = 0.0

    def age(self, now: float) -> float:
        """Seconds between this beat and ``now``; never negative, since clocks are stepped."""
        return max(0.0, now - self.at)


def write_heartbeat(path: Path, phase: str, figures: dict[str, float] | None = None, note: str = "") -> None:
    """Replace the heartbeat at ``path`` with one of this process and this moment."""
    beat = Heartbeat(time.time(), os.getpid(), phase, figures or {}, note, _STARTED)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(msgspec.json.encode(beat))
    fresh.replace(path)


def read_heartbeat(path: Path) -> Heartbeat | None:
    """Return the last heartbeat at ``path``, or None where the program has not beaten yet."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Heartbeat)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None
