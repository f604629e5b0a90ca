"""The parameters of commands that send tweets, or tell the producer at work what to send."""

from __future__ import annotations

from typing import Any, Self

from pydantic import ConfigDict, Field, create_model, model_validator

from infra.forms.stacks import NAME, NamedStack
from trending.access.settings import AccessSettings
from trending.replay.items import Times
from trending.settings import ProducerSettings, ServingSettings
from trending.simulator.rate import LONGEST


class ProduceForm(NamedStack):
    """Send tweets to a stack's topic as one producer among several. Without bootstrap it is a stack of this checkout."""

    # A password in the place of its reference is not quoted.
    model_config = ConfigDict(hide_input_in_errors=True)
    producer_name: str = Field(
        "elsewhere", pattern=NAME, description="Name of this producer in the ledger. Only one producer at a time can have it."
    )
    produce_seconds: float = Field(
        0.0, ge=0, le=31_536_000, description="Seconds to send; 0 means until the tweets are sent, or the run is cancelled."
    )
    produce_tweets: int = Field(0, ge=0, le=1_000_000_000_000, description="Tweets to send; 0 means no limit.")
    topic: str = Field(
        "tweets_topic", pattern=r"^[a-zA-Z0-9._-]{1,200}$", description="Topic of the tweets; the stack has made it."
    )
    producer: ProducerSettings = Field(default_factory=ProducerSettings, title="Producer")
    access: AccessSettings = Field(default_factory=AccessSettings, title="Kafka")
    serving: ServingSettings = Field(default_factory=ServingSettings, title="Ledger")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.access.bootstrap and not self.serving.has_server:
            msg = "with bootstrap, store_url must be the stack's, postgresql+psycopg://user@host:port/database"
            raise ValueError(msg)
        if not self.access.bootstrap and (self.access.given or self.serving.has_server):
            msg = "bootstrap is missing: without it Kafka and database are those of the stack of this checkout"
            raise ValueError(msg)
        return self


class TweetForm(NamedStack):
    """Send one tweet by hand; the first hashtag of its text is ranked."""

    text: str = Field("", max_length=4_000, description="What it says, with a hashtag: 'hola #Clase'.")
    author: str = Field("@Clase", min_length=1, max_length=100, description="Who writes it.")
    ago: float = Field(
        0.0,
        ge=0,
        le=604_800,
        description="Its timestamp lies so many seconds in the past. By event time, a tweet of 150 s ago is late in windows of a "
        "minute.",
    )


def _lasting(default: float | None, description: str) -> type[NamedStack]:
    """Return a form with FOR, which is no name that Python's source may give an attribute."""
    seconds = Field(default, gt=0, le=LONGEST, description=description)
    return create_model("Lasting", __base__=NamedStack, __module__=__name__, **{"for": (float | None, seconds)})  # type: ignore[call-overload,no-any-return]


class RateForm(_lasting(None, "Seconds; afterwards the rate is as before. Empty: until the next change.")):  # type: ignore[misc]
    """Change the rate of the stack's producer while it works."""

    rate: float | None = Field(None, gt=0, le=1_000_000, description="Tweets a second; empty: as before any change.")

    @property
    def seconds(self) -> float | None:
        """How long it lasts."""
        found: float | None = getattr(self, "for")
        return found


class TrendForm(_lasting(60.0, "Seconds at its peak.")):  # type: ignore[misc]
    """Give the scenario that the stack's producer plays one more trend."""

    hashtag: str = Field("", description="What comes up, such as '#Gol'.")
    peak: float = Field(0.5, gt=0, le=1, description="Its share of all tweets at its peak.")
    rise: float = Field(0.0, ge=0, le=LONGEST, description="Seconds up to its peak.")
    fade: float = Field(0.0, ge=0, le=LONGEST, description="Seconds down to nothing.")

    @property
    def seconds(self) -> float:
        """How long it stays at its peak."""
        found: float | None = getattr(self, "for")
        return 0.0 if found is None else found


class FileReplayForm(NamedStack):
    """Send the posts of a file as tweets: JSON lines, CSV or Parquet, at their own pace or faster, with timestamps of today."""

    file: str = Field("", max_length=4_000, description="Path of the file; packed with gzip or bzip2 it is read too.")
    speed: float = Field(1.0, gt=0, le=1_000_000, description="How many times as fast as they were written.")
    times: Times = Field(
        Times.COMPRESSED,
        description="compressed: timestamps of today, speed times as close together; original: as in the file, for a stack with "
        "WINDOW_TIME=original.",
    )
    columns: str = Field(
        "",
        max_length=1_000,
        description="Which column each field is in, where its name does not tell, and the unit of the time (s, ms, us, iso, "
        "twitter): time=created_at:ms,text=body,user=who,hashtag=tag. Numbers from 1 on mean a CSV without a header.",
    )


# A class's body can have no field of this name, which is a keyword of Python's.
_FROM: dict[str, Any] = {
    "from": (
        str,
        Field(
            "", pattern=rf"{NAME}|^$", description="Name of the stack whose topic is sent; empty with of_topic means this one."
        ),
    )
}


class TopicReplayForm(create_model("_From", __base__=NamedStack, **_FROM)):  # type: ignore[misc]
    """Send again what a topic holds already, into another stack or from another topic, in a ledger run of its own."""

    of_topic: str = Field("", max_length=249, description="Any topic of that stack's cluster; empty means the stack's own.")
    speed: float = Field(1.0, gt=0, le=1_000_000, description="How many times as fast as the records were appended.")
    times: Times = Field(
        Times.COMPRESSED,
        description="compressed: timestamps of today, speed times as close together; original: as in the topic, for a stack with "
        "WINDOW_TIME=original.",
    )

    @property
    def source(self) -> str:
        """The name of the stack whose topic is replayed."""
        return str(getattr(self, "from"))
