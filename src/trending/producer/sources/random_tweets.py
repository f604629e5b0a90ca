"""Random tweets of a catalogue, at a steady rate for ever; each life has a run of its own."""

from __future__ import annotations

import logging
import math
import secrets
from typing import TYPE_CHECKING

from trending.postgresql.place import PostgresLedger
from trending.producer.places.opened import opened
from trending.producer.reading_back import book_arrived
from trending.producer.schedule import Schedule
from trending.producer.sources.control import Listener
from trending.producer.sources.source import Drawn
from trending.simulator.generator import Simulator, load_catalogue
from trending.simulator.live.changes import Change, RateChange

if TYPE_CHECKING:
    from collections.abc import Callable

    from trending.programs.specifications import ProducerSpec

logger = logging.getLogger("trending.producer")

STAY_SECONDS = 0.1
"""Bursts of so long go to the same partition, so that their ids are one run of the ledger and fill one request."""


class RandomTweets:
    """The source of a producer without a scenario."""

    over = False

    def __init__(self, spec: ProducerSpec, monotonic: Callable[[], float]) -> None:
        self.run = secrets.token_hex(6)
        self.position = 0
        self.rate = self._standing = spec.settings.rate
        self._until = math.inf
        self._spec = spec
        self._monotonic = monotonic
        self._simulator = Simulator(load_catalogue(spec.settings.catalogue), spec.settings.seed)
        self._partitions = 1
        self._schedule = Schedule(self.rate, monotonic())
        # Where several share a ledger, nobody asks them for another rate.
        self._ledger = None if isinstance(spec.ledger, PostgresLedger) else opened(spec.ledger)
        self._listener = Listener(self._ledger, self.run, spec.topic_id, self.rate) if self._ledger else None

    def take_over(self, goes_on: Callable[[], bool], pause: Callable[[], object]) -> bool:  # noqa: ARG002 - a source's
        """Book what arrived; what is not known stays so, since this life sends under other ids."""
        book_arrived(self._spec, self._monotonic, goes_on, self.run)
        return True

    def begin(self, partitions: int, now: float, wall: float) -> None:
        """Begin now, at the rate that an earlier life was asked for last."""
        self._partitions = partitions
        self._schedule = Schedule(self.rate, now)
        for asked, made_at in self._listener.rates() if self._listener else ():
            self._change(asked, now - (wall - made_at), now)
        if self.rate != self._spec.settings.rate:
            logger.info("an earlier life was asked for %g tweets a second", self.rate)

    def listen(self, now: float, wall: float) -> None:
        """Take another rate at once; a trend needs a scenario."""
        request = self._listener.look(now, wall) if self._listener else None
        if request is None or self._listener is None:
            return
        if not isinstance(request.asked, RateChange):
            self._listener.refuse(request, "a trend needs a scenario, and this producer plays none", "make up SCENARIO=classroom")
            return
        asked = request.asked
        if self._listener.take(request, lambda _connection: Change(self.position, 0.0, asked), wall):
            self._change(asked, now, now)
            logger.info("from tweet %d on, %g tweets a second", self.position, self.rate)

    def _change(self, asked: RateChange, since: float, now: float) -> None:
        """Go on at the rate that was asked for at a moment of the monotonic clock."""
        rate = self._spec.settings.rate if asked.rate is None else asked.rate
        if asked.for_ is None:
            self._standing, self._until = rate, math.inf
        elif since + asked.for_ > now:
            self._until = since + asked.for_
        else:
            rate, self._until = self._standing, math.inf
        self._set(rate, now)

    def _set(self, rate: float, now: float) -> None:
        self.rate = rate
        self._schedule = Schedule(rate, now, self.position)

    def due(self, now: float, wall: float) -> int:  # noqa: ARG002
        """Return a burst of those that are due."""
        if now >= self._until:
            self._until = math.inf
            self._set(self._standing, now)
            logger.info("from tweet %d on, %g tweets a second again", self.position, self.rate)
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

    def asked(self, wall: float) -> float:  # noqa: ARG002
        """Return the rate."""
        return self.rate

    def overdue(self, number: int, now: float, wall: float) -> float:  # noqa: ARG002
        """Return by how many seconds a tweet is overdue."""
        return self._schedule.overdue(now, number)

    def phase(self, wall: float) -> str:  # noqa: ARG002
        """Return that it runs."""
        return "running"

    def note(self, proven: int) -> None:
        """Keep nothing: the next life begins anew."""

    def close(self) -> None:
        """Close the ledger."""
        if self._ledger:
            self._ledger.close()
