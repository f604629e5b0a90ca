"""Clocks. Code that waits takes one as a parameter, so that tests can pass a fake."""

from __future__ import annotations

import time
from typing import Protocol


def seconds_since(moment: float, now: float | None = None) -> float:
    """Return the seconds between ``moment``, of the epoch, and now, in either direction.

    A moment of the future was noted before the clock was set back, by WSL2 after a sleep, say. It must not look as if it had just
    been until the clock has caught up.
    """
    return abs((time.time() if now is None else now) - moment)


class Clock(Protocol):
    """A monotonic time and a way to sleep."""

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
