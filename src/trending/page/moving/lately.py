"""Lag, rate and health over the last minutes, as lines and bands."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from trending.drawing.polyline import polyline
from trending.text import local_time

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

Section = dict[str, Any]
SAMPLE_SECONDS = 3.0
SLOTS = 100
"""Samples that are kept: five minutes."""
SIZE = (300, 40)
STAGES = ("producer", "kafka", "spark", "store")


class _Sample(NamedTuple):
    at: float
    lag: float
    rate: float
    health: tuple[str, ...]


class Lately:
    """Keeps a sample each few seconds, from the page's start on."""

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque(maxlen=SLOTS)
        self.section: Section = {"lag": "", "rate": "", "lag_high": 0, "rate_high": 0, "bands": [], "from": "", "to": ""}

    @property
    def highest_lag(self) -> float:
        """The highest lag that is kept."""
        return max((each.lag for each in self._samples), default=0.0)

    def look(self, pipeline: Mapping[str, Any], lag: float, now: float, zone: ZoneInfo | None) -> Section:
        """Return the section, with a new sample where one is due."""
        while self._samples and self._samples[-1].at > now:  # the clock was set back
            self._samples.pop()
        if self._samples and now - self._samples[-1].at < SAMPLE_SECONDS:
            return self.section
        rate = pipeline["producer"]["rate"] or 0.0
        self._samples.append(_Sample(now, lag, rate, tuple(str(pipeline[stage]["health"]) for stage in STAGES)))
        lags, rates = [each.lag for each in self._samples], [each.rate for each in self._samples]
        self.section = {
            "lag": polyline(lags, SIZE, slots=SLOTS),
            "rate": polyline(rates, SIZE, slots=SLOTS),
            "lag_high": max(lags),
            "rate_high": max(rates),
            "bands": [{"stage": stage, "runs": self._runs(number)} for number, stage in enumerate(STAGES)],
            "from": local_time(now - SLOTS * SAMPLE_SECONDS, zone)[11:16],
            "to": local_time(now, zone)[11:16],
        }
        return self.section

    def _runs(self, stage: int) -> list[Section]:
        """Return the stretches of equal health of a stage; the newest sample is at the right."""
        first = SLOTS - len(self._samples)
        runs: list[Section] = []
        for slot, sample in enumerate(self._samples, first):
            if runs and runs[-1]["state"] == sample.health[stage]:
                runs[-1]["width"] += 1
            else:
                runs.append({"x": slot, "width": 1, "state": sample.health[stage]})
        return runs
