"""How far a producer has come in a scenario: what is booked of it, its next record, and what has arrived before."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from trending.producer.sources import booked
from trending.producer.sources.booked import Shift
from trending.simulator.draws import BLOCK
from trending.simulator.records import Encoder, Records

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trending.producer.places.opened import OpenedLedger
    from trending.producer.sources.booked import Booked
    from trending.producer.sources.sharing import Share
    from trending.simulator.live.changes import Change
    from trending.simulator.records import Block
    from trending.simulator.scenario import Scenario

logger = logging.getLogger("trending.producer")


class Course:
    """One producer's way through a scenario, in the partitions that are its own.

    ``found`` is what an earlier life, or the first of several producers, has booked; None where it begins here.
    """

    def __init__(self, ledger: OpenedLedger, share: Share, scenario: Scenario, found: Booked | None) -> None:
        self._ledger, self._share = ledger, share
        self._scale = scenario.time_scale
        self._played = found
        self.own = share.partitions(found.partitions) if found else (0,)
        self.records = found.records() if found else Records(scenario)
        self.encoder = Encoder(self.records)
        self.position = min(map(found.acknowledged_below, self.own)) if found else 0
        self._arrived: Mapping[int, int] = {}
        self._drawn: Block | None = None

    @property
    def begun(self) -> bool:
        """Whether the scenario's start is booked."""
        return self._played is not None

    @property
    def played(self) -> Booked:
        """What is booked; there is something from the start on."""
        assert self._played is not None  # noqa: S101 - the program begins before it sends
        return self._played

    @property
    def over(self) -> bool:
        """Whether there are no more records."""
        return self.records.count is not None and self.position >= self.records.count

    @property
    def behind_what_arrived(self) -> int:
        """The first number from which on nothing has arrived, in whichever of its partitions."""
        return max([self.position, *(last + 1 for last in self._arrived.values())])

    def begin(self, new: Booked) -> None:
        """Book the start of a scenario."""
        self._ledger.write(lambda connection: booked.book(connection, new))
        self._played, self.own = new, self._share.partitions(new.partitions)

    def take_over(self, last: Mapping[int, int]) -> None:
        """Know partition → the last record that has arrived there; what is acknowledged has."""
        self._arrived = {each: max(last.get(each, -1), self.played.acknowledged_below(each) - 1) for each in self.own}

    def adopt(self, changes: tuple[Change, ...]) -> tuple[Change, ...]:
        """Draw as all of these say, each of which begins with a record that nobody has drawn; returns those that are new."""
        new = changes[len(self.played.changes) :]
        if new:
            self._played = replace(self.played, changes=changes)
            self.records = self.played.records()
            self.encoder, self._drawn = Encoder(self.records), None
        return new

    def block(self) -> Block:
        """Return the block that has the next record."""
        number = self.position // BLOCK
        if self._drawn is None or self._drawn.number != number:
            self._drawn = self.records.block(number)
        return self._drawn

    def begin_of_next(self) -> int:
        """Return the scenario's start for the next record, with what that is shifted by, in milliseconds of the epoch."""
        return self.begin_of(self.position)

    def begin_of(self, number: int) -> int:
        """Return the same for any record."""
        return int(self.played.begins(np.array([number]))[0])

    def overdue(self, number: int, wall: float) -> float:
        """Return by how many seconds a record is overdue; 0 before the start and behind the end."""
        if self._played is None or (self.records.count is not None and number >= self.records.count):
            return 0.0
        return max(0.0, wall - self.begin_of(number) / 1000 - self.records.time(number) / self._scale)

    def overdue_before(self, wall: float) -> int:
        """Return how many of its records were due before: at most those of a block, since whatever waits longer is shifted."""
        if self._played is None or self.over:
            return 0
        place = self.position % BLOCK
        until = wall * 1000 - self.begin_of_next()
        overdue = self.position + np.arange(np.searchsorted(self.block().due[place:], until, side="right"))
        return int(np.isin(self._played.partitions_of(overdue), self.own).sum())

    def rate(self, wall: float) -> float:
        """Return the records a second that the clock asks of all producers; 0 before the start and behind the end."""
        if self._played is None or self.over or (now := wall - self.begin_of_next() / 1000) < 0:
            return 0.0
        return self.records.clock.rate(now * self._scale) * self._scale

    def advance(self, records: int) -> None:
        """Go on behind so many records, and behind what has arrived before."""
        self.position += records
        self.skip()

    def skip(self) -> None:
        """Pass over what has arrived already, and over what others send."""
        while self._arrived or not self._share.alone:
            partition = self.played.partition(self.position)
            last = self._arrived.get(partition, -1)
            if partition in self.own and self.position > last:
                if self._arrived and self.position > max(self._arrived.values()):
                    self._arrived = {}
                return
            behind = (self.position // self.played.stay + 1) * self.played.stay
            self.position = min(last + 1, behind) if partition in self.own else behind

    def shift(self, seconds: float) -> None:
        """Book that what is not sent yet comes so much later, or earlier where the clock was set back."""
        shifts = []
        for partition in self.own:
            # What has arrived already keeps the timestamps that it has.
            first = max(self.position, self._arrived.get(partition, -1) + 1)
            before = self.begin_of(self._next_in(partition, first)) - self.played.begin
            shifts.append(Shift(partition, first, before + round(seconds * 1000)))
        run = self.played.run
        self._ledger.write(lambda connection: booked.book_shifts(connection, run, shifts))
        with self._ledger.engine.connect() as connection:
            found = booked.read_play(connection, run)
        # Changes are adopted by themselves.
        self._played = replace(self.played, shifts=found.shifts if found else ())
        logger.warning("from record %d on, the scenario comes %.1f s later", self.position, seconds)

    def _next_in(self, partition: int, first: int) -> int:
        """Return the first record of a partition from ``first`` on."""
        while self.played.partition(first) != partition:
            first = (first // self.played.stay + 1) * self.played.stay
        return first

    def note(self, proven: int) -> None:
        """Keep on disk that all below this number is acknowledged, unless it is there."""
        if self._played is None or proven <= min(map(self._played.acknowledged_below, self.own)):
            return
        run = self._played.run
        if self._share.alone:
            self._ledger.write(lambda connection: booked.book_position(connection, run, proven))
            self._played = replace(self._played, position=proven)
        else:
            self._ledger.write(lambda connection: booked.book_position(connection, run, proven, self.own))
            self._played = replace(self._played, reached=dict.fromkeys(self.own, proven))
