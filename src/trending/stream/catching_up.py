"""How a query catches up after a pause: in batches that fit the driver's heap, and without leaving a partition behind."""

from __future__ import annotations

import math
import time
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

from trending.kafka.log_reader import log_ends, read_log
from trending.settings import WATERMARK_SECONDS
from trending.stream.checkpoint import committed_offsets

if TYPE_CHECKING:
    from trending.kafka.log_reader import Record
    from trending.programs.specifications import StreamSpec

OFFSETS_PER_MB = 2_000
"""Offsets that one batch may read for each MiB of heap. Three times as many were tried with 512 MiB, and 1.4 million hashtags in
one batch: where they are many, state and counts lie on the disk (docs/decisions/0172)."""
ANSWER_SECONDS = 3.0
"""Less than a heartbeat may be old: nobody beats while the broker is asked."""


def most_offsets(spec: StreamSpec) -> int:
    """Return the number of offsets that one batch may read."""
    return spec.settings.driver_mb * OFFSETS_PER_MB


def watermark_seconds(spec: StreamSpec) -> int:
    """Return how far Spark's watermark stays behind, so that it drops nothing; raises NotReady where no broker answers.

    Times within a batch may go back by ``allowed_skew_seconds``: another leader's clock, a clock that was set back, a partition
    that an open transaction has held. A bounded batch takes of each partition a share of what waits there. The shares may be of
    different minutes, and the newest moves the watermark for all. So with several partitions it is wider by the age of the oldest
    record that waits.
    """
    delay = WATERMARK_SECONDS[spec.settings.window_time] + spec.settings.allowed_skew_seconds
    log = log_ends(spec.connection, spec.topic, ANSWER_SECONDS)
    if len(log) == 1:
        return delay
    done = committed_offsets(spec.checkpoint, spec.topic) or spec.start_offsets
    ages = [
        time.time() - record.append_time
        for partition, (first, end) in log.items()
        for record in _first(spec, partition, max(first, done.get(partition, 0)), end)
    ]
    return delay + math.ceil(max(0.0, *ages, 0.0))


def _first(spec: StreamSpec, partition: int, start: int, end: int) -> list[Record]:
    with closing(read_log(spec.connection, spec.topic, {partition: start}, {partition: end})) as records:
        return list(islice(records, 1))
