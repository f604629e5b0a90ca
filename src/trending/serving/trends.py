"""How a hashtag moves: velocity, change of rank and a trend score against the windows before. Pure functions of exact counts.

The score is a z-score: how many standard deviations the count lies above what the windows before lead one to expect. Dividing
by a deviation with a floor for noise, so that rare words do not lead, follows Schubert, Weiler and Kriegel, "SigniTrend: Scalable
Detection of Emerging Topics in Textual Streams by Hashed Significance Thresholds" (KDD 2014). The floor here is that of a Poisson
count, the square root of the expected count, as in Hendrickson, Kolb, Lehman and Montague, "Trend Detection in Social Data"
(Gnip, 2015). SigniTrend's moving averages are not taken: they depend on where one began, and two readers would disagree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trending.serving.ranking_query import Window

HISTORY_WINDOWS = 10
"""Windows before the present one that a score compares with."""
LEAST_WINDOWS = 3
"""Below this many there is no score: two counts say nothing of how a count varies."""


@dataclass(frozen=True, slots=True)
class History:
    """What the store knows of the windows before one.

    ``counts`` are (window start, hashtag) → tweets. In a window from ``known_from`` on, a hashtag without a count had none.
    Before it, or where it is None, nobody knows: the counting began later, by another rule, or behind a gap. From the windows in
    ``pruned`` only the leading hashtags are kept by name. ``before`` is the last earlier window that has a ranking. Windows from
    ``partial_from`` on may have been counted in part: another rule has counted on.
    """

    known_from: int | None
    counts: Mapping[tuple[int, str], int]
    pruned: frozenset[int] = frozenset()
    before: Window | None = None
    partial_from: int | None = None

    def count(self, start: int, hashtag: str) -> int | None:
        """Return the tweets of a hashtag in a window, or None where that is not known or not kept, which is not 0."""
        if self.known_from is None or start < self.known_from:
            return None
        found = self.counts.get((start, hashtag))
        return 0 if found is None and start not in self.pruned else found


NO_HISTORY = History(None, {})


@dataclass(frozen=True, slots=True)
class Trend:
    """How one hashtag moves in one window. What is not known is None, never 0.

    ``change`` is by how many places it rose since ``History.before``; a ``new`` hashtag was not in that at all. ``velocity`` is
    in tweets a second of the part of the window that is over, and ``gain`` by how much that is more than in the window before.
    ``score`` compares with ``windows`` windows.
    """

    change: int | None = None
    new: bool = False
    velocity: float | None = None
    gain: float | None = None
    score: float | None = None
    windows: int = field(default=0)


UNKNOWN = Trend()


def elapsed_seconds(window: Window, counted_until: float | None) -> float | None:
    """Return how much of a window is over and counted, at most its length; None where that is not known.

    ``counted_until`` is the time before which everything is counted, in seconds since the epoch.
    """
    if counted_until is None or counted_until <= window.start:
        return None
    return min(counted_until - window.start, float(window.seconds))


def trends(window: Window, history: History, counted_until: float | None) -> dict[str, Trend]:
    """Return the trend of each hashtag of the window's ranking, which ``history`` must have been asked about."""
    elapsed = elapsed_seconds(window, counted_until)
    if history.known_from is None or window.start < history.known_from:
        elapsed = None  # its first part was not counted, so nobody knows how long the counted part is
    if history.partial_from is not None and window.start >= history.partial_from:
        elapsed = None  # nor of one whose last part was not
    before = history.before
    places = {hashtag: place for place, (hashtag, _tweets) in enumerate(before.ranked)} if before else {}
    earlier = [window.start - nth * window.seconds for nth in range(1, HISTORY_WINDOWS + 1)]
    found = {}
    for place, (hashtag, tweets) in enumerate(window.ranked):
        counts = [history.count(start, hashtag) for start in earlier]
        known = [count for count in counts if count is not None]
        velocity = None if elapsed is None else tweets / elapsed
        found[hashtag] = Trend(
            places[hashtag] - place if hashtag in places else None,
            before is not None and (before.start, hashtag) not in history.counts and before.start not in history.pruned,
            velocity,
            None if velocity is None or counts[0] is None else velocity - counts[0] / window.seconds,
            None if elapsed is None else score(tweets, elapsed / window.seconds, known),
            len(known),
        )
    return found


def score(tweets: int, share: float, history: Sequence[int]) -> float | None:
    """Return by how many standard deviations a count differs from what ``history``, counts of whole windows, makes one expect.

    ``share`` is the part of the window that is over, above 0 and at most 1. It scales what is expected, so an open window is
    compared by its rate. The variance of the count is Poisson's, which is the mean and at least that of one tweet, plus what
    the history varies beyond Poisson's: for a whole window the larger one of the two. 0 is a constant rate; from 3 on a rise
    is seldom chance. None with fewer than ``LEAST_WINDOWS`` counts.
    """
    windows = len(history)
    if windows < LEAST_WINDOWS:
        return None
    total = sum(history)
    mean = total / windows
    # Of integers, so that neither the order of the windows nor large counts round it.
    variance = (windows * sum(count * count for count in history) - total * total) / (windows * (windows - 1))
    expected = mean * share
    beyond_chance = max(0.0, variance - mean) * share * share
    return (tweets - expected) / math.sqrt(beyond_chance + max(expected, 1.0))
