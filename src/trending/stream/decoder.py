"""Decoding inside Spark: Arrow batches of Kafka records in, counts and rejects out.

A compiled codec on Arrow batches costs a fraction of ``from_json``. Counting inside the batch sends a handful of rows back to
the JVM instead of every tweet.

``trending.tweets.rule.classify`` is the definition. Here a batch's plain tweets, each decoded by itself, are judged by columns,
and whatever is no plain tweet goes through ``classify`` (docs/decisions/0092).
"""

from __future__ import annotations

from collections import Counter
from itertools import compress
from typing import TYPE_CHECKING, cast

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trending.kafka.packed_offsets import pack
from trending.settings import WINDOW_SECONDS, WindowTime
from trending.tweets.rule import (
    FUTURE_AFTER,
    LATE_AFTER,
    MAX_DEPTH,
    Kind,
    PlainTweet,
    classify,
    decode_plain,
    unreadable,
    window_start,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

SCHEMA = "kind string, time timestamp, label string, partition int, offsets binary, records bigint"
"""The schema of the rows that ``decode_batches`` yields; except for rejects the partition is -1 and the offsets are empty."""

_ARROW = pa.schema(
    [
        ("kind", pa.string()),
        ("time", pa.timestamp("us", "UTC")),
        ("label", pa.string()),
        ("partition", pa.int32()),
        ("offsets", pa.binary()),
        ("records", pa.int64()),
    ]
)
_MICROSECONDS = 1_000_000
Group = tuple[str, int, str, int]
"""Kind, window, label, partition."""
_NO_TWEET = PlainTweet("", 0.0)
"""Stands for what did not decode; no plain tweet has an empty hashtag."""


def decode_batches(window_time: str, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield, for each batch of (partition, offset, timestamp, value), its counts by kind, window, label.

    Rejects are counted by partition too, and carry their offsets packed: that makes a row of each such group of a batch, which is
    summed up with no other, and a million of them costs Spark's state no more than a hundred rows.
    ``time`` of a count is the latest time of the whole batch if that lies in its window, and the window's start otherwise. So
    Spark derives the same watermark as from the records.
    """
    mode = WindowTime(window_time)
    for batch in batches:
        yield _count(batch, mode)


def _count(batch: pa.RecordBatch, mode: WindowTime) -> pa.RecordBatch:
    column = batch.column("value")
    values: list[bytes | None] = column.to_pylist()
    append_times = batch.column("timestamp").cast(pa.int64()).to_numpy() / _MICROSECONDS
    tweets, doubtful = _plain_tweets(_readable(column, values))
    times, plain = _judge(tweets, doubtful, append_times, mode)
    windows = np.floor(times / WINDOW_SECONDS).astype(np.int64) * WINDOW_SECONDS
    pairs = zip(windows.tolist(), [tweet.hashtag_principal for tweet in tweets], strict=True)
    counted = Counter(pairs if plain.all() else compress(pairs, plain.tolist()))
    counts: Counter[Group] = Counter()
    for (window, hashtag), number in counted.items():
        counts[Kind.TWEET.value, window, hashtag, -1] = number
    latest = times[plain].max(initial=-np.inf).item()
    places: dict[Group, list[int]] = {}
    for row in np.flatnonzero(~plain).tolist():
        kind, label, time = classify(values[row], append_times[row].item(), mode)
        rejected = kind is Kind.REJECT
        partition = batch.column("partition")[row].as_py() if rejected else -1
        group = (kind.value, window_start(time), str(label), partition)
        counts[group] += 1
        if rejected:
            places.setdefault(group, []).append(batch.column("offset")[row].as_py())
        latest = max(latest, time)
    columns = [
        [kind for kind, _window, _label, _partition in counts],
        [_micros(latest, window) for _kind, window, _label, _partition in counts],
        [label for _kind, _window, label, _partition in counts],
        [partition for _kind, _window, _label, partition in counts],
        [pack(places[group]) if group in places else b"" for group in counts],
        list(counts.values()),
    ]
    return pa.RecordBatch.from_arrays(
        [pa.array(column, type=field.type) for column, field in zip(columns, _ARROW, strict=True)], schema=_ARROW
    )


def _readable(column: pa.Array, values: Sequence[bytes | None]) -> Sequence[bytes | None]:
    """Return the values, None for each that must not be decoded. As a rule two looks at the whole column find none of those."""
    try:
        column.cast(pa.large_string())
    except pa.ArrowInvalid:
        utf8 = False
    else:
        utf8 = True
    if utf8 and (pc.max(pc.binary_length(column)).as_py() or 0) <= MAX_DEPTH:
        return values
    return [None if value is None or unreadable(value) else value for value in values]


def _plain_tweets(values: Iterable[bytes | None]) -> tuple[list[PlainTweet], list[int]]:
    """Return each value's tweet, ``_NO_TWEET`` for what is none at first sight, and the rows of those."""
    found: list[PlainTweet] = []
    doubtful: list[int] = []
    remaining = iter(values)
    # None is a TypeError like any other, and no tweet.
    decode = cast("Callable[[bytes | None], PlainTweet]", decode_plain)
    while True:
        try:
            # What was decoded before an error stays in the list, and the iterator stands behind what caused it.
            found.extend(map(decode, remaining))
        except (msgspec.DecodeError, TypeError):
            doubtful.append(len(found))
            found.append(_NO_TWEET)
        else:
            return found, doubtful


def _judge(
    tweets: Sequence[PlainTweet], doubtful: Sequence[int], append_times: NDArray[np.float64], mode: WindowTime
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return each row's time, and whether it is a plain tweet that is neither late nor future; see ``classify``."""
    plain = np.ones(len(tweets), np.bool_)
    plain[doubtful] = False
    if mode is WindowTime.ARRIVAL:
        return append_times, plain
    times = np.array([tweet.timestamp for tweet in tweets], np.float64)
    # What is older than a window and its grace is late wherever its window began; a timestamp of 1e308 has no window here.
    plain &= (times <= append_times + FUTURE_AFTER) & (times > append_times - (WINDOW_SECONDS + LATE_AFTER))
    times = np.where(plain, times, append_times)
    plain &= np.floor(times / WINDOW_SECONDS) * WINDOW_SECONDS + WINDOW_SECONDS + LATE_AFTER > append_times
    return times, plain


def _micros(latest: float, window: int) -> int:
    """Return ``latest`` rounded to Spark's microseconds where it lies in the window, and the window's start where it does not.

    Never the next window: a double can be more precise than a microsecond, and rounding must not carry it over.
    """
    if window_start(latest) != window:
        return window * _MICROSECONDS
    return min(round(latest * _MICROSECONDS), (window + WINDOW_SECONDS) * _MICROSECONDS - 1)
