"""A batch each minute, over the run's own log: what reading and counting take was measured, its schedule is computed."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from trending.report import comparison
from trending.report.defence.evidence import Minutely
from trending.tweets.rule import Kind, classify, window_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from trending.kafka.log_reader import Record
    from trending.report.comparison import Followed
    from trending.settings import Rule, StreamSettings

    Ends = Mapping[int, int]
    Read = Callable[[dict[int, int], dict[int, int]], Iterable[Record]]

INTERVAL: Final = 60
MINUTE: Final = 60
MEASURED: Final = 6
"""As many intervals as the report shows windows."""


def measure(followed: Sequence[Followed], read: Read, stream: StreamSettings, mean_seconds: float | None) -> Minutely | None:
    """Read and count each of the last whole intervals as a batch of its own, or return None if the log has no whole one.

    ``followed`` are tweets of the log's end, of which the first and the last interval may be cut. ``mean_seconds`` is what a
    batch of the stream took: one begins at each trigger.
    """
    intervals: dict[int, list[Followed]] = defaultdict(list)
    for each in followed:
        intervals[int(each.record.append_time) // INTERVAL].append(each)
    whole = sorted(intervals)[1:-1][-MEASURED:]
    took, ages, records = [], [], 0
    for number in whole:
        start, end = _range(intervals[number])
        begun = time.monotonic()
        records += _count(read(start, end), stream.rule)
        took.append(time.monotonic() - begun)
        answered = (number + 1) * INTERVAL + took[-1]
        ages += [answered - each.tweet.timestamp for each in intervals[number]]
    if not took:
        return None
    mean = sum(took) / len(took)
    return Minutely(
        interval=INTERVAL,
        batches=len(took),
        records=records,
        mean_seconds=round(mean, 3),
        longest_seconds=round(max(took), 3),
        busy=round(mean * MINUTE / INTERVAL, 3),
        stream_busy=None if mean_seconds is None else round(mean_seconds * MINUTE / stream.trigger_seconds, 3),
        ages=comparison.ages(ages),
    )


def _range(followed: Iterable[Followed]) -> tuple[dict[int, int], dict[int, int]]:
    start: dict[int, int] = {}
    end: dict[int, int] = {}
    for each in followed:
        place = each.record
        start[place.partition] = min(start.get(place.partition, place.offset), place.offset)
        end[place.partition] = max(end.get(place.partition, 0), place.offset + 1)
    return start, end


def _count(records: Iterable[Record], rule: Rule) -> int:
    """Count tweets by window and hashtag, as the batch would; returns how many records it read."""
    counts: Counter[tuple[int, str]] = Counter()
    read = 0
    for record in records:
        read += 1
        verdict = classify(record.value, record.append_time, rule)
        if verdict.kind is Kind.TWEET:
            counts[window_start(verdict.time, rule.window_seconds), verdict.label] += 1
    return read
