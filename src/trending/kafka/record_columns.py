"""Records of one partition by columns, and a reader that yields them so.

To make an object of each record costs more than to decode and count it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from confluent_kafka import TopicPartition

from trending.kafka.log_reader import Record, chunks_of, header_pairs, is_end, open_consumer, place_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from confluent_kafka import Message
    from numpy.typing import NDArray

    from trending.kafka.connection import KafkaConnection

_MOST = 10_000
"""Records of one batch: some 5 MB of them at 150 bytes each."""
_QUEUED_RECORDS = 100_000
_QUEUED_KILOBYTES = 32 * 1024
"""What may wait in the client, over all partitions: memory must not grow with their number."""


@dataclass(frozen=True)
class RecordColumns:
    """Consecutive records of one partition in the order of their offsets, a row each.

    ``append_times`` are the broker's, in seconds since the epoch. ``headers`` are there for rows that have some, of a name that
    comes twice the last: an id is looked for in them, and nothing else.
    """

    partition: int
    offsets: NDArray[np.int64]
    append_times: NDArray[np.float64]
    values: Sequence[bytes | None]
    keys: Sequence[bytes | None]
    headers: Mapping[int, dict[str, bytes | None]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)

    def record(self, row: int) -> Record:
        """Return one of the records."""
        time = self.append_times[row].item()
        return Record(self.partition, self.offsets[row].item(), time, self.values[row], self.headers.get(row, {}), self.keys[row])

    def rows(self, start: int, stop: int) -> RecordColumns:
        """Return the rows from ``start`` to ``stop`` (exclusive)."""
        if (start, stop) == (0, len(self)):
            return self
        part = slice(start, stop)
        headers = {row - start: each for row, each in self.headers.items() if start <= row < stop}
        return RecordColumns(
            self.partition, self.offsets[part], self.append_times[part], self.values[part], self.keys[part], headers
        )


def by_columns(records: Iterable[Record]) -> Iterator[RecordColumns]:
    """Yield records that are there one by one, each partition's together."""
    partitions: dict[int, list[Record]] = {}
    for record in records:
        partitions.setdefault(record.partition, []).append(record)
    for partition, found in partitions.items():
        yield RecordColumns(
            partition,
            np.array([each.offset for each in found], np.int64),
            np.array([each.append_time for each in found], np.float64),
            [each.value for each in found],
            [each.key for each in found],
            {row: each.headers for row, each in enumerate(found) if each.headers},
        )


def read_columns(
    connection: KafkaConnection, topic: str, start: Mapping[int, int], end: Mapping[int, int]
) -> Generator[RecordColumns]:
    """Yield every record from ``start`` to ``end`` (partition → offset, exclusive), a partition's in order.

    Offsets without a record are passed over, and NotReady is raised, as ``read_log`` does.
    """
    left = {partition for partition, offset in end.items() if start.get(partition, 0) < offset}
    if not left:
        return
    bounds = {
        "queued.min.messages": max(1, _QUEUED_RECORDS // len(left)),
        "queued.max.messages.kbytes": max(1024, _QUEUED_KILOBYTES // len(left)),
    }
    consumer = open_consumer(connection, end_events=True, own=bounds)
    try:
        consumer.assign([TopicPartition(topic, partition, start.get(partition, 0)) for partition in left])
        for chunk in chunks_of(consumer, _MOST, topic, lambda: f"partitions {sorted(end)} end at {end}"):
            messages = chunk
            if any([message.error() is not None for message in chunk]):  # noqa: C419 - a list is a third faster, for each record
                ended = [place_of(message) for message in chunk if message.error() is not None]
                messages = [message for message in chunk if not is_end(message)]
                left.difference_update(partition for partition, offset in ended if offset >= end[partition])
            for columns in _columns(messages):
                last = end[columns.partition]
                stop = int(np.searchsorted(columns.offsets, last))
                if stop:
                    yield columns.rows(0, stop)
                if columns.offsets[-1] >= last - 1:
                    left.discard(columns.partition)
            if not left:
                return
    finally:
        consumer.close()


def _columns(messages: Sequence[Message]) -> Iterator[RecordColumns]:
    partitions = [message.partition() or 0 for message in messages]
    for partition in sorted(set(partitions)):
        own = messages
        if partitions.count(partition) < len(messages):
            own = [message for message, number in zip(messages, partitions, strict=True) if number == partition]
        named = [row for row, message in enumerate(own) if message.headers()]
        yield RecordColumns(
            partition,
            np.array([message.offset() for message in own], np.int64),
            np.array([message.timestamp()[1] for message in own], np.int64) / 1000,
            [message.value() for message in own],
            [message.key() for message in own],
            {row: dict(header_pairs(own[row])) for row in named},
        )
