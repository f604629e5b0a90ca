"""Growth rates: tweets a second, computed from counts that were sampled at a few moments."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, deque
from itertools import pairwise
from typing import TYPE_CHECKING

from trending.serving.reader import SHOWN_WINDOWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from trending.serving.ranking_query import Window

SPAN_SECONDS = 20.0
"""Velocity is measured between the newest sample and the last one at least this much older, or over one interval."""
PATIENCE_SECONDS = 5.0
KEPT_SECONDS = 300.0
SAMPLE_SECONDS = 1.0
"""Samples closer together than this are thinned out: back-to-back batches would make a thousand of them."""
KEPT_WINDOWS = SHOWN_WINDOWS
"""Windows for which sums by hashtag are kept: as many as a snapshot has. One that came again after that would count twice."""

Point = tuple[float, float]
"""A moment in seconds since the epoch, and a count that only grows."""


def velocity(points: Sequence[Point], now: float, span: float = SPAN_SECONDS) -> float:
    """Return the growth a second between the newest point and the last one at least ``span`` older, or the oldest.

    It is measured from sample to sample, so it does not depend on where ``now`` falls between two batches. When the next sample
    is overdue, nothing has arrived since the last one and the velocity falls.
    """
    if len(points) < 2:  # noqa: PLR2004 - a difference needs two
        return 0.0
    gap = points[-1][0] - points[-2][0]
    end = points[-1]
    if now - end[0] > max(2 * gap, PATIENCE_SECONDS):
        end = (now, end[1])
    older = bisect_right(points, end[0] - span, hi=len(points) - 1, key=lambda point: point[0])
    start = points[max(0, older - 1)]
    seconds = end[0] - start[0]
    return max(0.0, (end[1] - start[1]) / seconds) if seconds > 0 else 0.0


def rates(points: Sequence[Point]) -> list[float]:
    """Return the growth a second from each point to the next."""
    return [max(0.0, (late[1] - early[1]) / (late[0] - early[0])) for early, late in pairwise(points) if late[0] > early[0]]


class Pace:
    """Samples of many growing counts, kept for five minutes."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, Mapping[str, float]]] = deque()

    def add(self, at: float, counts: Mapping[str, float]) -> None:
        """Add a sample. Samples that are not older are dropped first, because a clock can be set back."""
        while self._samples and self._samples[-1][0] >= at:
            self._samples.pop()
        if len(self._samples) > 1 and self._samples[-1][0] - self._samples[-2][0] < SAMPLE_SECONDS:
            self._samples.pop()
        self._samples.append((at, dict(counts)))
        while self._samples[0][0] < at - KEPT_SECONDS:
            self._samples.popleft()

    def forget(self) -> None:
        """Drop all samples, for example after a restart of the program that counts."""
        self._samples.clear()

    def points(self, name: str) -> list[Point]:
        """Return the samples of one count, with 0 for samples taken before it first appeared."""
        return [(at, counts.get(name, 0.0)) for at, counts in self._samples]

    def velocity(self, name: str, now: float) -> float:
        """Return how fast one count grows."""
        return velocity(self.points(name), now)


class Tally:
    """Turns counts by window into counts that only grow: the sums over all windows so far."""

    def __init__(self) -> None:
        self._windows: dict[int, Window] = {}
        self._sum: Counter[str] = Counter()

    def add(self, windows: Iterable[Window]) -> Mapping[str, float]:
        """Add windows, each new or grown; return the sums by hashtag, with the total under the empty name."""
        for window in windows:
            before = self._windows.get(window.start)
            counted = dict(before.ranked) if before else {}
            # A hashtag that was not among the ranked ones had at most the count of the last ranked one.
            least = before.ranked[-1][1] if before and before.hashtags > len(before.ranked) else 0
            for hashtag, tweets in window.ranked:
                self._sum[hashtag] += max(0, tweets - counted.get(hashtag, least))
            self._sum[""] += max(0, window.tweets - (before.tweets if before else 0))
            self._windows[window.start] = window
        self._prune()
        return self._sum

    def _prune(self) -> None:
        old = sorted(self._windows)[:-KEPT_WINDOWS]
        for start in old:
            del self._windows[start]
        if old:
            alive = {hashtag for window in self._windows.values() for hashtag, _tweets in window.ranked} | {""}
            self._sum = Counter({name: tweets for name, tweets in self._sum.items() if name in alive})


def seed(pace: Pace, tally: Tally, windows: Sequence[Window], at: float) -> None:
    """Fill the samples from the store: the sums at each window's start and end, the last ones at ``at``."""
    sums: Mapping[str, float] = {}
    for window in windows:
        pace.add(window.start, sums)
        sums = tally.add([window])
        pace.add(min(window.end, at), sums)
