"""Holds a producer back while the stream is far behind, so that at full rate the log keeps within its retention and its disk."""

from __future__ import annotations

from typing import Protocol

from kills.watch import Watch

MOST_BEHIND = 1_000_000
"""Records, two of the largest batches: a life that has just begun takes ten seconds for each on two busy cores."""
ENOUGH_BEHIND = 500_000


class Held(Protocol):
    """The stack whose producer is held."""

    def ahead(self) -> float:
        """Return how many records the producers have acknowledged that the stream has not counted."""

    def hold(self, *, held: bool) -> None:
        """Stop the producers' processes in the middle, or let them go on; fine where there is none, or it is so already."""


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
        behind = self._held.ahead()
        if behind > MOST_BEHIND:
            self.holds += not self._holding
            self._holding = True
        elif self._holding and behind < ENOUGH_BEHIND:
            self._holding = False
            self._held.hold(held=False)
        if self._holding:
            self._held.hold(held=True)
