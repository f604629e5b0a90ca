"""What a topic holds, as items of a replay: all partitions in the order of their append times, under new ids."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from heapq import merge
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from trending.kafka.log_reader import ends_of, log_ends, read_log
from trending.replay.items import ORIGIN_TIME, Item, Pace, Times
from trending.replay.times import MICROSECONDS, written
from trending.settings import Rule
from trending.tweets.fates import label_of
from trending.tweets.record_id import ID_HEADER, identity_of, parse_record_key, record_id
from trending.tweets.rule import Kind, classify

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from trending.kafka.connection import KafkaConnection
    from trending.kafka.log_reader import Record
    from trending.tweets.rule import Verdict

ORIGIN_ID = "origin.id"
"""Header of a record that was sent before: the id that it had, or where it was if it had none."""
_QUEUED_KILOBYTES = 64 * 1024
_QUEUED_RECORDS = 100_000
"""What may wait in the clients of all partitions together."""
_FARTHEST = 100_000_000_000
"""Seconds from the epoch on either side, beyond which a timestamp has no date and is left as it is."""
_decode = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode


@contextmanager
def records_of(connection: KafkaConnection, topic: str) -> Iterator[tuple[int, Iterator[Record]]]:
    """Yield how many offsets a topic has now, and its records up to there in the order of their append times.

    Raises NotReady where no broker answers, there or while they are read.
    """
    log = log_ends(connection, topic)
    starts = {partition: first for partition, (first, _end) in log.items()}
    share = max(1, len(log))
    own = {
        "queued.max.messages.kbytes": max(1024, _QUEUED_KILOBYTES // share),
        "queued.min.messages": max(1, _QUEUED_RECORDS // share),
    }
    readers = [read_log(connection, topic, starts, {part: end}, own=own) for part, end in ends_of(log).items()]
    try:
        yield sum(end - first for first, end in log.values()), merge(*readers, key=attrgetter("append_time"))
    finally:
        for reader in readers:
            reader.close()


@dataclass
class TopicItems:
    """Makes items of records. ``left_out`` are the records of ``tests/tester.py``, which nothing counts.

    With original ``times`` every record keeps its value byte by byte.
    """

    topic: str
    times: Times = Times.COMPRESSED
    left_out: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    """Reason → records that are no tweets there either: they are sent as they are."""

    def items(self, records: Iterable[Record], pace: Pace) -> Iterator[Item]:
        """Yield the items of these records, due as they were appended."""
        for record in records:
            verdict = classify(record.value, record.append_time, Rule())
            if verdict.kind is Kind.FOREIGN:
                self.left_out += 1
                continue
            if verdict.kind is Kind.REJECT:
                self.rejected[verdict.label] += 1
            yield self._item(record, verdict, pace)

    def _item(self, record: Record, verdict: Verdict, pace: Pace) -> Item:
        headers = [(name, value) for name, value in record.all_headers if name not in {ID_HEADER, ORIGIN_ID}]
        headers.append((ORIGIN_ID, self._origin(record)))
        value, stamp, tail = record.value, None, b""
        if value is not None and verdict.kind is not Kind.REJECT and self.times is Times.COMPRESSED:
            fields = _decode(value)
            timestamp = msgspec.json.decode(fields.pop("timestamp"), type=float)
            if abs(timestamp) < _FARTHEST:
                time = round(timestamp * MICROSECONDS)
                value = _encode(fields)[:-1] + (b',"timestamp":' if fields else b'"timestamp":')
                stamp, tail = pace.after(time), b"}"
                if all(name != ORIGIN_TIME for name, _value in headers):
                    headers.append((ORIGIN_TIME, _when(time, timestamp)))
        stranger = record.key is not None and parse_record_key(record.key) is None
        due = max(0, pace.after(round(record.append_time * MICROSECONDS)))
        key = record.key if stranger else None
        return Item(due, value, label_of(verdict), tuple(headers), stamp, tail, key, record.partition)

    def _origin(self, record: Record) -> bytes:
        identity = identity_of(record.key, record.headers)
        if identity is not None:
            return record_id(*identity)
        return record.headers.get(ID_HEADER) or f"{self.topic}/{record.partition}/{record.offset}".encode()


def _when(time: int, timestamp: float) -> bytes:
    try:
        return written(time).encode()
    except OverflowError:  # beyond the years 1 and 9999
        return repr(timestamp).encode()
