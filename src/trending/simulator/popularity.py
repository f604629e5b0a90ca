"""Which hashtag a tweet has: those of every day by their weights, and trends on top while they last."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from trending.simulator.draws import Floats, Integers
    from trending.simulator.scenario import Hashtags, Scenario, Trend


class Popularity:
    """The hashtags of a scenario; a number is a place in ``names``."""

    def __init__(self, scenario: Scenario) -> None:
        weights = _weights(scenario.hashtags)
        sums = np.cumsum(list(weights.values()))
        self._sums = sums / sums[-1]
        self.trends: list[Trend] = []
        self.names = list(weights)
        self._everyday = len(weights) - 1
        self._places: list[int] = []
        self._ends: list[float] = []
        for trend in scenario.trends:
            self._add(trend)

    def with_trend(self, trend: Trend) -> Popularity:
        """Return the hashtags with one more trend; those of before keep their numbers."""
        found = copy(self)
        found.names, found.trends = [*self.names], [*self.trends]
        found._places, found._ends = [*self._places], [*self._ends]  # noqa: SLF001 - our own copy's
        found._add(trend)  # noqa: SLF001 - as above
        return found

    def _add(self, trend: Trend) -> None:
        if trend.hashtag not in self.names:
            self.names.append(trend.hashtag)
        self.trends.append(trend)
        self._places.append(self.names.index(trend.hashtag))
        self._ends.append(trend.points[-1][0])

    def first(self, times: Floats, drawn: Floats) -> Integers:
        """Return the ranked hashtag of tweets at these times, in order, one for each number from 0 to 1 (exclusive)."""
        running = [
            (place, _shares(trend, times))
            for place, trend, end in zip(self._places, self.trends, self._ends, strict=True)
            if trend.at <= times[-1] and times[0] < end
        ]
        if not running:
            return self.everyday(drawn)
        total = sum((shares for _place, shares in running), np.zeros(len(times)))
        # What the trends leave is stretched, so that one number chooses both.
        left = np.maximum(1 - total, 1e-12)
        found = self.everyday(np.clip((drawn - total) / left, 0, 1))
        bound = total
        for place, shares in reversed(running):
            found[drawn < bound] = place
            bound = bound - shares
        return found

    def everyday(self, drawn: Floats) -> Integers:
        """Return hashtags of every day, one for each number from 0 to 1 (exclusive)."""
        return np.minimum(np.searchsorted(self._sums, drawn, side="right"), self._everyday)

    def shares(self, time: float) -> dict[str, float]:
        """Return each hashtag's share of the tagged tweets at a time."""
        trends = [(trend.hashtag, trend.share(time)) for trend in self.trends]
        left = max(0.0, 1 - sum(share for _hashtag, share in trends))
        everyday = np.diff(self._sums, prepend=0.0).tolist()
        found = {name: left * share for name, share in zip(self.names, everyday, strict=False)}
        for hashtag, share in trends:
            found[hashtag] = found.get(hashtag, 0.0) + share
        return found


def _weights(hashtags: Hashtags) -> dict[str, float]:
    """Return hashtag → weight; what stands in both has the sum."""
    found: dict[str, float] = {}
    if hashtags.zipf:
        zipf = hashtags.zipf
        found = {f"{zipf.prefix}{rank}": rank**-zipf.exponent for rank in range(1, zipf.count + 1)}
    for name, weight in hashtags.named.items():
        found[name] = found.get(name, 0.0) + weight
    return found


def _shares(trend: Trend, times: Floats) -> Floats:
    """Return a trend's share at each time; where it has no rise or fade, it begins or ends at once."""
    points = trend.points
    inside = (times >= trend.at) & (times < points[-1][0])
    return np.where(inside, np.interp(times, [time for time, _share in points], [share for _time, share in points]), 0.0)
