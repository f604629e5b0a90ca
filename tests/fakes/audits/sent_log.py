"""A log of one hashtag that one run has sent, for processes that are to read it without a broker.

Each of them imports this module, which therefore needs nothing that takes long: hypothesis would be half of their time.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from trending.kafka.log_reader import Record
from trending.kafka.record_columns import by_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from trending.kafka.record_columns import RecordColumns


MINUTE = 1765845060
RUN = "0123456789ab"


def tweet(hashtag: str, timestamp: float) -> bytes:
    record = {"usuario": "u", "texto": "é", "hashtag_principal": hashtag, "timestamp": timestamp}
    return json.dumps(record, ensure_ascii=False).encode()


def read(_connection: object, _topic: str, start: Mapping[int, int], end: Mapping[int, int]) -> Iterator[RecordColumns]:
    """Yield records between these offsets, each as the real log's are read."""
    value = tweet("#a", MINUTE)
    for partition, stop in end.items():
        yield from by_columns(
            Record(partition, offset, MINUTE + offset, value, {}, f"t1:{RUN}:{offset}".encode())
            for offset in range(start[partition], stop)
        )
