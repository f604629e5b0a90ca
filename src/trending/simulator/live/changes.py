"""Changes of a scenario while it is played: another rate, one more trend, each from one record on.

A record before it is as it was, and every other one follows from scenario, changes and number, whoever draws it and when.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from trending.errors import InvalidInput
from trending.simulator.rate import LONGEST, Length, Part
from trending.simulator.scenario import Hashtag, Trend

MOST_CHANGES = 1_000
"""Changes of one run: each block is drawn by those that are in force, and all of them are gone through where it is made anew."""
MOST_RATE = 1_000_000
_TOTAL = 1e-9
_SHOWN = 60


class RateChange(Part):
    """Another rate, in tweets a second of the clock. Without one, what stood before any change goes on."""

    kind: Literal["rate"] = "rate"
    rate: float | None = Field(None, gt=0, le=MOST_RATE, allow_inf_nan=False)
    for_: Length | None = Field(None, alias="for", description="Seconds of the clock; afterwards the rate is as before.")


class TrendChange(Part):
    """One more hashtag that comes up, stays and goes; seconds of the clock."""

    kind: Literal["trend"] = "trend"
    hashtag: Hashtag
    rise: float = Field(0, ge=0, le=LONGEST, allow_inf_nan=False)
    hold: float = Field(0, ge=0, le=LONGEST, allow_inf_nan=False)
    fade: float = Field(0, ge=0, le=LONGEST, allow_inf_nan=False)
    peak: float = Field(gt=0, le=1, allow_inf_nan=False)

    def trend(self, at: float, scale: float) -> Trend:
        """Return the trend in seconds of the scenario, of which ``scale`` pass in one of the clock."""
        rise, hold, fade = (each * scale for each in (self.rise, self.hold, self.fade))
        # By its bounds a file's trend begins within 31 days; this one begins now.
        return Trend.model_construct(hashtag=self.hashtag, at=at, rise=rise, hold=hold, fade=fade, peak=self.peak)


Asked = Annotated[RateChange | TrendChange, Field(discriminator="kind")]
_ASKED: TypeAdapter[RateChange | TrendChange] = TypeAdapter(Asked)


def asked_of(content: str) -> RateChange | TrendChange:
    """Return what a text asks for."""
    return _ASKED.validate_json(content)


def text_of(asked: RateChange | TrendChange) -> str:
    """Return it as a text."""
    return asked.model_dump_json(by_alias=True)


@dataclass(frozen=True)
class Change:
    """What was asked for, from the record ``first`` on, which is due ``at`` seconds of the scenario."""

    first: int
    at: float
    asked: RateChange | TrendChange


def require_room(trends: list[Trend], new: Trend) -> None:
    """Raise InvalidInput where a new trend leaves the others less than what they have."""
    times = {time for trend in (*trends, new) for time, _share in trend.points if time >= new.at} | {new.at}
    for time in sorted(times):
        total = sum(trend.share(time) for trend in (*trends, new))
        if total > 1 + _TOTAL:
            cause = f"trends would have {total:g} of the tweets {time - new.at:.0f} s from now: at most 1 together"
            others = ", ".join(f"{each.hashtag[:_SHOWN]} {each.share(time):g}" for each in trends if each.share(time))
            raise InvalidInput(cause, others, f"make trend with PEAK={max(0.01, new.peak - total + 1):.2f} or less")
