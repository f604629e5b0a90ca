"""Which kills a trial has, and when: drawn from a seed, so that a trial can be repeated."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from kills.points import POINTS, PRODUCER, STREAM, Point
from pydantic import Field

from trending.sections import Section
from trending.settings import MOST_PRODUCERS
from trending.simulator.loading import load_scenario

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from random import Random


class SoakForm(Section):
    """Kill a stack at full rate at random points and moments, then prove that nothing was lost and nothing counted twice."""

    seconds: float = Field(3600.0, ge=30, le=86400, description="Seconds within which the kills begin.")
    kills: int = Field(100, ge=1, le=10_000, description="Number of kills.")
    kills_seed: int | None = Field(None, ge=0, description="Seed of points and moments; empty means a new one.")
    combinations: int = Field(
        8, ge=0, le=10_000, description="Ways of sending and counting a random scenario, each of which has to give its truth."
    )
    rate: float = Field(1_000_000.0, gt=0, le=1_000_000, description="Tweets a second asked for; the machine gives what it has.")
    producers: int = Field(
        1,
        ge=1,
        le=MOST_PRODUCERS,
        description="Several share the scenario soak at this rate; each is struck in its turn.",
    )


class Target(StrEnum):
    """A process that is killed at a moment, wherever it is."""

    PRODUCER = "producer"
    DRIVER = "driver"
    JVM = "JVM"
    WORKER = "Python worker"
    BROKER = "broker"


HIT = {
    Target.PRODUCER: frozenset({PRODUCER}),
    Target.DRIVER: frozenset({STREAM}),
    Target.JVM: frozenset({STREAM}),
    Target.WORKER: frozenset({STREAM}),
    Target.BROKER: frozenset({PRODUCER, STREAM}),
}
"""Target → the programs that have to recover from it."""
LONGEST_DELAY_SECONDS = 3.0
"""Longer than a trigger of the trials: the moment may lie anywhere in a batch, or between two."""


@dataclass(frozen=True, slots=True)
class Strike:
    """Deaths at points, each in a life of its own, in this order; before them, ``target`` is killed after ``delay`` seconds."""

    points: tuple[Point, ...] = ()
    target: Target | None = None
    delay: float = 0.0

    @property
    def kills(self) -> int:
        return len(self.points) + (self.target is not None)

    @property
    def hits(self) -> frozenset[str]:
        """The programs that have to recover."""
        return frozenset(point.program for point in self.points) | (HIT[self.target] if self.target else frozenset())

    def __str__(self) -> str:
        return "; ".join([*([f"{self.target} at some moment"] if self.target else []), *map(str, self.points)])


def at(point: Point, random: Random) -> Strike:
    """Return the strike at a point; one that a life reaches when it begins needs a death before it."""
    if not point.step.first:
        return Strike((point,))
    target = Target.PRODUCER if point.program == PRODUCER else Target.DRIVER
    return Strike((point,), target, _moment(random))


def choose(random: Random, kills: int, dear: int) -> list[Strike]:
    """Return strikes of exactly so many kills, at most ``dear`` of which hit the stream, whose start takes ten seconds.

    Half are at moments and half at points; of those, one in four is followed by a second death, at another point of the program.
    """
    strikes: list[Strike] = []
    while (left := kills - sum(strike.kills for strike in strikes)) > 0:
        spare = dear - sum(strike.kills for strike in strikes if STREAM in strike.hits)
        programs = {PRODUCER, STREAM} if spare > 0 else {PRODUCER}
        strike = _draw(random, programs)
        if strike.kills <= left and (STREAM not in strike.hits or strike.kills <= spare):
            strikes.append(strike)
    return strikes


def _draw(random: Random, programs: set[str]) -> Strike:
    if random.random() < 0.5:
        target = random.choice([target for target, hit in HIT.items() if hit <= programs])
        return Strike((), target, _moment(random))
    first = random.choice([point for point in POINTS if point.program in programs])
    strike = at(first, random)
    if random.random() < 0.25:
        second = random.choice([point for point in POINTS if point.program == first.program])
        return Strike((*strike.points, second), strike.target, strike.delay)
    return strike


def _moment(random: Random) -> float:
    return round(random.uniform(0.0, LONGEST_DELAY_SECONDS), 2)


def times(random: Random, strikes: Sequence[Strike], seconds: float) -> list[float]:
    """Return when each strike begins, in seconds from the start, in order."""
    return sorted(round(random.uniform(0.0, seconds), 1) for _strike in strikes)


def shared_scenario(settings: SoakForm, home: Path) -> dict[str, str]:
    """Return the settings of producers that share the scenario soak at the rate asked for; none for one alone."""
    if settings.producers == 1:
        return {}
    ready = load_scenario("soak")
    played = ready.model_copy(update={"rate": ready.rate.model_copy(update={"base": settings.rate, "wave": None})})
    path = home / "soak.yaml"
    path.write_text(played.model_dump_json(by_alias=True, exclude_none=True), encoding="utf-8")  # JSON is YAML
    count = str(settings.producers)
    return {"scenario": str(path), "producers": count, "partitions": count}
