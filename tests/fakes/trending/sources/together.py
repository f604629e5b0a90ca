"""Programs that run beside each other on one clock that nobody need wait for: each goes on when its own sleep is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fakes.trending.kafka import FakeTime
from greenlet import getcurrent, greenlet

if TYPE_CHECKING:
    from collections.abc import Callable


class SharedTime(FakeTime):
    """A clock on which several programs sleep; the one that wakes first goes on first, and time passes until then."""

    def __init__(self) -> None:
        super().__init__()
        self._wakes: dict[greenlet, float] = {}

    def sleep(self, seconds: float) -> None:
        me = getcurrent()
        if me not in self._wakes:
            super().sleep(seconds)
            return
        self._wakes[me] = self.now + seconds
        assert me.parent is not None
        me.parent.switch()

    def run(self, programs: list[Callable[[], None]], died: Callable[[int, greenlet, BaseException], bool]) -> None:
        """Run programs until all have ended; ``died`` is told place, life and error of one, and whether it begins again."""
        lives = {place: greenlet(program) for place, program in enumerate(programs)}
        self._wakes = dict.fromkeys(lives.values(), self.now)
        while lives:
            place = min(lives, key=lambda each: (self._wakes[lives[each]], each))
            life = lives[place]
            if self._wakes[life] > self.now:
                # Whatever is to happen by then happens before anybody wakes.
                super().sleep(self._wakes[life] - self.now)
                super().sleep(0)
            try:
                life.switch()
            except BaseException as error:  # noqa: BLE001 - who has started it decides
                del self._wakes[life], lives[place]
                if died(place, life, error):
                    lives[place] = greenlet(programs[place])
                    self._wakes[lives[place]] = self.now
                continue
            if life.dead:
                del self._wakes[life], lives[place]
