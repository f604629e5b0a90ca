"""Proof by markers: delivery reports on the first and the last record of a burst tell of all that lie between them.

That holds for a gapless producer, which sends the records of a partition in their order, one request at a time, and gives up at
the first that fails: whoever lies before an acknowledged record of the same partition is acknowledged. Where such records lie is
known if the offsets of two markers differ by exactly the number sent; if not, they are among records of others, or the broker did
not tell an offset, as for a duplicate that it recognised. What lies behind the last marker is unknown.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trending.tweets.rule import minute_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from confluent_kafka import KafkaError, Message

    from trending.producer.ledger_writer import LedgerWriter


@dataclass(slots=True, eq=False)
class SentBurst:
    """Consecutive tweets for one partition, of which librdkafka has taken the first ``handed`` ones."""

    partition: int
    first: int
    hashtags: list[str]
    handed: int = 0
    proven: int = 0

    def part(self, start: int, end: int) -> tuple[range, Counter[str]]:
        """Return the sequences of the tweets from place ``start`` to ``end`` (exclusive), and their number by hashtag."""
        return range(self.first + start, self.first + end), Counter(self.hashtags[start:end])


@dataclass(slots=True)
class _Line:
    """What was sent to one partition and is not proven, and the last marker: the offset behind it, its append minute."""

    bursts: deque[SentBurst] = field(default_factory=deque)
    end: int | None = None
    minute: int = 0

    def before(self, burst: SentBurst, place: int) -> Iterator[tuple[range, Counter[str]]]:
        """Yield what was sent before a marker and is not proven yet; from then on it counts as proven, and so does the marker."""
        while self.bursts[0] is not burst:
            earlier = self.bursts.popleft()
            if earlier.proven < earlier.handed:
                yield earlier.part(earlier.proven, earlier.handed)
        if burst.proven < place:
            yield burst.part(burst.proven, place)
        burst.proven = place + 1
        if burst.proven == len(burst.hashtags):
            self.bursts.popleft()


class Markers:
    """Hears the reports, and writes what they prove into the ledger. ``failure`` is the first error that a report told."""

    def __init__(self, ledger: LedgerWriter) -> None:
        self._ledger = ledger
        self._lines: dict[int, _Line] = {}
        self.failure: KafkaError | None = None

    @property
    def ends(self) -> dict[int, int]:
        """Partition → offset behind the last marker."""
        return {partition: line.end for partition, line in sorted(self._lines.items()) if line.end is not None}

    def proven(self, position: int) -> int:
        """Return the number below which all records are acknowledged; ``position`` is behind the last one handed over."""
        opened = [line.bursts[0] for line in self._lines.values() if line.bursts]
        return min((burst.first + burst.proven for burst in opened), default=position)

    def begin(self, partition: int, first: int, hashtags: list[str]) -> SentBurst:
        """Return a new burst, of which the caller counts what it hands over; bursts of a partition begin in their order."""
        burst = SentBurst(partition, first, hashtags)
        self._lines.setdefault(partition, _Line()).bursts.append(burst)
        return burst

    def reported(self, burst: SentBurst, place: int, error: KafkaError | None, message: Message) -> None:
        """Take the delivery report of the tweet at ``place`` of a burst."""
        if error is not None:
            self._ledger.fail(burst.first + place, error.str())
            self.failure = self.failure or error
            return
        offset = message.offset()
        if self.failure is not None or offset is None or offset < 0:
            # Without an offset it is in the log and proves nothing: the next marker with one proves it too.
            return
        self._prove(self._lines[burst.partition], burst, place, offset, minute_of(message.timestamp()[1] / 1000))

    def _prove(self, line: _Line, burst: SentBurst, place: int, offset: int, minute: int) -> None:
        parts = list(line.before(burst, place))
        open_places = sum(len(sequences) for sequences, _hashtags in parts)
        start = offset - open_places
        placed = line.end == start
        # Offsets that go back are those of a topic that was made anew: then the last marker bounds nothing.
        low = line.end if line.end is not None and line.end <= start else 0
        earliest, latest = sorted((line.minute, minute))
        for sequences, hashtags in parts:
            if placed:
                self._ledger.acknowledge_run(sequences, burst.partition, start)
                start += len(sequences)
            else:
                self._ledger.acknowledge_unplaced(sequences, burst.partition, low, offset)
            self._ledger.count(hashtags, earliest, latest)
        marker, hashtag = burst.part(place, place + 1)
        self._ledger.acknowledge_run(marker, burst.partition, offset)
        self._ledger.count(hashtag, minute, minute)
        line.end, line.minute = offset + 1, minute
