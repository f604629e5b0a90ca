"""How many tweets a second a scenario has, over time; and what its parts have in common."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

LONGEST = 31 * 86_400
"""Seconds from a scenario's start to the last thing that it plans."""
MOST_WAVES = 1_000
"""Waves up to the end of the last burst or ramp: their rate is tabulated."""

At = Annotated[float, Field(ge=0, le=LONGEST, allow_inf_nan=False)]
Length = Annotated[float, Field(gt=0, le=LONGEST, allow_inf_nan=False)]
Times = Annotated[float, Field(ge=0.01, le=1_000, allow_inf_nan=False)]


class Part(BaseModel):
    """A part of a scenario: unknown fields are refused, and nothing is taken for a number that is none."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Wave(Part):
    """A rate that rises and falls by a sine."""

    period: float = Field(ge=60, le=LONGEST, allow_inf_nan=False, description="Seconds from one crest to the next.")
    depth: float = Field(ge=0, le=0.95, allow_inf_nan=False, description="By what part of the rate it rises and falls.")


class Burst(Part):
    """A stretch of time with a multiple of the rate."""

    at: At = Field(description="Seconds from the start.")
    for_: Length = Field(alias="for", description="Seconds that it lasts.")
    times: Times = Field(description="The rate is multiplied by so much.")


class Ramp(Part):
    """The rate goes evenly from its multiple of before to another one, and stays there."""

    at: At = Field(description="Seconds from the start.")
    for_: Length = Field(alias="for", description="Seconds that it takes.")
    to: Times = Field(description="The multiple of the rate that it ends with.")


class Rate(Part):
    """How many tweets a second, over time."""

    base: float = Field(gt=0, le=1_000_000, allow_inf_nan=False, description="Tweets a second of the scenario.")
    wave: Wave | None = None
    bursts: tuple[Burst, ...] = Field((), max_length=1_000)
    ramps: tuple[Ramp, ...] = Field((), max_length=100, description="One after the other, in the order of their times.")
    arrivals: Literal["poisson", "steady"] = Field("steady", description="steady: evenly; poisson: at random, as people do.")

    @property
    def planned(self) -> float:
        """Seconds from the start to the end of the last burst or ramp."""
        bursts, ramps = ([each.at + each.for_ for each in several] for several in (self.bursts, self.ramps))
        return max((*bursts, *ramps), default=0.0)

    @model_validator(mode="after")
    def _can_be_tabulated(self) -> Self:
        for before, after in pairwise(self.ramps):
            if after.at < before.at + before.for_:
                msg = f"the ramp at {after.at:g} begins before the one at {before.at:g} has ended: put them one after the other"
                raise ValueError(msg)
        if self.wave and self.planned > MOST_WAVES * self.wave.period:
            least = self.planned / MOST_WAVES
            msg = f"wave.period is {self.wave.period:g}: at least {least:g} with what is planned up to {self.planned:g} s"
            raise ValueError(msg)
        return self
