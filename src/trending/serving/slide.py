"""The sliding view: the last five minutes, summed hashtag by hashtag from exact windows. It moves on with each window."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trending.serving.ranking_query import RuleCounts, Window

SLIDE_SECONDS = 300
"""Length of the view, which is covered by whole windows."""
LOOKED_UP = 10
"""A count that is looked up by its hashtag costs as much as so many that are added up, measured at 4.6 and 0.3 µs."""


@dataclass(frozen=True, slots=True)
class SlideLine:
    """A hashtag in the sliding view. From ``not_kept`` of the windows it was pruned, and ``tweets`` lacks what it had there."""

    hashtag: str
    tweets: int
    not_kept: int = 0


@dataclass(frozen=True, slots=True)
class Slide:
    """Several windows in a row, from ``start`` up to ``end``, seconds since the epoch.

    All windows are of one rule. Nothing from before ``counted_from`` is in it: when counting by this rule began, for the first
    time or again. That is later than ``start`` while the view fills. ``pruned`` is in how many of the windows only the leading
    hashtags are kept by name; ``tweets`` has all tweets, also those.
    """

    start: int
    end: int
    counted_from: int
    tweets: int
    ranked: tuple[SlideLine, ...]
    pruned: int = 0


def slide_starts(latest: int, seconds: int, span: int = SLIDE_SECONDS) -> range:
    """Return the starts of the fewest whole windows that cover ``span`` seconds, of which ``latest`` is the last one."""
    windows = -(-span // seconds)
    return range(latest - (windows - 1) * seconds, latest + 1, seconds)


def read_slide(
    counts: RuleCounts,
    latest: int,
    limit: int | None = None,
    known: Sequence[Window] = (),
    span: int = SLIDE_SECONDS,
) -> Slide | None:
    """Return the view whose last window starts at ``latest``, with all hashtags unless limited; None if it has no counts.

    ``known`` are all windows from its first one up to ``latest``, read by the same transaction with at least ``limit`` places.
    """
    starts = slide_starts(latest, counts.seconds, span)
    first = counts.first()
    # Between two runs of a rule another one has counted. With the windows of both, a sum would silently lack the part between.
    counted_from = max(starts[0], first) if first is not None and first <= latest else None
    begun = starts[0] if counted_from is None else counted_from
    unread_until = known[0].start if known else latest + 1
    windows = [*counts.windows(begun, unread_until - 1, limit), *(window for window in known if window.start >= begun)]
    if not windows:
        return None
    ranked = _leading(counts, windows, limit)
    if ranked is None:
        ranked = counts.ranked(windows[0].start, latest, limit)
    pruned = [window.start for window in windows if window.other_hashtags]
    named = counts.counts([hashtag for hashtag, _tweets in ranked], pruned)
    lines = tuple(
        SlideLine(hashtag, tweets, sum((start, hashtag) not in named for start in pruned)) for hashtag, tweets in ranked
    )
    tweets = sum(window.tweets for window in windows)
    if counted_from is None:
        counted_from = windows[0].start
    return Slide(starts[0], latest + counts.seconds, counted_from, tweets, lines, len(pruned))


def _leading(counts: RuleCounts, windows: Sequence[Window], limit: int | None) -> Sequence[tuple[str, int]] | None:
    """Return the leading hashtags of the sum from those of each window alone, or None where these do not decide or cost more.

    The threshold algorithm (Fagin, Lotem and Naor, "Optimal aggregation algorithms for middleware", JCSS 66, 2003): a hashtag
    that leads in no window has at most the sum of the last counts that were read of each.
    """
    cut = [window for window in windows if window.is_cut]
    names = {hashtag for window in windows for hashtag, _tweets in window.ranked}
    if not cut:
        found = {(window.start, hashtag): tweets for window in windows for hashtag, tweets in window.ranked}
    elif LOOKED_UP * len(names) * len(windows) <= sum(window.hashtags for window in windows):
        found = counts.counts(sorted(names), [window.start for window in windows])
    else:
        return None
    sums: Counter[str] = Counter()
    for (_start, hashtag), tweets in found.items():
        sums[hashtag] += tweets
    ranked = sorted(sums.items(), key=lambda line: (-line[1], line[0]))[:limit]
    threshold = sum(window.ranked[-1][1] for window in cut)
    return ranked if not cut or (len(ranked) == limit and ranked[-1][1] > threshold) else None
