"""A scenario that is played: its records when they are due, over as many lives of the producer as it takes.

The next life reads back from the log what the last one has sent, and goes on with the first record that is not there. Within a
partition the records arrive in the order of their numbers and without a gap, so all absent ones come behind the last. Where
several producers share the scenario, each does so in partitions of its own.
"""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING

import numpy as np
from confluent_kafka import KafkaException

from trending.errors import LabError, NotReady
from trending.producer.places.opened import opened
from trending.producer.reading_back import book_arrived, last_sequences, lives_in, read_arrived
from trending.producer.schedule import BURST_SECONDS, MAX_WAIT_SECONDS
from trending.producer.sources.booked import booked_at, reserved
from trending.producer.sources.changing import change_from
from trending.producer.sources.control import LOOK_SECONDS, Listener, read_changes
from trending.producer.sources.course import Course
from trending.producer.sources.sharing import AHEAD_SECONDS, Share, drawn_below, draws_below, forget_drawn, play_of
from trending.producer.sources.source import Drawn
from trending.programs.heartbeat import FINISHED, WAITING
from trending.simulator.draws import BLOCK
from trending.simulator.live.changes import text_of
from trending.simulator.scenario import Scenario, hash_of_scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from trending.programs.specifications import ProducerSpec
    from trending.simulator.live.changes import Change, RateChange, TrendChange

logger = logging.getLogger("trending.producer")

MAX_BURST = BLOCK // 2
"""Records that are handed over between two looks at the clock."""
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
        found = play_of(self._ledger, spec.topic_id, self._hash)
        self._course = Course(self._ledger, self._share, self._scenario, found)
        self._below = 0
        self.run = found.run if found else secrets.token_hex(6)
        self.resumed = found is not None
        self._listener = Listener(self._ledger, self.run, spec.topic_id)
        self.rate = self._scenario.rate.base * self._scenario.time_scale
        with self._ledger.engine.connect() as connection:
            self.reserved = reserved(connection, self.run)
        self._quiet_until = 0.0
        self._looked = 0.0
        self._listened = float("-inf")
        logger.info("scenario %s, seed %d: %s", self._hash, self._scenario.seed, self._scenario.title)

    @property
    def position(self) -> int:
        """The number of the next record."""
        return self._course.position

    def take_over(self, goes_on: Callable[[], bool], pause: Callable[[], object]) -> bool:
        """Book what arrived. Of this scenario everything must be known before the first record is sent again."""
        if not self.resumed:
            book_arrived(self._spec, self._monotonic, goes_on, self.run)
            return True
        if self._course.over:  # all of it is acknowledged
            return True
        own = self._course.own
        looks, read_to = 0, dict[int, int]()
        while looks < 2:  # noqa: PLR2004 - at once, and when the last life's requests are through
            try:
                lives = lives_in(self._ledger, self._spec.topic_id)
                read_arrived(self._spec, lives, self._monotonic, goes_on, self.run, read_to, own)
                looks += 1
            except (NotReady, KafkaException) as error:
                logger.warning("what became of run %s is not known yet: %s", self.run, error)
            until = self._monotonic() + SETTLE_SECONDS
            while self._monotonic() < until:
                pause()
                if not goes_on():
                    return False
        self._course.take_over(last_sequences(self._ledger, self.run, own))
        return True

    def begin(self, partitions: int, now: float, wall: float) -> None:  # noqa: ARG002 - a source's
        """Book the start, at the next whole window; of a scenario that is on its way nothing changes but where it goes on."""
        self._looked = wall
        if not self._course.begun:
            window = self._spec.window_seconds
            self._course.begin(booked_at(wall, self._scenario, self.run, self._spec.topic_id, partitions, window))
        if self._share.alone:
            self._ledger.write(lambda connection: forget_drawn(connection, self.run))
        self._course.skip()

    def due(self, now: float, wall: float) -> int:  # noqa: ARG002
        """Return how many records are due, up to where the next partition, or block, begins."""
        course = self._course
        jumped, self._looked = wall - self._looked, wall
        if jumped < 0:
            self._quiet_until = wall
        if course.over or wall < self._quiet_until:
            return 0
        if not self._share.alone and course.position >= self._below:
            self._draw_ahead(wall)
        begin = course.begin_of_next()
        block, place = course.block(), course.position % BLOCK
        overdue = wall - (begin + block.due[place].item()) / 1000
        if overdue > PAUSE_SECONDS or jumped < -PAUSE_SECONDS:
            course.shift(overdue if overdue > PAUSE_SECONDS else jumped)
            begin = course.begin_of_next()
        end = min(BLOCK, place + MAX_BURST)
        if course.played.partitions > 1:
            end = min(end, place + course.played.stay - course.position % course.played.stay)
        if course.records.count is not None:
            end = min(end, place + course.records.count - course.position)
        if not self._share.alone:
            end = min(end, place + self._below - course.position)
        found = int(np.searchsorted(block.due[place:end], wall * 1000 - begin, side="right"))
        # From a hundred a second on, records go out together: what comes next gathers for a while, unless it is due already.
        self._quiet_until = wall + BURST_SECONDS if 0 < found < end - place else 0.0
        return found

    def partition(self, now: float) -> int:  # noqa: ARG002
        """Return the partition of the next record, which its number decides."""
        return self._course.played.partition(self._course.position)

    def draw(self, count: int, wall: float) -> Drawn:  # noqa: ARG002
        """Return the next records."""
        block, start, encoder = self._course.block(), self._course.position % BLOCK, self._course.encoder
        stop = start + count
        begins = self._course.played.begins(block.first + np.arange(start, stop))
        values, labels = encoder.values(block, start, stop, begins), encoder.labels(block, start, stop)
        if self._scenario.tweets.key == "id":
            return Drawn(values, labels)
        return Drawn(values, labels, None, encoder.keys(block, start, stop))

    def advance(self, records: int) -> None:
        """Go on behind them, and behind what has arrived before."""
        self._course.advance(records)

    def wait(self, now: float, wall: float) -> float:  # noqa: ARG002
        """Return the seconds until the next record is due."""
        course = self._course
        if course.over:
            return MAX_WAIT_SECONDS
        due = (course.begin_of_next() + int(course.block().due[course.position % BLOCK])) / 1000
        return min(MAX_WAIT_SECONDS, max(0.0, due - wall, self._quiet_until - wall))

    def debt(self, now: float, wall: float) -> int:  # noqa: ARG002
        """Return how many records are overdue."""
        return self._course.overdue_before(wall - BURST_SECONDS)

    def listen(self, now: float, wall: float) -> None:
        """Change what was not drawn yet as somebody asks, or answer why not."""
        if self._share.place:
            self._follow(now, wall)
            return
        request = self._listener.look(now, wall)
        if request is None or not self._course.begun:
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
            self._adopt((*self._course.played.changes, change), wall)

    def _follow(self, now: float, wall: float) -> None:
        """Adopt what the first producer has taken: also one that is at the end, which a change may move."""
        if now - self._listened < LOOK_SECONDS:
            return
        self._listened = now
        with self._ledger.engine.connect() as connection:
            changes = read_changes(connection, self.run)
        self._adopt(changes, wall)

    def _adopt(self, changes: tuple[Change, ...], wall: float) -> None:
        new = self._course.adopt(changes)
        if not new:
            return
        self._quiet_until = 0.0
        self.rate = max(self.rate, self._course.rate(wall))
        for change in new:
            logger.info("from record %d on, %.3f s of the scenario: %s", change.first, change.at, text_of(change.asked))

    def _draw_ahead(self, wall: float) -> None:
        """Say what this producer draws next, with what it has sent by earlier lives, and adopt what was booked by then."""
        course = self._course
        below = max(course.position + max(1, int(self.rate * AHEAD_SECONDS)), course.behind_what_arrived)
        changes = self._ledger.write(lambda connection: draws_below(connection, self.run, self._share, below))
        self._below = below
        self._adopt(changes or (), wall)

    def _changed(self, connection: Connection, asked: RateChange | TrendChange, wall: float) -> Change:
        """Return the change from the first record that nobody has drawn; raises LabError where there can be none."""
        first = self._course.behind_what_arrived
        if not self._share.alone:
            first = max(first, drawn_below(connection, self.run, self._share))
        return change_from(first, self._course.played, self._course.records, asked, wall)

    def asked(self, wall: float) -> float:
        """Return this producer's part of the rate of the clock, in records a second; 0 before the start and behind the end."""
        partitions = self._course.played.partitions if self._course.begun else 1
        return self._course.rate(wall) * len(self._course.own) / partitions

    def overdue(self, number: int, now: float, wall: float) -> float:  # noqa: ARG002
        """Return by how many seconds a record is overdue."""
        return self._course.overdue(number, wall)

    def phase(self, wall: float) -> str:
        """Return whether it waits, runs or has come to its end."""
        if self._course.begun and wall * 1000 < self._course.played.begin:
            return WAITING
        return FINISHED if self._course.over else "running"

    def note(self, proven: int) -> None:
        """Keep it on disk, unless it is there."""
        self._course.note(proven)

    def close(self) -> None:
        """Close the ledger."""
        self._ledger.close()
