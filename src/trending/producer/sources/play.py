"""A scenario that is played: its records when they are due, over as many lives of the producer as it takes.

The next life reads back from the log what the last one has sent, and goes on with the first record that is not there. Within a
partition the records arrive in the order of their numbers and without a gap, so all absent ones come behind the last.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from confluent_kafka import KafkaException

from trending.errors import ConfigurationConflict, LabError, NotReady
from trending.producer.places.opened import opened
from trending.producer.reading_back import book_arrived, last_sequences, lives_of, read_arrived
from trending.producer.schedule import BURST_SECONDS, MAX_WAIT_SECONDS
from trending.producer.sources import booked
from trending.producer.sources.booked import Booked, Shift
from trending.producer.sources.control import Listener
from trending.producer.sources.source import Drawn
from trending.programs.heartbeat import FINISHED, WAITING
from trending.simulator.draws import BLOCK
from trending.simulator.live.changes import MOST_CHANGES, Change, TrendChange, require_room, text_of
from trending.simulator.records import Encoder, Records
from trending.simulator.scenario import Scenario, hash_of_scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    from trending.programs.specifications import ProducerSpec
    from trending.simulator.live.changes import RateChange
    from trending.simulator.records import Block

logger = logging.getLogger("trending.producer")

MAX_BURST = BLOCK // 2
"""Records that are handed over between two looks at the clock."""
STAY_SECONDS = 0.1
"""Records of so long go to the same partition, and at most so many:"""
MOST_STAYING = 50_000
PAUSE_SECONDS = 5.0
"""Records that are overdue by more than this come as if the scenario had stood still meanwhile."""
SETTLE_SECONDS = 1.0
"""A request of a life that was killed is in the log milliseconds after its connection is gone, or never. So long after the first
look there is a second one. What comes even later is sent twice, and the audit says so."""


class Play:
    """The source of a producer with a scenario."""

    over = False

    def __init__(self, spec: ProducerSpec, monotonic: Callable[[], float]) -> None:
        self._spec = spec
        self._monotonic = monotonic
        self._scenario = Scenario.model_validate_json(spec.scenario)
        self._hash = hash_of_scenario(self._scenario)
        self._ledger = opened(spec.ledger)
        self._booked = self._left_behind()
        self._records = self._booked.records() if self._booked else Records(self._scenario)
        self._encoder = Encoder(self._records)
        self.run = self._booked.run if self._booked else secrets.token_hex(6)
        self.resumed = self._booked is not None
        self._listener = Listener(self._ledger, self.run, spec.topic_id)
        self.rate = self._scenario.rate.base * self._scenario.time_scale
        self.position = self._booked.position if self._booked else 0
        self.reserved = self._reserved()
        self._arrived: dict[int, int] = {}
        self._drawn: Block | None = None
        self._quiet_until = 0.0
        self._looked = 0.0
        logger.info("scenario %s, seed %d: %s", self._hash, self._scenario.seed, self._scenario.title)

    @property
    def played(self) -> Booked:
        """What is booked; there is something from ``begin`` on."""
        assert self._booked is not None  # noqa: S101 - the program begins before it sends
        return self._booked

    def take_over(self, goes_on: Callable[[], bool], pause: Callable[[], object]) -> bool:
        """Book what arrived. Of this scenario everything must be known before the first record is sent again."""
        if not self.resumed:
            book_arrived(self._spec, self._monotonic, goes_on, self.run)
            return True
        if self._finished:  # all of it is acknowledged
            return True
        looks, read_to = 0, dict[int, int]()
        while looks < 2:  # noqa: PLR2004 - at once, and when the last life's requests are through
            try:
                read_arrived(self._spec, lives_of(self._spec), self._monotonic, goes_on, self.run, read_to)
                looks += 1
            except (NotReady, KafkaException) as error:
                logger.warning("what became of run %s is not known yet: %s", self.run, error)
            until = self._monotonic() + SETTLE_SECONDS
            while self._monotonic() < until:
                pause()
                if not goes_on():
                    return False
        self._arrived = last_sequences(self._spec, self.run, range(self.played.partitions))
        return True

    def begin(self, partitions: int, now: float, wall: float) -> None:  # noqa: ARG002 - a source's
        """Book the start, at the next whole window; of a scenario that is on its way nothing changes but where it goes on."""
        self._looked = wall
        if self._booked is None:
            seconds = self._spec.window_seconds if self._scenario.start == "window" else 0
            begin = -int(-wall // seconds) * seconds * 1000 if seconds else int(wall * 1000)
            stay = max(1, min(MOST_STAYING, int(self.rate * STAY_SECONDS)))
            content = self._scenario.model_dump_json(by_alias=True)
            new = self._booked = Booked(self.run, self._spec.topic_id, self._hash, content, partitions, stay, begin)
            self._ledger.write(lambda connection: booked.book(connection, new))
        self._skip()

    def due(self, now: float, wall: float) -> int:  # noqa: ARG002
        """Return how many records are due, up to where the next partition, or block, begins."""
        jumped, self._looked = wall - self._looked, wall
        if jumped < 0:
            self._quiet_until = wall
        if self._finished or wall < self._quiet_until:
            return 0
        begin = self._begin_of_next()
        block, place = self._block(), self.position % BLOCK
        overdue = wall - (begin + block.due[place].item()) / 1000
        if overdue > PAUSE_SECONDS or jumped < -PAUSE_SECONDS:
            self._shift(overdue if overdue > PAUSE_SECONDS else jumped)
            begin = self._begin_of_next()
        end = min(BLOCK, place + MAX_BURST)
        if self.played.partitions > 1:
            end = min(end, place + self.played.stay - self.position % self.played.stay)
        if self._records.count is not None:
            end = min(end, place + self._records.count - self.position)
        found = int(np.searchsorted(block.due[place:end], wall * 1000 - begin, side="right"))
        # From a hundred a second on, records go out together: what comes next gathers for a while, unless it is due already.
        self._quiet_until = wall + BURST_SECONDS if 0 < found < end - place else 0.0
        return found

    def partition(self, now: float) -> int:  # noqa: ARG002
        """Return the partition of the next record, which its number decides."""
        return self.played.partition(self.position)

    def draw(self, count: int, wall: float) -> Drawn:  # noqa: ARG002
        """Return the next records."""
        block, start = self._block(), self.position % BLOCK
        stop = start + count
        begins = self.played.begins(block.first + block.sources[start:stop])
        return Drawn(self._encoder.values(block, start, stop, begins), self._encoder.labels(block, start, stop))

    def advance(self, records: int) -> None:
        """Go on behind them, and behind what has arrived before."""
        self.position += records
        self._skip()

    def wait(self, now: float, wall: float) -> float:  # noqa: ARG002
        """Return the seconds until the next record is due."""
        if self._finished:
            return MAX_WAIT_SECONDS
        due = (self._begin_of_next() + int(self._block().due[self.position % BLOCK])) / 1000
        return min(MAX_WAIT_SECONDS, max(0.0, due - wall, self._quiet_until - wall))

    def debt(self, now: float, wall: float) -> int:  # noqa: ARG002
        """Return how many records are overdue: at most those of a block, since whatever waits longer is shifted."""
        if self._booked is None or self._finished:
            return 0
        place = self.position % BLOCK
        until = (wall - BURST_SECONDS) * 1000 - self._begin_of_next()
        return int(np.searchsorted(self._block().due[place:], until, side="right"))

    def listen(self, now: float, wall: float) -> None:
        """Change what was not drawn yet as somebody asks, or answer why not."""
        request = self._listener.look(now, wall)
        if request is None or self._booked is None:
            return
        try:
            change, records = self._changed(request.asked, wall)
        except LabError as refused:
            self._listener.refuse(request, f"{refused.cause}; {refused.evidence}".rstrip("; "), refused.next_command)
            return
        # It is on disk before the first record that it applies to is drawn.
        if not self._listener.take(request, change, wall):
            return
        self._booked = replace(self._booked, changes=(*self._booked.changes, change))
        self._records, self._encoder, self._drawn, self._quiet_until = records, Encoder(records), None, 0.0
        self.rate = max(self.rate, self.asked(wall))
        logger.info("from record %d on, %.3f s of the scenario: %s", change.first, change.at, text_of(change.asked))

    def _changed(self, asked: RateChange | TrendChange, wall: float) -> tuple[Change, Records]:
        """Return the change from the first record that no life has drawn; raises LabError where there can be none."""
        scale, played, records = self._scenario.time_scale, self.played, self._records
        if self._finished:
            cause = "the scenario is over"
            raise ConfigurationConflict(cause, f"it had {records.count} records", "make up SEED=… plays it once more")
        if len(played.changes) >= MOST_CHANGES:
            cause = f"this run of the scenario was changed {MOST_CHANGES} times already"
            raise ConfigurationConflict(cause, "", "make up SEED=… begins a new one")
        first = max(self.position, *(last + 1 for last in self._arrived.values())) if self._arrived else self.position
        now = (wall - int(played.begins(np.array([first]))[0]) / 1000) * scale
        # Between the record before it and itself: the times of records never go back.
        at = min(max(now, records.time(first - 1) if first else 0.0), records.time(first))
        if isinstance(asked, TrendChange):
            require_room(records.trends, asked.trend(at, scale))
        change = Change(first, at, asked)
        return change, Records(self._scenario, (*played.changes, change))

    def asked(self, wall: float) -> float:
        """Return the rate of the clock, in records a second; 0 before the start and behind the end."""
        if self._booked is None or self._finished or (now := wall - self._begin_of_next() / 1000) < 0:
            return 0.0
        return self._records.clock.rate(now * self._scenario.time_scale) * self._scenario.time_scale

    def overdue(self, number: int, now: float, wall: float) -> float:  # noqa: ARG002
        """Return by how many seconds a record is overdue."""
        if self._booked is None or (self._records.count is not None and number >= self._records.count):
            return 0.0
        offset = self._records.time(number) / self._scenario.time_scale
        return max(0.0, wall - int(self._booked.begins(np.array([number]))[0]) / 1000 - offset)

    def phase(self, wall: float) -> str:
        """Return whether it waits, runs or has come to its end."""
        if self._booked is not None and wall * 1000 < self._booked.begin:
            return WAITING
        return FINISHED if self._finished else "running"

    def note(self, proven: int) -> None:
        """Keep it on disk, unless it is there."""
        if self._booked is not None and proven > self._booked.position:
            self._ledger.write(lambda connection: booked.book_position(connection, self.run, proven))
            self._booked = replace(self._booked, position=proven)

    def close(self) -> None:
        """Close the ledger."""
        self._ledger.close()

    @property
    def _finished(self) -> bool:
        return self._records.count is not None and self.position >= self._records.count

    def _left_behind(self) -> Booked | None:
        """Return what the last life has played, if it is this scenario on this topic."""
        lives = lives_of(self._spec)
        with self._ledger.engine.connect() as connection:
            found = booked.read_play(connection, lives[0]) if lives else None
        return found if found is not None and found.scenario == self._hash else None

    def _reserved(self) -> int:
        with self._ledger.engine.connect() as connection:
            return booked.reserved(connection, self.run)

    def _block(self) -> Block:
        number = self.position // BLOCK
        if self._drawn is None or self._drawn.number != number:
            self._drawn = self._records.block(number)
        return self._drawn

    def _begin_of_next(self) -> int:
        return int(self.played.begins(np.array([self.position]))[0])

    def _skip(self) -> None:
        """Pass over what has arrived already."""
        while self._arrived:
            last = self._arrived.get(self.played.partition(self.position), -1)
            if self.position > last:
                if self.position > max(self._arrived.values()):
                    self._arrived = {}
                return
            self.position = min(last + 1, (self.position // self.played.stay + 1) * self.played.stay)

    def _shift(self, seconds: float) -> None:
        """Book that what is not sent yet comes so much later, or earlier where the clock was set back."""
        shifts = []
        for partition in range(self.played.partitions):
            # What has arrived already keeps the timestamps that it has.
            first = max(self.position, self._arrived.get(partition, -1) + 1)
            before = int(self.played.begins(np.array([self._next_in(partition, first)]))[0]) - self.played.begin
            shifts.append(Shift(partition, first, before + round(seconds * 1000)))
        self._ledger.write(lambda connection: booked.book_shifts(connection, self.run, shifts))
        with self._ledger.engine.connect() as connection:
            self._booked = booked.read_play(connection, self.run)
        logger.warning("from record %d on, the scenario comes %.1f s later", self.position, seconds)

    def _next_in(self, partition: int, first: int) -> int:
        """Return the first record of a partition from ``first`` on."""
        while self.played.partition(first) != partition:
            first = (first // self.played.stay + 1) * self.played.stay
        return first
