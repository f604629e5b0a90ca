"""A clock that passes only when somebody sleeps on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeClock:
    """Implements infra.host.clock.Clock; ``at_sleep`` is called before each sleep, so that the world may change meanwhile."""

    def __init__(self, at_sleep: Callable[[], None] | None = None) -> None:
        self.now = 1000.0
        self.naps = 0
        self._at_sleep = at_sleep

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        if self._at_sleep is not None:
            self._at_sleep()
        self.naps += 1
        self.now += seconds

    def advance(self, seconds: float) -> None:
        """Let time pass that nobody slept."""
        self.now += seconds
