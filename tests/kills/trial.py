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
"""How long each point may take to be reached, and the stack to work again."""
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


def strike_at_once(ground: Ground, strike: Strike, clock: Clock, began: float) -> Blow:
    """Strike, and wait until every program that was hit has moved on.

    Raises NotSurvived where a point is not reached, or a program does not come back, within ``LIMIT_SECONDS`` each.
    """
    started = clock.monotonic()
    ground.forgive()
    ground.arm(strike.points)
    if strike.target is not None:
        clock.sleep(strike.delay)
        ground.kill(strike.target)
    poisoned = -POISON_SECONDS

    def left_at_most(number: int) -> bool:
        nonlocal poisoned
        now = clock.monotonic()
        if any(point.step.rejecting for point in strike.points) and now - poisoned >= POISON_SECONDS:
            ground.poison()
            poisoned = now
        return len(ground.left()) <= number

    for left in reversed(range(len(strike.points))):
        _wait(partial(left_at_most, left), ground, clock, f"never reached: {strike.points[-1 - left]}")
    died = clock.monotonic()
    before = ground.progress()

    def works() -> bool:
        now = ground.progress()
        return all(now.get(program, 0) > before.get(program, 0) for program in strike.hits)

    _wait(works, ground, clock, f"did not come back: {strike}")
    return Blow(strike, started - began, clock.monotonic() - died)


def _wait(holds: Callable[[], bool], ground: Ground, clock: Clock, failure: str) -> None:
    deadline = clock.monotonic() + LIMIT_SECONDS
    while not holds():
        if clock.monotonic() > deadline:
            raise NotSurvived(failure, ground.last_words())
        clock.sleep(POLL_SECONDS)


def carry_out(
    ground: Ground, strikes: Sequence[Strike], at: Sequence[float], clock: Clock, tell: Callable[[str], None]
) -> list[Blow]:
    """Strike at the times given, in seconds from now; one that is late, because the one before took long, comes at once."""
    began = clock.monotonic()
    blows: list[Blow] = []
    kills, done = sum(strike.kills for strike in strikes), 0
    for strike, when in zip(strikes, at, strict=True):
        clock.sleep(max(0.0, began + when - clock.monotonic()))
        blows.append(strike_at_once(ground, strike, clock, began))
        done += strike.kills
        tell(f"kill {done} of {kills}: {blows[-1]}")
    return blows


def settle(ground: Ground, clock: Clock, tell: Callable[[str], None]) -> None:
    """Wait until the stream has worked off the log; raises NotSurvived where it stands still for ``LIMIT_SECONDS``."""
    least, since, told = ground.behind(), clock.monotonic(), clock.monotonic()
    while (behind := ground.behind()) > 0:
        now = clock.monotonic()
        if behind < least:
            least, since = behind, now
        elif now - since > LIMIT_SECONDS:
            failure = f"the stream stands still, {behind:,} records behind"
            raise NotSurvived(failure, ground.last_words())
        if now - told >= TOLD_SECONDS:
            tell(f"the stream has {behind:,} records left to count")
            told = now
        clock.sleep(POLL_SECONDS)


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
