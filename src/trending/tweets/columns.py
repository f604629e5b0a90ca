"""Plain tweets judged by columns: what the stream's decoder and the audit's recount share (docs/decisions/0092).

``trending.tweets.rule.classify`` is the definition. Each record is decoded by itself, and whatever is no plain tweet here
goes through ``classify``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec
import numpy as np

from trending.settings import Rule, Spelling, WindowTime
from trending.tweets.rule import FUTURE_AFTER, LAST_DATE, LATE_AFTER, PlainTweet, decode_plain, unreadable
from trending.tweets.spelling import folded
from trending.tweets.wire_format import MAX_HASHTAG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

NO_TWEET = PlainTweet("", 0.0)
"""Stands for what did not decode; no plain tweet has an empty hashtag."""


def readable_only(values: Iterable[bytes | None]) -> list[bytes | None]:
    """Return the values, None for each that must not be decoded."""
    return [None if value is None or unreadable(value) else value for value in values]


def plain_tweets(values: Iterable[bytes | None]) -> tuple[list[PlainTweet], list[int]]:
    """Return the tweet of each readable value, ``NO_TWEET`` for what is none at first sight, and the rows of those."""
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
            found.append(NO_TWEET)
        else:
            return found, doubtful


def judge(
    tweets: Sequence[PlainTweet], doubtful: Sequence[int], append_times: NDArray[np.float64], rule: Rule
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return each row's time, and whether it is a plain tweet that is neither late nor future; see ``classify``.

    All times are in seconds since the epoch.
    """
    plain = np.ones(len(tweets), np.bool_)
    plain[doubtful] = False
    if rule.window_time is WindowTime.ARRIVAL:
        return append_times, plain
    seconds = rule.window_seconds
    times = np.array([tweet.timestamp for tweet in tweets], np.float64)
    if rule.window_time is WindowTime.ORIGINAL:
        plain &= (times >= 0) & (times < LAST_DATE)
        return np.where(plain, times, append_times), plain
    # What is older than a window and its grace is late wherever its window began; a timestamp of 1e308 has no window here.
    plain &= (times <= append_times + FUTURE_AFTER) & (times > append_times - (seconds + LATE_AFTER))
    times = np.where(plain, times, append_times)
    plain &= np.floor(times / seconds) * seconds + seconds + LATE_AFTER > append_times
    return times, plain


def labels(tweets: Sequence[PlainTweet], plain: NDArray[np.bool_], rule: Rule) -> tuple[Sequence[str], NDArray[np.bool_]]:
    """Return each row's hashtag as the rule spells it, and ``plain`` without the rows whose hashtag has no such form.

    Those are the ones that folding makes empty or too long; they go through ``classify``.
    """
    hashtags = [tweet.hashtag_principal for tweet in tweets]
    if rule.spelling is Spelling.EXACT:
        return hashtags, plain
    forms = {hashtag: folded(hashtag) for hashtag in set(hashtags)}
    unfit = {hashtag for hashtag, form in forms.items() if not 0 < len(form) <= MAX_HASHTAG}
    if unfit:
        plain = plain & np.array([hashtag not in unfit for hashtag in hashtags])
    return [forms[hashtag] for hashtag in hashtags], plain


def window_starts(times: NDArray[np.float64], seconds: int) -> NDArray[np.int64]:
    """Return the start of the window that contains each time, all in seconds since the epoch; see ``window_start``."""
    return np.floor(times / seconds).astype(np.int64) * seconds
