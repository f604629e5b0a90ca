"""The source of a replay: its items when they are due, once, from the next whole window on."""

from __future__ import annotations

import logging
import secrets
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException

from trending.errors import NotReady
from trending.producer.places.opened import opened
from trending.producer.reading_back import read_arrived
from trending.producer.schedule import BURST_SECONDS, MAX_WAIT_SECONDS
from trending.producer.sources.source import Drawn
from trending.programs.heartbeat import FINISHED
from trending.replay import booked
from trending.replay.times import MICROSECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trending.programs.specifications import ProducerSpec
    from trending.replay.items import Item

logger = logging.getLogger("trending.producer")

MAX_BURST = 2_000
STAY_SECONDS = 0.1
"""Records of so long go to the same partition, where their own does not matter."""
PATIENCE_SECONDS = 30.0
"""A tweet is late 60 s behind its window's end. What is overdue by this much comes some windows later, before it would be."""
WAITING = "waiting for the next window"


class Replay:
    """Sends items of a file or topic. ``rate`` is about how many come in a second.

    ``shifts`` says whether what is overdue is to come later by whole windows, which it must where it would be late otherwise.
    ``begin_at`` is the start in microseconds since the epoch, None before it is known.
    """

    def __init__(
        self,
        spec: ProducerSpec,
        items: Iterator[Item],
        monotonic: Callable[[], float],
        *,
        rate: float,
        shifts: bool,
    ) -> None:
        self._spec = spec
        self._items = items
        self._monotonic = monotonic
        self._shifts = shifts
        self._window = spec.window_seconds * MICROSECONDS
        self._pending: deque[Item] = deque()
        self._sent: deque[tuple[int, int]] = deque()
        """Number and due time, in microseconds since the epoch, of the first item of each burst that may be unproven."""
        self._partitions = 1
        self._quiet_until = 0.0
        self._looked = 0.0
        self._proven = 0
        self._drained = False
        self.run = secrets.token_hex(6)
        self.rate = max(1.0, rate)
        self.position = 0
        self.begin_at: int | None = None
        self.shifted: list[tuple[int, int]] = []
        """From which record on everything comes by how many seconds later than before."""
        self._ledger = opened(spec.ledger)

    @property
    def over(self) -> bool:
        """Whether all of it was handed over."""
        return self._drained and not self._pending

    def take_over(self, goes_on: Callable[[], bool], pause: Callable[[], object]) -> bool:  # noqa: ARG002 - a source's
        """Book what has arrived of the last replay, if that was killed; what is not known stays so.

        The first items are read here, before the start is chosen: they may have to be sorted.
        """
        self._fill()
        last = self._ledger.write(lambda connection: booked.left_behind(connection, self._spec.topic_id))
        if last:
            try:
                read_arrived(self._spec, [last], self._monotonic, goes_on, self.run)
            except (NotReady, KafkaException) as error:
                logger.warning("what became of run %s behind its last marker stays unknown: %s", last, error)
        return True

    def begin(self, partitions: int, now: float, wall: float) -> None:  # noqa: ARG002
        """Begin with the next whole window."""
        self._partitions = partitions
        self._looked = wall
        self._ledger.write(lambda connection: booked.book(connection, self.run))
        self.begin_at = -int(-wall * MICROSECONDS // self._window) * self._window

    def due(self, now: float, wall: float) -> int:  # noqa: ARG002
        """Return how many items are due, up to where another partition is wanted."""
        jumped, self._looked = wall - self._looked, wall
        if jumped < 0:  # the clock was set back
            self._quiet_until = min(self._quiet_until, wall)
        self._fill()
        if not self._pending or wall < self._quiet_until:
            return 0
        self._catch_up(wall)
        until = self._after_start(wall)
        found, place = 0, self._pending[0].partition
        for item in self._pending:
            if item.due > until or item.partition != place:
                break
            found += 1
        # From a hundred a second on, records go out together: what comes next gathers for a while, unless it is due already.
        gathering = 0 < found < len(self._pending) and self._pending[found].due > until
        self._quiet_until = wall + BURST_SECONDS if gathering else 0.0
        return found

    def partition(self, now: float) -> int:
        """Return the next item's own partition, where it has one and the topic too, else one after the other."""
        own = self._pending[0].partition
        if own is not None:
            return own if own < self._partitions else 0
        return int(now / STAY_SECONDS) % self._partitions

    def draw(self, count: int, wall: float) -> Drawn:  # noqa: ARG002
        """Return the next items as records."""
        begin = self.begin_at or 0
        items = list(islice(self._pending, count))
        headers = [list(item.headers) for item in items]
        return Drawn([item.at(begin) for item in items], [item.label for item in items], headers, [item.key for item in items])

    def advance(self, records: int) -> None:
        """Go on behind them."""
        self._sent.append((self.position, (self.begin_at or 0) + self._pending[0].due))
        self.position += records
        for _each in range(records):
            self._pending.popleft()
        self._fill()

    def wait(self, now: float, wall: float) -> float:  # noqa: ARG002
        """Return the seconds until the next item is due, at most 0.2."""
        if not self._pending:
            return 0.0 if self._drained else MAX_WAIT_SECONDS
        due = (self._pending[0].due - self._after_start(wall)) / MICROSECONDS
        return min(MAX_WAIT_SECONDS, max(0.0, due, self._quiet_until - wall))

    def debt(self, now: float, wall: float) -> int:  # noqa: ARG002
        """Return how many items are overdue, of those that were looked at."""
        until = self._after_start(wall - BURST_SECONDS)
        return sum(item.due <= until for item in self._pending)

    def listen(self, now: float, wall: float) -> None:
        """Hear nothing: a replay has the pace of what it replays."""

    def asked(self, wall: float) -> float:  # noqa: ARG002
        """Return about how many come in a second."""
        return self.rate

    def overdue(self, number: int, now: float, wall: float) -> float:  # noqa: ARG002
        """Return by how many seconds the burst with this item is overdue; 0 of one that is still to come."""
        while len(self._sent) > 1 and self._sent[1][0] <= number:
            self._sent.popleft()
        if not self._sent or number >= self.position:
            return 0.0
        return max(0.0, wall - self._sent[0][1] / MICROSECONDS)

    def phase(self, wall: float) -> str:
        """Return whether it waits, runs or has come to its end."""
        if self.over:
            return FINISHED
        return WAITING if self.begin_at is not None and wall * MICROSECONDS < self.begin_at else "running"

    def note(self, proven: int) -> None:
        """Remember it for the end."""
        self._proven = proven

    def close(self) -> None:
        """Book that all that was sent is acknowledged, if it is, and close the ledger."""
        if self.begin_at is not None and self._proven == self.position:
            self._ledger.write(lambda connection: booked.book_end(connection, self.run))
        self._ledger.close()

    def _fill(self) -> None:
        while not self._drained and len(self._pending) < MAX_BURST:
            item = next(self._items, None)
            if item is None:
                self._drained = True
                return
            self._pending.append(item)

    def _after_start(self, wall: float) -> int:
        return int(wall * MICROSECONDS) - (self.begin_at or 0)

    def _catch_up(self, wall: float) -> None:
        overdue = self._after_start(wall) - self._pending[0].due
        if self._shifts and overdue > PATIENCE_SECONDS * MICROSECONDS:
            windows = -(-overdue // self._window)
            self.begin_at = (self.begin_at or 0) + windows * self._window
            self.shifted.append((self.position, windows * self._spec.window_seconds))
            logger.warning("from record %d on, everything comes %d s later", *self.shifted[-1])
