"""Stream against batch: the same windows counted both ways, and how old each tweet was when it was counted."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import DecodeError

from trending.report.data import Counted, Minute, Totals, TweetWay
from trending.report.defence.evidence import Ages
from trending.settings import WindowTime
from trending.tweets.record_id import identity_of, record_id
from trending.tweets.rule import Kind, classify, window_start
from trending.tweets.wire_format import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from trending.kafka.log_reader import Record
    from trending.settings import Rule
    from trending.tweets.wire_format import Tweet

    ByRule = Mapping[Rule, Mapping[tuple[int, str], int]]
    """Rule → (window start, hashtag) → tweets."""

SHOWN_MINUTES = 6
SHOWN_LEADERS = 8


@dataclass(frozen=True, slots=True)
class Written:
    """A batch that the store has: its end offsets by partition (exclusive) and when it was written, in epoch seconds."""

    number: int
    ends: Mapping[int, int]
    at: float


@dataclass(frozen=True, slots=True)
class Followed:
    """A tweet of the log together with the batch that counted it."""

    record: Record
    tweet: Tweet
    window: int
    batch: int
    served: float


def minutes(stream: Mapping[tuple[int, str], int], batch: Mapping[tuple[int, str], int]) -> tuple[Minute, ...]:
    """Return the last windows in order of time, each with its leaders by the stream's count; ties are ordered by name."""
    windows: dict[int, set[str]] = {}
    for start, hashtag in stream.keys() | batch.keys():
        windows.setdefault(start, set()).add(hashtag)
    found = []
    for start in sorted(windows)[-SHOWN_MINUTES:]:
        counted = [
            Counted(hashtag=hashtag, stream=stream.get((start, hashtag), 0), batch=batch.get((start, hashtag), 0))
            for hashtag in windows[start]
        ]
        counted.sort(key=lambda line: (-line.stream, line.hashtag))
        found.append(
            Minute(
                start=start,
                stream=sum(line.stream for line in counted),
                batch=sum(line.batch for line in counted),
                hashtags=len(counted),
                differing=sum(line.stream != line.batch for line in counted),
                leaders=tuple(counted[:SHOWN_LEADERS]),
            )
        )
    return tuple(found)


def totals(stream: ByRule, batch: ByRule, seconds: float) -> Totals:
    """Return the sums over all windows, by whatever rule; ``seconds`` are from the first tweet of the log to the last."""
    served, recounted = _windows_apart(stream), _windows_apart(batch)
    pairs = served.keys() | recounted.keys()
    tweets = sum(served.values())
    return Totals(
        windows=len({window for window, _hashtag in pairs}),
        tweets=tweets,
        hashtags=len({hashtag for _window, hashtag in pairs}),
        pairs=len(pairs),
        differing=sum(served.get(pair, 0) != recounted.get(pair, 0) for pair in pairs),
        seconds=round(seconds, 2),
        tweets_per_second=round(tweets / seconds, 2) if seconds > 0 else 0.0,
    )


def _windows_apart(counts: ByRule) -> dict[tuple[tuple[Rule, int], str], int]:
    """Return (rule and start of a window, hashtag) → tweets: windows of two rules are two, wherever they begin."""
    return {((rule, start), hashtag): tweets for rule, each in counts.items() for (start, hashtag), tweets in each.items()}


def follow(records: Iterable[Record], batches: Sequence[Written], rule: Rule) -> list[Followed]:
    """Return the tweets that one of the batches counted, each with the first batch that ended after it.

    By original times there are none: a timestamp is of the file then, and says nothing about when the tweet came here.
    """
    if rule.window_time is WindowTime.ORIGINAL:
        return []
    ends: dict[int, list[tuple[int, Written]]] = {}
    for batch in sorted(batches, key=lambda each: each.number):
        for partition, end in batch.ends.items():
            ends.setdefault(partition, []).append((end, batch))
    followed = []
    for record in records:
        verdict = classify(record.value, record.append_time, rule)
        known = ends.get(record.partition, [])
        place = bisect_right(known, record.offset, key=lambda entry: entry[0])
        tweet = _whole(record) if verdict.kind is Kind.TWEET and place < len(known) else None
        if tweet is not None:
            batch = known[place][1]
            followed.append(Followed(record, tweet, window_start(verdict.time, rule.window_seconds), batch.number, batch.at))
    return followed


def _whole(record: Record) -> Tweet | None:
    """Return a tweet with all its fields; a tweet of another producer may lack some and still counts."""
    try:
        return decode(record.value or b"")
    except (DecodeError, UnicodeDecodeError):
        return None


def ages(seconds: Iterable[float]) -> Ages | None:
    """Return the middle, the 95th percentile and the largest of the ages, in seconds, or None if there are none."""
    ordered = sorted(seconds)
    if not ordered:
        return None
    last = len(ordered) - 1
    return Ages(
        tweets=len(ordered),
        median=round(ordered[last // 2], 3),
        p95=round(ordered[round(last * 0.95)], 3),
        longest=round(ordered[last], 3),
    )


def tweet_way(followed: Sequence[Followed], counts: Mapping[tuple[int, str], int]) -> TweetWay | None:
    """Return the path of the last counted tweet that carries an id, or None if there is none."""
    for each in reversed(followed):
        identity = identity_of(each.record.key, each.record.headers)
        tweet = each.tweet
        count = counts.get((each.window, tweet.hashtag_principal), 0)
        if identity and count:
            return TweetWay(
                record_id=record_id(*identity).decode("ascii"),
                user=tweet.usuario,
                text=tweet.texto,
                hashtag=tweet.hashtag_principal,
                sent=round(tweet.timestamp, 3),
                partition=each.record.partition,
                offset=each.record.offset,
                appended=round(each.record.append_time, 3),
                window_start=each.window,
                batch=each.batch,
                served=round(each.served, 3),
                seconds=round(each.served - tweet.timestamp, 3),
                count=count,
            )
    return None
