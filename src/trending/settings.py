"""Settings as bounded models: the same classes define the command line, the environment variables and the Prefect form.

Every field name is unique across all sections, so that ``--rate 5``, ``TRENDING_RATE=5``, ``make up RATE=5`` and the form's
field ``rate`` mean the same thing.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator

from trending.access.settings import PROBE_TOPIC, AccessSettings
from trending.places.settings import PlaceSettings
from trending.sections import LocalPath, Section, absolute
from trending.spark_settings import SparkSettings
from trending.store_url import FILE, require_store_url

MINUTE_SECONDS = 60
"""The usual length of a ranking window (SPEC, section 4): at this one, block, page and report speak of the minute."""

WINDOW_LENGTHS = tuple(seconds for seconds in range(5, 3601) if 3600 % seconds == 0)
"""The lengths that a window may have. Each divides the hour, so that one begins at every full hour."""

FIRST_USER_PORT = 1024
"""Lower ports need privileges, which no part of the lab has."""

IMAGE = r"^[a-z0-9][a-z0-9._/:@-]{0,250}[a-z0-9]$"
"""A Docker image reference; ``latest`` is refused by the model, since a pinned lab must not move."""


SCENARIO_NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")
"""What a ready scenario is called; everything else is a path."""


class RuntimeKind(StrEnum):
    """How the services of a stack are run."""

    AUTO = "auto"
    EMBEDDED = "embedded"
    DOCKER = "docker"
    EXTERNAL = "external"


class ProfileName(StrEnum):
    """Which services make up a stack."""

    KRAFT = "kraft"
    ZOOKEEPER = "zookeeper"


class WindowTime(StrEnum):
    """Which clock assigns a tweet to its window."""

    ARRIVAL = "arrival"
    EVENT = "event"
    ORIGINAL = "original"
    """As event, whenever that was: nothing is late or of the future, so no window is ever over."""


class Spelling(StrEnum):
    """Whether spellings of a hashtag are told apart."""

    EXACT = "exact"
    FOLDED = "folded"


@dataclass(frozen=True, slots=True)
class Rule:
    """How tweets are counted: by which time, in windows of how many seconds, under which spelling of a hashtag.

    Counts by different rules are never added.
    """

    window_time: WindowTime = WindowTime.ARRIVAL
    window_seconds: int = MINUTE_SECONDS
    spelling: Spelling = Spelling.EXACT


WATERMARK_SECONDS = {WindowTime.ARRIVAL: 60, WindowTime.EVENT: 65, WindowTime.ORIGINAL: 10_000 * 366 * 86_400}
"""How far Spark's watermark stays behind the newest time. A window can grow until the watermark has passed its end.

In event mode it is 5 s wider than the lateness rule, because an accepted timestamp may lie 5 s ahead (SPEC, section 4). By
original times it passes nothing that has a date, since a file's last tweet may be of its first window. The length of a window is
no part of it: tweets are late, and windows over, by their window's end."""


def dead_letter_topic(topic: str) -> str:
    """Return the name of the topic's dead-letter topic."""
    return f"{topic}.dlq"


class StackSettings(Section):
    """The broker and its surroundings."""

    name: str = Field(
        "trending", pattern=r"^[a-z][a-z0-9-]{0,30}$", description="Name of the stack; several can live side by side."
    )
    runtime: RuntimeKind = Field(
        RuntimeKind.AUTO,
        description="docker, embedded (a local Java process), external (a cluster that is there already), "
        "or auto: Docker where it works.",
    )
    profile: ProfileName = Field(
        ProfileName.KRAFT, description="kraft (Kafka 4) or zookeeper (ZooKeeper + Kafka 7.4, Docker only)."
    )
    port: int = Field(9092, ge=1024, le=60000, description="TCP port on 127.0.0.1 where programs reach Kafka.")
    brokers: int = Field(1, ge=1, le=3, description="Number of brokers; the first listens on port, the second on port + 1.")
    heap_mb: int = Field(512, ge=192, le=8192, description="JVM heap of each broker, MiB.")
    kafka_image: str | None = Field(
        None, pattern=IMAGE, description="Image of the broker by tag or digest; empty means the profile's pinned one."
    )
    zookeeper_image: str | None = Field(
        None, pattern=IMAGE, description="Image of ZooKeeper by tag or digest; empty means the pinned one."
    )
    zookeeper_port: int = Field(2181, ge=1024, le=65535, description="TCP port of ZooKeeper on 127.0.0.1.")
    secure: bool = Field(
        default=False,
        description="Brokers that encrypt and authenticate clients: SASL_SSL with a password and certificates of the stack's "
        "own, and an authorizer; kraft only.",
    )
    topic: str = Field("tweets_topic", pattern=r"^[a-zA-Z0-9._-]{1,200}$", description="Topic of the tweets.")
    partitions: int = Field(1, ge=1, le=64, description="Partitions of the topic when it is created.")
    replication: int = Field(1, ge=1, le=3, description="Replication factor of the topic when it is created.")
    retention_hours: int = Field(
        168,
        ge=1,
        le=8760,
        description="Hours for which the log keeps a record, and a dead letter; counted or not, older ones go.",
    )
    retention_mb: int = Field(
        16384, ge=8, le=1048576, description="MiB of a partition of the log, and of the dead letters, from which the oldest go."
    )

    @model_validator(mode="after")
    def _replicas_need_brokers(self) -> Self:
        if self.replication > self.brokers and not self.external:
            msg = f"replication {self.replication} needs as many brokers, and brokers is {self.brokers}"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _secure_by_kraft(self) -> Self:
        if self.secure and self.profile is ProfileName.ZOOKEEPER:
            msg = "secure brokers need PROFILE=kraft, and profile is zookeeper"
            raise ValueError(msg)
        if self.secure and self.external:
            msg = "secure is about brokers of the stack's own: with runtime external, give security_protocol"
            raise ValueError(msg)
        return self

    @field_validator("topic")
    @classmethod
    def _ours_to_use(cls, value: str) -> str:
        if value in {".", ".."}:
            msg = f"{value} is refused: Kafka takes no topic of that name"
            raise ValueError(msg)
        if value.startswith("__"):
            msg = f"{value} is refused: names that begin with __ are those of Kafka's own topics"
            raise ValueError(msg)
        if value == PROBE_TOPIC:
            msg = f"{value} is refused: the readiness probe writes its records there"
            raise ValueError(msg)
        return value

    @field_validator("kafka_image", "zookeeper_image")
    @classmethod
    def _pinned(cls, value: str | None) -> str | None:
        if value and ("@sha256:" not in value) and (":" not in value.rsplit("/", 1)[-1] or value.endswith(":latest")):
            msg = f"{value} is not pinned: give a tag other than latest, or a digest"
            raise ValueError(msg)
        return value or None

    @property
    def chosen_image(self) -> str:
        """The image that was asked for; empty where the profile's own will do. It runs in a container or not at all."""
        return self.kafka_image or self.zookeeper_image or ""

    @property
    def external(self) -> bool:
        """Whether the brokers are somebody else's, and are there already."""
        return self.runtime is RuntimeKind.EXTERNAL

    @property
    def asked_for(self) -> str:
        """What was asked for of the runtime, in words."""
        image = f" and the image {self.chosen_image}, which runs in a container only" if self.chosen_image else ""
        return f"asked for {self.runtime}{image}"

    def takes(self, runtime: RuntimeKind) -> bool:
        """Whether a stack of this runtime is what is asked for."""
        runs_images = runtime is RuntimeKind.DOCKER
        chosen = self.runtime is runtime or (self.runtime is RuntimeKind.AUTO and runtime is not RuntimeKind.EXTERNAL)
        return chosen and (runs_images or not self.chosen_image)

    @property
    def bootstrap(self) -> str:
        """``host:port`` list for clients on this machine."""
        return ",".join(f"localhost:{self.port + n}" for n in range(self.brokers))


def _named_or_absolute(value: str | None) -> str | None:
    return value if value and SCENARIO_NAME.fullmatch(value) else absolute(value)


ScenarioName = Annotated[str | None, AfterValidator(_named_or_absolute)]
"""A ready scenario's name, or the path of a file, which is made absolute."""


MOST_PRODUCERS = 8


class ProducerSettings(Section):
    """The tweet simulator."""

    rate: float = Field(1.0, gt=0, le=1_000_000, description="Tweets per second.")
    seed: int | None = Field(
        None, ge=0, description="Seed of the random tweets; empty means a new one at every start, or that of the scenario."
    )
    catalogue: LocalPath = Field(
        None, description="Path of a JSON file with users, phrases and weighted hashtags; empty means the built-in one."
    )
    scenario: ScenarioName = Field(
        None,
        description="Name of a ready scenario, such as classroom, or path of a YAML file. It brings its own rate and hashtags. "
        "Empty means tweets at a steady rate.",
    )

    producers: int = Field(
        1,
        ge=1,
        le=MOST_PRODUCERS,
        description="Producers that share the scenario, each a program with partitions of its own: at most as many as those.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.producers > 1 and not self.scenario:
            msg = f"{self.producers} producers share a scenario, and there is none: SCENARIO=classroom, or PRODUCERS=1"
            raise ValueError(msg)
        if self.scenario and self.catalogue:
            msg = f"scenario {self.scenario} brings its own hashtags: leave out catalogue (lab up --catalogue= forgets it)"
            raise ValueError(msg)
        return self


class StreamSettings(SparkSettings):
    """The Spark Structured Streaming job."""

    window_time: WindowTime = Field(
        WindowTime.ARRIVAL,
        description="arrival: the broker's append time; event: the tweet's own timestamp; original: the same, of whatever year, "
        "for a replay with TIMES=original.",
    )
    window_seconds: int = Field(
        MINUTE_SECONDS,
        ge=WINDOW_LENGTHS[0],
        le=WINDOW_LENGTHS[-1],
        description="Length of a window, a divisor of 3600. Another length begins a new epoch, and windows of two lengths are "
        "never added.",
    )
    hashtag_spelling: Spelling = Field(
        Spelling.EXACT,
        description="exact: #IA and #ia are two hashtags; folded: they are one, whatever their case, the encoding of their "
        "accents and the blanks around. Another one begins a new epoch.",
    )
    trigger_seconds: float = Field(10.0, ge=0, le=60, description="Seconds between rankings; 0 means back to back.")
    shuffle_partitions: int = Field(
        default_factory=lambda: min(os.cpu_count() or 2, 16),
        ge=1,
        le=200,
        description="Spark shuffle partitions; near the number of cores.",
    )
    allowed_skew_seconds: int = Field(
        120,
        ge=0,
        le=3600,
        description="Seconds by which times in the log may go back, within a partition or between two. Spark's watermark waits "
        "that much longer: more state, and nothing dropped.",
    )
    ranking_days: int = Field(
        7,
        ge=1,
        le=3650,
        description="Days for which the store keeps every window. Older ones go once the log has none of their records; their "
        "totals stay.",
    )
    ranking_hashtags: int = Field(
        10_000,
        ge=100,
        le=1_000_000,
        description="Hashtags of a window that the store keeps by name once the window is over. Of the others it keeps the exact "
        "sum and number.",
    )
    stage_records: int = Field(
        100_000,
        ge=0,
        le=1_000_000_000,
        description="Records of a batch from which on Spark's tasks write its counts to the PostgreSQL of store_url themselves; "
        "0 means never.",
    )
    # Spark refuses a heap below 450 MiB, of which it does not count the part that a collection copies to, a thirtieth.
    driver_mb: int = Field(
        512, ge=480, le=16384, description="JVM heap of the Spark driver, MiB. One batch reads at most 2,000 records for each."
    )
    time_zone: str | None = Field(
        None, description="IANA time zone of printed times, such as Europe/Madrid; empty means this machine's."
    )

    @field_validator("window_seconds")
    @classmethod
    def _divides_the_hour(cls, value: int) -> int:
        if value not in WINDOW_LENGTHS:
            place = bisect_left(WINDOW_LENGTHS, value)
            shorter, longer = WINDOW_LENGTHS[place - 1 : place + 1]
            msg = f"windows of {value} s do not divide the hour: the nearest lengths that do are {shorter} and {longer} s"
            raise ValueError(msg)
        return value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value and value not in available_timezones():
            msg = f"{value!r} is not an IANA time zone"
            raise ValueError(msg)
        return value or None

    @property
    def zone(self) -> ZoneInfo | None:
        """The zone for printed times, or None for the machine's own."""
        return ZoneInfo(self.time_zone) if self.time_zone else None

    @property
    def rule(self) -> Rule:
        """How the job counts tweets."""
        return Rule(self.window_time, self.window_seconds, self.hashtag_spelling)


class PageSettings(Section):
    """The live page."""

    page_port: int = Field(
        8501, ge=0, le=65535, description="TCP port of the live page on 127.0.0.1; 0 means a stack without a page."
    )
    hosts: str = Field(
        "",
        max_length=1_000,
        pattern=r"^$|^(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(,(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+)*$",
        description="Host names, by commas, that the page answers to beside localhost: those of a forwarder such as "
        "'*.app.github.dev'. Whoever can reach the forwarder sees the page.",
    )

    @field_validator("page_port")
    @classmethod
    def _not_privileged(cls, value: int) -> int:
        if 0 < value < FIRST_USER_PORT:
            msg = f"a port below {FIRST_USER_PORT} is reserved: give 0 or {FIRST_USER_PORT} to 65535"
            raise ValueError(msg)
        return value

    @property
    def host_names(self) -> list[str]:
        """The host names beside this machine's own."""
        return self.hosts.split(",") if self.hosts else []

    @property
    def address(self) -> str:
        """The page's address for a browser on this machine; empty if there is no page."""
        return f"http://localhost:{self.page_port}/" if self.page_port else ""

    @property
    def projector_address(self) -> str:
        """The address of the page's view for a projector; empty if there is no page."""
        return f"{self.address}?view=projector" if self.page_port else ""


class ServingSettings(Section):
    """Where the counts are kept."""

    # Neither a wrong address nor a wrong secret is quoted: either may be a password.
    model_config = ConfigDict(hide_input_in_errors=True)
    store_url: str = Field(
        FILE,
        max_length=1000,
        description="sqlite, a file beside the stack's data; or postgresql+psycopg://user@host:port/database, in which the stack "
        "gets a schema of its own.",
    )
    store_secret: str = Field(
        "",
        max_length=1000,
        pattern=r"^(file:/.+|env:[A-Za-z_][A-Za-z0-9_]*|block:[a-z0-9][a-z0-9-]*)?$",
        description="Where the password of store_url is: file:/path, of mode 0600, env:NAME, or block:NAME, a Secret block of "
        "Prefect's; empty means that none is needed.",
    )

    @field_validator("store_url")
    @classmethod
    def _without_password(cls, value: str) -> str:
        return require_store_url(value)

    @property
    def has_server(self) -> bool:
        """Whether the counts are kept in a database, not in a file."""
        return self.store_url != FILE


class LabSettings(Section):
    """Everything it takes to bring up a stack with its programs."""

    stack: StackSettings = Field(default_factory=StackSettings, title="Stack")
    producer: ProducerSettings = Field(default_factory=ProducerSettings, title="Producer")
    stream: StreamSettings = Field(default_factory=StreamSettings, title="Stream")
    page: PageSettings = Field(default_factory=PageSettings, title="Page")
    serving: ServingSettings = Field(default_factory=ServingSettings, title="Serving store")
    access: AccessSettings = Field(default_factory=AccessSettings, title="External Kafka")
    places: PlaceSettings = Field(default_factory=PlaceSettings, title="Checkpoint")

    @model_validator(mode="after")
    def _external_means_bootstrap(self) -> Self:
        external = self.stack.external
        if external and not self.access.bootstrap:
            msg = "runtime external needs bootstrap, the host:port list of the cluster"
            raise ValueError(msg)
        if external and self.stack.chosen_image:
            msg = "runtime external runs no images: leave out kafka_image and zookeeper_image"
            raise ValueError(msg)
        if not external and self.access.given:
            msg = f"{self.access.given[0]} is about a cluster that is there already, and needs runtime external"
            raise ValueError(msg)
        if self.stream.elsewhere and not external:
            msg = f"spark_master {self.stream.spark_master} has executors elsewhere, and this stack's brokers are on loopback: "
            msg += "it needs runtime external"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _probe_apart_from_tweets(self) -> Self:
        if self.access.probe_topic in {self.stack.topic, dead_letter_topic(self.stack.topic)}:
            msg = f"probe_topic {self.access.probe_topic} has the stack's own records: the readiness probe needs another"
            raise ValueError(msg)
        return self

    @property
    def starts_job(self) -> bool:
        """Whether a start with these settings starts the job."""
        return True

    @property
    def bootstrap(self) -> str:
        """Where programs reach Kafka, as a ``host:port`` list."""
        return self.access.bootstrap or self.stack.bootstrap
