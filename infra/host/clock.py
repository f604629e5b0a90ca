"""Time, handed in wherever somebody waits, so that tests wait on a fake."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What waiting needs: a time that only grows, and sleep."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never set back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
