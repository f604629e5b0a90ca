"""A scenario that is played: its records when they are due, over as many lives of the producer as it takes.

The next life reads back from the log what the last one has sent, and goes on with the first record that is not there. Within a
partition the records arrive in the order of their numbers and without a gap, so all absent ones come behind the last. Where
several producers share the scenario, each does so in partitions of its own.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from confluent_kafka import KafkaException

from trending.errors import LabError, NotReady
from trending.producer.places.opened import opened
from trending.producer.reading_back import book_arrived, last_sequences, lives_of, read_arrived
from trending.producer.schedule import BURST_SECONDS, MAX_WAIT_SECONDS
from trending.producer.sources import booked
from trending.producer.sources.booked import Booked, Shift, skew_of
from trending.producer.sources.changing import change_from
from trending.producer.sources.control import LOOK_SECONDS, Listener, read_changes
from trending.producer.sources.sharing import AHEAD_SECONDS, Share, drawn_below, draws_below, forget_drawn, play_of
from trending.producer.sources.source import Drawn
from trending.programs.heartbeat import FINISHED, WAITING
from trending.simulator.draws import BLOCK
from trending.simulator.live.changes import Change, TrendChange, text_of
from trending.simulator.records import Encoder, Records
from trending.simulator.scenario import Scenario, hash_of_scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

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
        self._share = Share(spec.place, spec.producers)
        self._booked = play_of(spec, self._hash)
        self._own = self._share.partitions(self._booked.partitions) if self._booked else (0,)
        self._below = 0
        self._records = self._booked.records() if self._booked else Records(self._scenario)
        self._encoder = Encoder(self._records)
        self.run = self._booked.run if self._booked else secrets.token_hex(6)
        self.resumed = self._booked is not None
        self._listener = Listener(self._ledger, self.run, spec.topic_id)
        self.rate = self._scenario.rate.base * self._scenario.time_scale
        self.position = min(map(self._booked.acknowledged_below, self._own)) if self._booked else 0
        self.reserved = self._reserved()
        self._arrived: dict[int, int] = {}
        self._drawn: Block | None = None
        self._quiet_until = 0.0
        self._looked = 0.0
        self._listened = float("-inf")
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
                read_arrived(self._spec, lives_of(self._spec), self._monotonic, goes_on, self.run, read_to, self._own)
                looks += 1
            except (NotReady, KafkaException) as error:
                logger.warning("what became of run %s is not known yet: %s", self.run, error)
            until = self._monotonic() + SETTLE_SECONDS
            while self._monotonic() < until:
                pause()
                if not goes_on():
                    return False
        last = last_sequences(self._spec, self.run, self._own)
        self._arrived = {each: max(last.get(each, -1), self.played.acknowledged_below(each) - 1) for each in self._own}
        return True

    def begin(self, partitions: int, now: float, wall: float) -> None:  # noqa: ARG002 - a source's
        """Book the start, at the next whole window; of a scenario that is on its way nothing changes but where it goes on."""
        self._looked = wall
        if self._booked is None:
            seconds = self._spec.window_seconds if self._scenario.start == "window" else 0
            begin = -int(-wall // seconds) * seconds * 1000 if seconds else int(wall * 1000)
            stay = max(1, min(MOST_STAYING, int(self.rate * STAY_SECONDS)))
            content = self._scenario.model_dump_json(by_alias=True)
            skew = skew_of(self._scenario)
            new = self._booked = Booked(self.run, self._spec.topic_id, self._hash, content, partitions, stay, begin, skew=skew)
            self._own = self._share.partitions(partitions)
            self._ledger.write(lambda connection: booked.book(connection, new))
        if self._share.alone:
            self._ledger.write(lambda connection: forget_drawn(connection, self.run))
        self._skip()

    def due(self, now: float, wall: float) -> int:  # noqa: ARG002
        """Return how many records are due, up to where the next partition, or block, begins."""
        jumped, self._looked = wall - self._looked, wall
        if jumped < 0:
            self._quiet_until = wall
        if self._finished or wall < self._quiet_until:
            return 0
        if not self._share.alone and self.position >= self._below:
            self._draw_ahead(wall)
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
        if not self._share.alone:
            end = min(end, place + self._below - self.position)
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
        begins = self.played.begins(block.first + np.arange(start, stop))
        values, labels = self._encoder.values(block, start, stop, begins), self._encoder.labels(block, start, stop)
        if self._scenario.tweets.key == "id":
            return Drawn(values, labels)
        return Drawn(values, labels, None, self._encoder.keys(block, start, stop))

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
        overdue = self.position + np.arange(np.searchsorted(self._block().due[place:], until, side="right"))
        return int(np.isin(self.played.partitions_of(overdue), self._own).sum())

    def listen(self, now: float, wall: float) -> None:
        """Change what was not drawn yet as somebody asks, or answer why not."""
        if self._share.place:
            self._follow(now, wall)
            return
        request = self._listener.look(now, wall)
        if request is None or self._booked is None:
            return
        asked = request.asked
        try:
            # It is on disk before the first record that it applies to is drawn.
            change = self._listener.take(request, lambda connection: self._changed(connection, asked, wall), wall)
        except NotReady as error:  # while another one reads back, the request waits, for as long as it may
            logger.debug("%s", error)
            return
        except LabError as refused:
            self._listener.refuse(request, f"{refused.cause}; {refused.evidence}".rstrip("; "), refused.next_command)
            return
        if change is not None:
            self._adopt((*self._booked.changes, change), wall)

    def _follow(self, now: float, wall: float) -> None:
        """Adopt what the first producer has taken: also one that is at the end, which a change may move."""
        if now - self._listened < LOOK_SECONDS:
            return
        self._listened = now
        with self._ledger.engine.connect() as connection:
            changes = read_changes(connection, self.run)
        self._adopt(changes, wall)

    def _adopt(self, changes: tuple[Change, ...], wall: float) -> None:
        """Draw as all of these say; each begins with a record that nobody has drawn."""
        new = changes[len(self.played.changes) :]
        if not new:
            return
        self._booked = replace(self.played, changes=changes)
        self._records = self._booked.records()
        self._encoder, self._drawn, self._quiet_until = Encoder(self._records), None, 0.0
        self.rate = max(self.rate, self._asked_of_all(wall))
        for change in new:
            logger.info("from record %d on, %.3f s of the scenario: %s", change.first, change.at, text_of(change.asked))

    def _draw_ahead(self, wall: float) -> None:
        """Say what this producer draws next, with what it has sent by earlier lives, and adopt what was booked by then."""
        below = max(self.position + max(1, int(self.rate * AHEAD_SECONDS)), *(last + 1 for last in self._arrived.values()), 0)
        changes = self._ledger.write(lambda connection: draws_below(connection, self.run, self._share, below))
        self._below = below
        self._adopt(changes or (), wall)

    def _changed(self, connection: Connection, asked: RateChange | TrendChange, wall: float) -> Change:
        """Return the change from the first record that nobody has drawn; raises LabError where there can be none."""
        first = max([self.position, *(last + 1 for last in self._arrived.values())])
        if not self._share.alone:
            first = max(first, drawn_below(connection, self.run, self._share))
        return change_from(first, self.played, self._records, asked, wall)

    def asked(self, wall: float) -> float:
        """Return this producer's part of the rate of the clock, in records a second; 0 before the start and behind the end."""
        return self._asked_of_all(wall) * len(self._own) / (self._booked.partitions if self._booked else 1)

    def _asked_of_all(self, wall: float) -> float:
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
        if self._booked is not None and proven > min(map(self._booked.acknowledged_below, self._own)):
            if self._share.alone:
                self._ledger.write(lambda connection: booked.book_position(connection, self.run, proven))
                self._booked = replace(self._booked, position=proven)
            else:
                self._ledger.write(lambda connection: booked.book_position(connection, self.run, proven, self._own))
                self._booked = replace(self._booked, reached=dict.fromkeys(self._own, proven))

    def close(self) -> None:
        """Close the ledger."""
        self._ledger.close()

    @property
    def _finished(self) -> bool:
        return self._records.count is not None and self.position >= self._records.count

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
        """Pass over what has arrived already, and over what others send."""
        while self._arrived or not self._share.alone:
            partition = self.played.partition(self.position)
            last = self._arrived.get(partition, -1)
            if partition in self._own and self.position > last:
                if self._arrived and self.position > max(self._arrived.values()):
                    self._arrived = {}
                return
            behind = (self.position // self.played.stay + 1) * self.played.stay
            self.position = min(last + 1, behind) if partition in self._own else behind

    def _shift(self, seconds: float) -> None:
        """Book that what is not sent yet comes so much later, or earlier where the clock was set back."""
        shifts = []
        for partition in self._own:
            # What has arrived already keeps the timestamps that it has.
            first = max(self.position, self._arrived.get(partition, -1) + 1)
            before = int(self.played.begins(np.array([self._next_in(partition, first)]))[0]) - self.played.begin
            shifts.append(Shift(partition, first, before + round(seconds * 1000)))
        self._ledger.write(lambda connection: booked.book_shifts(connection, self.run, shifts))
        with self._ledger.engine.connect() as connection:
            found = booked.read_play(connection, self.run)
        # Changes are adopted by themselves.
        self._booked = replace(self.played, shifts=found.shifts if found else ())
        logger.warning("from record %d on, the scenario comes %.1f s later", self.position, seconds)

    def _next_in(self, partition: int, first: int) -> int:
        """Return the first record of a partition from ``first`` on."""
        while self.played.partition(first) != partition:
            first = (first // self.played.stay + 1) * self.played.stay
        return first
