"""The heartbeat file: a program's own report on how it is doing, replaced atomically so that no reader sees half of it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FRESH_SECONDS = 10.0
"""An older heartbeat means that the program is frozen or dead; programs write one every half second."""
WAITING = "starting: waits for the scenario's first window"
FINISHED = "finished"
"""Phases of a producer that sends nothing and is well."""
_WELL = ("running", WAITING, FINISHED)
_OF_NUMBERS = frozenset({"position", "overdue", "throttled"})
"""Figures of a producer of which several have the largest, and not the sum."""
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


def joined(paths: Iterable[Path]) -> Heartbeat | None:
    """Return the heartbeats of producers that share a scenario as one: as old as the oldest, as well as the least well."""
    beats = [beat for path in paths if (beat := read_heartbeat(path)) is not None]
    if len(beats) < 2:  # noqa: PLR2004 - nothing to join
        return beats[0] if beats else None
    oldest = min(beats, key=lambda beat: beat.at)
    figures: dict[str, float] = {}
    for name in dict.fromkeys(name for beat in beats for name in beat.figures):
        values = [beat.figures[name] for beat in beats if name in beat.figures]
        # An offset is that of the only one who writes to the partition.
        figures[name] = max(values) if name in _OF_NUMBERS or name.startswith("offset.") else sum(values)
    worst = min(beats, key=lambda beat: _WELL.index(beat.phase) if beat.phase in _WELL else -1)
    return Heartbeat(oldest.at, oldest.pid, worst.phase, figures, beats[0].note, max(beat.started for beat in beats))
