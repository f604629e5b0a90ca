"""A log of one hashtag that one run has sent, for processes that are to read it without a broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fakes.audits.drawn_logs import MINUTE, RUN, tweet

from trending.kafka.log_reader import Record
from trending.kafka.record_columns import by_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from trending.kafka.record_columns import RecordColumns


def read(_connection: object, _topic: str, start: Mapping[int, int], end: Mapping[int, int]) -> Iterator[RecordColumns]:
    """Yield records between these offsets, each as the real log's are read."""
    value = tweet("#a", MINUTE)
    for partition, stop in end.items():
        yield from by_columns(
            Record(partition, offset, MINUTE + offset, value, {}, f"t1:{RUN}:{offset}".encode())
            for offset in range(start[partition], stop)
        )
