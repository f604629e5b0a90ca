"""When the records of a scenario are due, in seconds from its start: the inverse of the rate's sum over time.

The rate is constant within each step of a table, which reaches to the end of what is planned. Behind that there is one wave,
again and again. So any record's time is looked up by its number. Where somebody has changed the rate, the plan is left for a
constant one, and comes back later.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from copy import copy
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from trending.simulator.draws import BLOCK, uniform

if TYPE_CHECKING:
    from trending.simulator.draws import Floats
    from trending.simulator.rate import Rate
    from trending.simulator.scenario import Scenario

_WAVE_STEPS = 240
"""Steps of a wave: within one the rate changes by at most 2.6 % of its depth."""
_RAMP_STEPS = 200
_DIGITS = 9
"""Rates are rounded to so many digits, since the last one of a sine is the C library's."""


class Clock:
    """A scenario's times."""

    def __init__(self, scenario: Scenario) -> None:
        rate = scenario.rate
        self._seed = scenario.seed
        self._steady = rate.arrivals == "steady"
        self._scale = scenario.time_scale
        period = rate.wave.period if rate.wave else 0.0
        # The waves behind the table begin with a whole one.
        end = math.ceil(rate.planned / period) * period if period else rate.planned
        self._plan = _Table(rate, 0.0, end) if end else None
        self._after = _Table(rate, end, end + (period or 1.0))
        self._pieces: tuple[_Piece, ...] = (_Piece(0.0, 0.0, None),)
        self._standing: float | None = None

    def changed(self, first: int, at: float, rate: float | None, seconds: float | None) -> Clock:
        """Return the clock with another rate from a record on, which is due ``at`` seconds of the scenario; None is the plan's.

        After ``seconds``, if any are given, what stood before goes on: the plan, or the last rate that was given without them.
        Of earlier records it tells nothing.
        """
        found = copy(self)
        start = float(self._places(first // BLOCK)[first % BLOCK]) + first // BLOCK * BLOCK
        pieces = [each for each in self._pieces if each.sum < start and each.time <= at]
        pieces.append(_Piece(start, at, rate))
        if seconds is None:
            found._standing = rate  # noqa: SLF001 - our own copy's
        else:
            end = self._plan_sum(at + seconds) - self._plan_sum(at) if rate is None else rate * seconds
            pieces.append(_Piece(start + end, at + seconds, self._standing))
        found._pieces = tuple(pieces)  # noqa: SLF001 - as above
        return found

    def times(self, block: int) -> Floats:
        """Return the times of a block's records in seconds of the scenario, none smaller than the one before."""
        return self._at(block * BLOCK + self._places(block))

    def _places(self, block: int) -> Floats:
        """Return where the records of a block lie in the rate's sum, from its first one on."""
        return np.arange(float(BLOCK)) if self._steady else np.sort(uniform(self._seed, block, "arrivals")) * BLOCK

    def offsets(self, times: Floats) -> Floats:
        """Return seconds of the clock from the start."""
        return times / self._scale

    def number_at(self, time: float) -> int:
        """Return the first record that is due at ``time`` seconds of the scenario or later."""
        # Rounding may put a record at the bound into the block beside it.
        block = max(0, int(self._sum(time)) // BLOCK - 1)
        while (times := self.times(block))[-1] < time:
            block += 1
        return block * BLOCK + int(np.searchsorted(times, time))

    def rate(self, time: float) -> float:
        """Return the rate at a time, in tweets a second of the scenario."""
        return (self._sum(time + 0.5) - self._sum(max(0.0, time - 0.5))) / (time + 0.5 - max(0.0, time - 0.5))

    def _sum(self, time: float) -> float:
        """Return how many records are due before ``time``."""
        place = max(0, bisect_right([each.time for each in self._pieces], time) - 1)
        piece = self._pieces[place]
        if piece.rate is not None:
            return piece.sum + (time - piece.time) * piece.rate
        return piece.sum + self._plan_sum(time) - self._plan_sum(piece.time)

    def _at(self, sums: Floats) -> Floats:
        found = np.empty(len(sums))
        bounds = [each.sum for each in self._pieces]
        places = np.maximum(np.searchsorted(bounds, sums, side="right") - 1, 0)
        for place in np.unique(places).tolist():
            here, piece = places == place, self._pieces[place]
            if piece.rate is None:
                times = self._plan_at(self._plan_sum(piece.time) + (sums[here] - piece.sum))
            else:
                times = piece.time + (sums[here] - piece.sum) / piece.rate
            found[here] = times if place + 1 == len(bounds) else np.minimum(times, self._pieces[place + 1].time)
        # Where one wave follows the other, the last digit may go back.
        return np.maximum.accumulate(found)

    def _plan_sum(self, time: float) -> float:
        planned = self._plan.total if self._plan else 0.0
        if self._plan and time <= self._plan.end:
            return float(np.interp(time, self._plan.edges, self._plan.sums))
        waves, rest = divmod(time - self._after.start, self._after.length)
        return (
            planned + waves * self._after.total + float(np.interp(self._after.start + rest, self._after.edges, self._after.sums))
        )

    def _plan_at(self, sums: Floats) -> Floats:
        planned = self._plan.total if self._plan else 0.0
        beyond = sums - planned
        waves = np.floor(np.maximum(beyond, 0) / self._after.total)
        rest = np.maximum(beyond, 0) - waves * self._after.total
        after = waves * self._after.length + np.interp(rest, self._after.sums, self._after.edges)
        return after if self._plan is None else np.where(beyond < 0, np.interp(sums, self._plan.sums, self._plan.edges), after)


class _Piece(NamedTuple):
    """From a place in the rate's sum on, which lies at ``time``, a constant rate or the plan's."""

    sum: float
    time: float
    rate: float | None


class _Table:
    """The rate's sum at the edges of steps from ``start`` to ``end``."""

    def __init__(self, rate: Rate, start: float, end: float) -> None:
        self.start, self.end, self.length = start, end, end - start
        self.edges = _edges(rate, start, end)
        rates = _rates(rate, (self.edges[1:] + self.edges[:-1]) / 2)
        self.sums = np.concatenate(([0.0], np.cumsum(rates * np.diff(self.edges))))
        self.total = float(self.sums[-1])


def _edges(rate: Rate, start: float, end: float) -> Floats:
    parts = [np.array([start, end])]
    parts += [np.array([each.at, each.at + each.for_]) for each in rate.bursts]
    parts += [np.linspace(each.at, each.at + each.for_, _RAMP_STEPS + 1) for each in rate.ramps]
    if rate.wave:
        steps = round((end - start) / rate.wave.period) * _WAVE_STEPS
        parts.append(np.linspace(start, end, steps + 1))
    found = np.unique(np.concatenate(parts))
    return found[(found >= start) & (found <= end)]


def _rates(rate: Rate, times: Floats) -> Floats:
    """Return the rate at each time."""
    found = np.full(len(times), rate.base)
    if rate.wave:
        found *= 1 + rate.wave.depth * np.sin(2 * math.pi * (times % rate.wave.period) / rate.wave.period)
    for burst in rate.bursts:
        found[(times >= burst.at) & (times < burst.at + burst.for_)] *= burst.times
    bends = [(each.at, each.at + each.for_, each.to) for each in rate.ramps]
    if bends:
        multiples = [1.0, *(to for _start, _end, to in bends)]
        places = [place for start, end, _to in bends for place in (start, end)]
        found *= np.interp(times, places, [multiple for pair in pairwise(multiples) for multiple in pair])
    return np.array([float(f"{each:.{_DIGITS}g}") for each in found.tolist()])
