"""Random tweets of a catalogue, at a steady rate for ever; each life has a run of its own."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from trending.producer.reading_back import book_arrived
from trending.producer.schedule import Schedule
from trending.producer.sources.source import Drawn
from trending.simulator.generator import Simulator, load_catalogue

if TYPE_CHECKING:
    from collections.abc import Callable

    from trending.programs.specifications import ProducerSpec

STAY_SECONDS = 0.1
"""Bursts of so long go to the same partition, so that their ids are one run of the ledger and fill one request."""


class RandomTweets:
    """The source of a producer without a scenario."""

    over = False

    def __init__(self, spec: ProducerSpec, monotonic: Callable[[], float]) -> None:
        self.run = secrets.token_hex(6)
        self.position = 0
        self.rate = spec.settings.rate
        self._spec = spec
        self._monotonic = monotonic
        self._simulator = Simulator(load_catalogue(spec.settings.catalogue), spec.settings.seed)
        self._partitions = 1
        self._schedule = Schedule(self.rate, monotonic())

    def take_over(self, goes_on: Callable[[], bool], pause: Callable[[], object]) -> bool:  # noqa: ARG002 - a source's
        """Book what arrived; what is not known stays so, since this life sends under other ids."""
        book_arrived(self._spec, self._monotonic, goes_on, self.run)
        return True

    def begin(self, partitions: int, now: float, wall: float) -> None:  # noqa: ARG002
        """Begin now."""
        self._partitions = partitions
        self._schedule = Schedule(self.rate, now)

    def due(self, now: float, wall: float) -> int:  # noqa: ARG002
        """Return a burst of those that are due."""
        return self._schedule.due(now, self.position)

    def partition(self, now: float) -> int:
        """Return one partition after the other, each for a while."""
        return int(now / STAY_SECONDS) % self._partitions

    def draw(self, count: int, wall: float) -> Drawn:
        """Return tweets of this moment."""
        values, hashtags = self._simulator.burst(count, wall)
        return Drawn([*values], hashtags)

    def advance(self, records: int) -> None:
        """Go on behind them."""
        self.position += records

    def wait(self, now: float, wall: float) -> float:  # noqa: ARG002
        """Return the seconds until the next burst."""
        return self._schedule.wait(now, self.position)

    def debt(self, now: float, wall: float) -> int:  # noqa: ARG002
        """Return by how many tweets the rate could not be kept."""
        return self._schedule.debt(now, self.position)

    def phase(self, wall: float) -> str:  # noqa: ARG002
        """Return that it runs."""
        return "running"

    def note(self, proven: int) -> None:
        """Keep nothing: the next life begins anew."""

    def close(self) -> None:
        """Have nothing open."""
