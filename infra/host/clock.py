"""Clocks. Code that waits takes one as a parameter, so that tests can pass a fake."""

from __future__ import annotations

import time
from typing import Protocol


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
