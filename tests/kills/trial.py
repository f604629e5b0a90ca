"""A trial: strikes on a running stack, each of which it must recover from, and what came of them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Protocol

from kills.points import PRODUCER, STREAM

from trending.errors import NotSurvived

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kills.plan import Strike, Target
    from kills.points import Point
    from kills.trap import Death

    from infra.host.clock import Clock

LIMIT_SECONDS = 120.0
"""On two busy cores the stream takes twenty to start."""
POLL_SECONDS = 0.1
POISON_SECONDS = 1.0
TOLD_SECONDS = 10.0


class Ground(Protocol):
    """The stack that is struck."""

    def arm(self, points: Sequence[Point]) -> None:
        """Have the programs die at these points."""

    def left(self) -> list[str]:
        """Return the points that no program has died at yet."""

    def kill(self, target: Target) -> None:
        """Kill a process at once; waits for one where there is none at the moment."""

    def poison(self) -> None:
        """Send a record that will be rejected."""

    def forgive(self) -> None:
        """Give the programs their restarts back, as a person does who starts them again."""

    def progress(self) -> Mapping[str, float]:
        """Return program → the offset up to which it has worked."""

    def behind(self) -> int:
        """Return how many records of the log the stream has not worked off."""

    def last_words(self) -> str:
        """Return what the programs said last."""


@dataclass(frozen=True, slots=True)
class Blow:
    """A strike that was struck: when it began, and how long after its last death everything worked again, in seconds."""

    strike: Strike
    at: float
    back: float

    def __str__(self) -> str:
        return f"{self.at:7.1f} s  back after {self.back:5.1f} s  {self.strike}"


@dataclass(frozen=True, slots=True)
class Trial:
    """Strikes on one stack. ``limit`` is how long each point may take to be reached, and the stack to work again, in seconds."""

    ground: Ground
    clock: Clock
    tell: Callable[[str], None]
    limit: float = LIMIT_SECONDS

    def carry_out(self, strikes: Sequence[Strike], at: Sequence[float]) -> list[Blow]:
        """Strike at the times given, in seconds from now; one that is late, because the one before took long, comes at once."""
        began = self.clock.monotonic()
        blows: list[Blow] = []
        kills, done = sum(strike.kills for strike in strikes), 0
        for strike, when in zip(strikes, at, strict=True):
            self.clock.sleep(max(0.0, began + when - self.clock.monotonic()))
            blows.append(self.strike(strike, began))
            done += strike.kills
            self.tell(f"kill {done} of {kills}: {blows[-1]}")
        return blows

    def strike(self, strike: Strike, began: float) -> Blow:
        """Strike, and wait until every program that was hit has moved on.

        Raises NotSurvived where a point is not reached, or a program does not come back, within the limit.
        """
        started = self.clock.monotonic()
        self.ground.forgive()
        self.ground.arm(strike.points)
        if strike.target is not None:
            self.clock.sleep(strike.delay)
            self.ground.kill(strike.target)
        self._await_deaths(strike)
        died = self.clock.monotonic()
        before = self.ground.progress()

        def works() -> bool:
            now = self.ground.progress()
            return all(now.get(program, 0) > before.get(program, 0) for program in strike.hits)

        self._wait(works, f"did not come back: {strike}")
        return Blow(strike, started - began, self.clock.monotonic() - died)

    def _await_deaths(self, strike: Strike) -> None:
        """Wait until each point was reached, and send poison meanwhile where only a batch with rejects comes by."""
        poisoned = -POISON_SECONDS

        def left_at_most(number: int) -> bool:
            nonlocal poisoned
            now = self.clock.monotonic()
            if any(point.step.rejecting for point in strike.points) and now - poisoned >= POISON_SECONDS:
                self.ground.poison()
                poisoned = now
            return len(self.ground.left()) <= number

        for left in reversed(range(len(strike.points))):
            self._wait(partial(left_at_most, left), f"never reached: {strike.points[-1 - left]}")

    def _wait(self, holds: Callable[[], bool], failure: str) -> None:
        deadline = self.clock.monotonic() + self.limit
        while not holds():
            if self.clock.monotonic() > deadline:
                raise NotSurvived(failure, self.ground.last_words())
            self.clock.sleep(POLL_SECONDS)

    def settle(self) -> None:
        """Wait until the stream has worked off the log; raises NotSurvived where it stands still for the limit."""
        least, since = self.ground.behind(), self.clock.monotonic()
        told = since
        while (behind := self.ground.behind()) > 0:
            now = self.clock.monotonic()
            if behind < least:
                least, since = behind, now
            elif now - since > self.limit:
                failure = f"the stream stands still, {behind:,} records behind"
                raise NotSurvived(failure, self.ground.last_words())
            if now - told >= TOLD_SECONDS:
                self.tell(f"the stream has {behind:,} records left to count")
                told = now
            self.clock.sleep(POLL_SECONDS)


def require_deaths(strikes: Sequence[Strike], deaths: Sequence[Death]) -> None:
    """Raise NotSurvived unless each program died at the points that were meant, each time in a life of its own."""
    for program in (PRODUCER, STREAM):
        meant = [point.name for strike in strikes for point in strike.points if point.program == program]
        met = [death.point for death in deaths if death.point.startswith(program)]
        if met != meant or len({death.pid for death in deaths}) != len(deaths):
            failure = f"{program} did not die at the points that were meant"
            raise NotSurvived(failure, f"meant {meant}, met {met}")


def lines_of(blows: Sequence[Blow]) -> list[str]:
    """Return how often each component and point was killed, and how long its stack took to work again.

    A strike of several deaths counts for each of them.
    """
    took: defaultdict[str, list[float]] = defaultdict(list)
    for blow in blows:
        for name in [*([f"{blow.strike.target}, at some moment"] if blow.strike.target else []), *map(str, blow.strike.points)]:
            took[name].append(blow.back)
    return [
        f"{len(seconds):4}  back after {median(seconds):5.1f} s, at most {max(seconds):5.1f} s  {name}"
        for name, seconds in sorted(took.items())
    ]
