"""A scenario: what is tweeted, how fast, and what goes wrong with it. docs/scenario.schema.json publishes it for editors.

Times are seconds of the scenario: from its start, and ``time_scale`` of them pass in a second of the clock. Only mischief is in
seconds of the clock, because the rule that judges it is.
"""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from trending.settings import WindowTime
from trending.simulator.generator import Catalogue
from trending.simulator.rate import LONGEST, At, Length, Part, Rate
from trending.tweets.wire_format import MAX_HASHTAG

SURELY_LATE = 70
"""Seconds past a window's length from which on a tweet is late whenever it arrives: the grace of 60, and 10 to spare."""
_TOTAL = 1e-9

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Weight = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
Hashtag = Annotated[str, Field(min_length=1, max_length=MAX_HASHTAG)]


class Limit(Part):
    """Where the scenario ends; without one it goes on for ever."""

    tweets: int | None = Field(None, ge=1, le=10**12, description="End after so many records, copies among them.")
    seconds: Length | None = Field(None, description="End after so many seconds of the scenario.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.tweets is None and self.seconds is None:
            msg = "needs tweets, seconds or both"
            raise ValueError(msg)
        return self


class Zipf(Part):
    """Hashtags with numbers, of which the first is the most frequent: the one of rank r has the weight 1 / r ** exponent."""

    count: int = Field(ge=1, le=100_000, description="How many hashtags.")
    exponent: float = Field(1.1, ge=0, le=5, allow_inf_nan=False, description="0: all alike; larger: the first ones lead more.")
    prefix: str = Field("#tag", min_length=1, max_length=100, description="Before the rank: #tag1, #tag2, …")


class Hashtags(Part):
    """The hashtags of every day; trends come on top."""

    zipf: Zipf | None = None
    named: dict[Hashtag, Weight] = Field(
        default_factory=dict,
        max_length=10_000,
        description="Hashtag → weight; the first of zipf has the weight 1.",
        examples=[{"#Spark": 3}],
    )

    @model_validator(mode="after")
    def _has_some(self) -> Self:
        if self.zipf is None and not self.named:
            msg = "needs zipf, named or both"
            raise ValueError(msg)
        return self


class Trend(Part):
    """A hashtag that comes up, stays and goes."""

    hashtag: Hashtag
    at: At = Field(description="Seconds from the start.")
    rise: float = Field(0, ge=0, le=LONGEST, allow_inf_nan=False, description="Seconds up to its peak.")
    hold: float = Field(0, ge=0, le=LONGEST, allow_inf_nan=False, description="Seconds at its peak.")
    fade: float = Field(0, ge=0, le=LONGEST, allow_inf_nan=False, description="Seconds down to nothing.")
    peak: float = Field(gt=0, le=1, allow_inf_nan=False, description="Share of all tweets at its peak.")

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """Time and share at the bends; the share between two of them lies on the line."""
        top, fall = self.at + self.rise, self.at + self.rise + self.hold
        return (self.at, 0.0), (top, self.peak), (fall, self.peak), (fall + self.fade, 0.0)

    def share(self, time: float) -> float:
        """Return its share of the tweets at a time."""
        for (start, low), (end, high) in pairwise(self.points):
            if start <= time < end:
                return low + (high - low) * (time - start) / (end - start)
        return 0.0


def _whole(shares: dict[int, float]) -> dict[int, float]:
    if abs(sum(shares.values()) - 1) > _TOTAL:
        msg = f"the shares add up to {sum(shares.values()):g}: they must add up to 1"
        raise ValueError(msg)
    return shares


class Spread(Part):
    """How records are spread over the topic's partitions."""

    skew: float | None = Field(
        None,
        ge=0.01,
        le=0.99,
        allow_inf_nan=False,
        description="Share of the records that goes to partition 0; the others have equal parts of the rest. Without it all have "
        "equal parts.",
    )


class Tweets(Part):
    """What a tweet is made of."""

    hashtags: Annotated[dict[Annotated[int, Field(ge=0, le=5)], Share], Field(min_length=1), AfterValidator(_whole)] = Field(
        default_factory=lambda: {1: 1.0},
        description="Number of hashtags → share of the tweets. The first is hashtag_principal and alone is ranked, the others "
        "stand in texto; a tweet with 0 is untagged.",
    )
    users: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(
        Catalogue().users,
        min_length=1,
        max_length=10_000,
        description="Who writes; or the path of a file with one of them a line, from the scenario's directory.",
    )
    phrases: tuple[Annotated[str, Field(max_length=2_000)], ...] = Field(
        Catalogue().phrases, min_length=1, max_length=1_000, description="What stands before the hashtags."
    )
    key: Literal["id", "usuario"] = Field(
        "id",
        description="The key of each record: its id; or the user, and then the id is in the header id. The partition follows "
        "from the number in either case.",
    )
    partitions: Spread = Field(default_factory=Spread)


LATER = ("key", "partitions")
"""Fields of Tweets that came after the first pictures and truths were kept with their scenario's hash."""


class Aged(Part):
    """Tweets whose timestamp lies behind the moment at which they are sent."""

    share: Share
    seconds: tuple[float, float] = Field(description="At least and at most so many seconds of the clock behind.")

    @model_validator(mode="after")
    def _goes_up(self) -> Self:
        low, high = self.seconds
        if not low <= high <= LONGEST:
            msg = f"seconds are {low:g} and {high:g}: the first must not be larger than the second, and both at most {LONGEST}"
            raise ValueError(msg)
        return self


class OutOfOrder(Part):
    """Tweets that are overtaken by later ones, and never late."""

    share: Share
    seconds: float = Field(gt=0, le=50, allow_inf_nan=False, description="At most so many seconds of the clock behind.")


class Mischief(Part):
    """What goes wrong with tweets; each share is one of all records, and no record has two of these."""

    late: Aged | None = Field(None, description="Refused as late whenever they arrive; event time only.")
    borderline: Aged | None = Field(None, description="Late or not, by the moment at which they arrive; event time only.")
    out_of_order: OutOfOrder | None = None
    duplicated: Share = Field(0.0, description="Sent again as they are, under an id of their own: both are counted.")
    corrupt: Share = Field(0.0, description="Records that cannot be used, of all kinds.")
    future: Share = Field(0.0, description="Timestamps a minute to an hour ahead; event time only.")

    @property
    def needs_event_time(self) -> str:
        """The first of its fields that means something in event time only; empty if there is none."""
        found = {"late": self.late, "borderline": self.borderline, "future": self.future}
        return next((name for name, given in found.items() if given), "")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        shares = [each.share for each in (self.late, self.borderline, self.out_of_order) if each]
        total = sum((*shares, self.duplicated, self.corrupt, self.future))
        if total > 1:
            msg = f"the shares add up to {total:g}: at most 1"
            raise ValueError(msg)
        if self.late and self.late.seconds[0] < SURELY_LATE:
            msg = f"late.seconds begins at {self.late.seconds[0]:g}: at least 130 in windows of a minute"
            raise ValueError(msg)
        if self.borderline and not self.borderline.seconds[0] > 0:
            msg = f"borderline.seconds begins at {self.borderline.seconds[0]:g}: more than 0, such as [60, 130]"
            raise ValueError(msg)
        return self


class Scenario(Part):
    """What the producer plays. The same scenario and seed give the same records, whoever draws them and in which order."""

    version: Literal[1] = Field(description="The version of this format.")
    title: str = Field("", max_length=200, description="What it shows, in a line.")
    seed: int = Field(1, ge=0, le=2**63 - 1, description="Another seed gives other tweets by the same plan.")
    window_time: WindowTime | None = Field(
        None, strict=False, description="The window time that it is made for; without one it plays in either."
    )
    start: Literal["window", "now"] = Field("window", description="window: at the next whole window; now: at once.")
    time_scale: float = Field(
        1.0, ge=0.01, le=10_000, allow_inf_nan=False, description="Seconds of the scenario in a second of the clock."
    )
    limit: Limit | None = None
    rate: Rate
    hashtags: Hashtags
    trends: tuple[Trend, ...] = Field((), max_length=200)
    tweets: Tweets = Field(default_factory=Tweets)
    mischief: Mischief = Field(default_factory=Mischief)

    @model_validator(mode="after")
    def _trends_leave_room(self) -> Self:
        for time in sorted({time for trend in self.trends for time, _share in trend.points}):
            total = sum(trend.share(time) for trend in self.trends)
            if total > 1 + _TOTAL:
                msg = f"trends have {total:g} of the tweets at {time:g} s: at most 1 together"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _mischief_has_its_window_time(self) -> Self:
        field = self.mischief.needs_event_time
        if field and self.window_time is not WindowTime.EVENT:
            msg = f"mischief.{field} means nothing by arrival: add window_time: event"
            raise ValueError(msg)
        return self


def hash_of_scenario(scenario: Scenario) -> str:
    """Return a hash of what the scenario says, wherever it stands and whatever its file looks like.

    A field of LATER counts only where it says something: a scenario at work goes on with the version that brought the field.
    """
    unsaid = {name for name in LATER if getattr(scenario.tweets, name) == getattr(Tweets(), name)}
    content = scenario.model_dump_json(by_alias=True, exclude={"tweets": unsaid})
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def scenario_schema() -> str:
    """Return docs/scenario.schema.json: the JSON Schema (2020-12) of a scenario's file."""
    schema = Scenario.model_json_schema()
    users: dict[str, Any] = schema["$defs"]["Tweets"]["properties"]["users"]
    listed = {key: users.pop(key) for key in ("items", "maxItems", "minItems", "type")}
    users["anyOf"] = [listed, {"type": "string"}]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:trending:scenario:1"}
    return json.dumps(head | schema, ensure_ascii=False, indent=2) + "\n"
