"""Holds a producer back while the stream is far behind, so that at full rate the log keeps within its retention and its disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kills.points import PRODUCER, STREAM
from kills.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_BEHIND = 1_000_000
"""Records, two of the largest batches: a life that has just begun takes ten seconds for each on two busy cores."""
ENOUGH_BEHIND = 500_000


class Held(Protocol):
    """The stack whose producer is held."""

    def progress(self) -> Mapping[str, float]:
        """Return program → the offset up to which it has worked."""

    def hold(self, *, held: bool) -> None:
        """Stop the producer's process in the middle, or let it go on; fine where there is none, or it is so already."""


class Governor(Watch):
    """Looks while it is open. A producer that was killed begins its next life free, so a hold is asked for again and again."""

    every_seconds = 0.5

    def __init__(self, held: Held) -> None:
        super().__init__()
        self._held = held
        self._holding = False
        self.holds = 0

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._held.hold(held=False)

    def look(self) -> None:
        """Look once, and hold the producer or let it go."""
        now = self._held.progress()
        behind = now.get(PRODUCER, 0.0) - now.get(STREAM, 0.0)
        if behind > MOST_BEHIND:
            self.holds += not self._holding
            self._holding = True
        elif self._holding and behind < ENOUGH_BEHIND:
            self._holding = False
            self._held.hold(held=False)
        if self._holding:
            self._held.hold(held=True)
