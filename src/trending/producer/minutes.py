"""By minute and hashtag: what the log must have, where the ledger knows of some tweets only between which minutes they lie."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LOST = -1
"""Stands for all minutes of which the log has lost a part."""


def expected_minutes(
    counts: Iterable[tuple[int, str, int]],
    spread: Iterable[tuple[int, int, str, int]],
    found: Mapping[tuple[int, str], int],
    horizon: float,
) -> Counter[tuple[int, str]]:
    """Return (append minute, hashtag) → tweets that the log must have from ``horizon`` on.

    ``counts`` are minute, hashtag, tweets; ``spread`` first minute, last minute, hashtag, tweets. The latter go where ``found``
    still has room between their two minutes, the earliest first, and what is left of them into the last. So the result equals
    ``found`` if, and only if, they can be placed in this way.

    Of minutes before ``horizon`` the log has lost an unknown part. Of tweets between a minute before it and one behind it, so
    many are taken to lie before it that what is found and what is expected behind it agree in their sum, if that is possible.
    """
    expected: Counter[tuple[int, str]] = Counter()
    for minute, hashtag, tweets in counts:
        if minute >= horizon:
            expected[minute, hashtag] += tweets
    # By their last minute: who must be placed earliest goes first.
    open_ones = sorted(
        (last, first if first >= horizon else _LOST, hashtag, tweets)
        for first, last, hashtag, tweets in spread
        if last >= horizon
    )
    placed_ones = {hashtag for _last, _first, hashtag, _tweets in open_ones}
    room = {key: tweets for key, tweets in found.items() if key[1] in placed_ones and key[0] >= horizon}
    room |= _lost(room, expected, open_ones)
    minutes: defaultdict[str, list[int]] = defaultdict(list)
    for minute, hashtag in sorted(room):
        minutes[hashtag].append(minute)
    for last, first, hashtag, tweets in open_ones:
        left = tweets
        for minute in minutes[hashtag]:
            if left and first <= minute < last:
                placed = min(left, max(0, room[minute, hashtag] - expected[minute, hashtag]))
                expected[minute, hashtag] += placed
                left -= placed
        if left:
            expected[last, hashtag] += left
    for key in [key for key, tweets in expected.items() if key[0] == _LOST or not tweets]:
        del expected[key]
    return expected


def _lost(
    found: Mapping[tuple[int, str], int], expected: Mapping[tuple[int, str], int], spread: Iterable[tuple[int, int, str, int]]
) -> dict[tuple[int, str], int]:
    """Return how many tweets of each hashtag lie in the lost minutes: of those that may, as many as are not found behind them."""
    able: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    for _last, first, hashtag, tweets in spread:
        missing[hashtag] += tweets
        able[hashtag] += tweets if first == _LOST else 0
    if not +able:
        return {}
    for (_minute, hashtag), tweets in expected.items():
        missing[hashtag] += tweets
    for (_minute, hashtag), tweets in found.items():
        missing[hashtag] -= tweets
    return {(_LOST, hashtag): min(tweets, max(0, missing[hashtag])) for hashtag, tweets in able.items() if tweets}
