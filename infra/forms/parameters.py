"""The parameters of flows and commands: one bounded model each, which defines both the Prefect form and the command line."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, create_model, field_validator, model_validator

from infra.game_day.fault_names import LONGEST_HOLD_SECONDS, LONGEST_LIMIT_SECONDS, FaultName
from infra.host.paths import CHECKOUT
from infra.stack.declaration import DEFAULT_NAME
from trending.access.settings import AccessSettings
from trending.errors import InvalidInput
from trending.places.settings import ObjectStoreSettings
from trending.replay.items import Times
from trending.sections import Section
from trending.settings import (
    LabSettings,
    PageSettings,
    ProducerSettings,
    ScenarioName,
    ServingSettings,
    StackSettings,
    StreamSettings,
)
from trending.simulator.rate import LONGEST

if TYPE_CHECKING:
    from collections.abc import Mapping

RECORDING = str(CHECKOUT / "docs" / "recorded" / "breaking-news.jsonl.gz")
"""What `make replay-demo` plays by default."""
_NAME = r"^[a-z][a-z0-9-]{0,30}$"


class LastStep(StrEnum):
    """The last step of a start-up, in the order of the steps."""

    TOPIC = "topic"
    PRODUCER = "producer"
    STREAM = "stream"
    PAGE = "page"


class StartUpForm(LabSettings):
    """Bring up the stack in strict order, or reconcile one that is there."""

    until: LastStep = Field(LastStep.PAGE, description="Last step to take; what comes after it is left as it is.")

    def reaches(self, step: LastStep) -> bool:
        """Whether this start-up takes the step."""
        order = list(LastStep)
        return order.index(step) <= order.index(self.until)

    @property
    def programs(self) -> frozenset[str]:
        """The programs that this start-up starts."""
        steps = (LastStep.PRODUCER, LastStep.STREAM, LastStep.PAGE)
        return frozenset(step.value for step in steps if self.reaches(step))


class NamedStack(Section):
    """Choose one stack that exists."""

    name: str = Field(DEFAULT_NAME, pattern=_NAME, description="Name of the stack.")


class SharedStore(ServingSettings):
    """The stack's database, where the producer's ledger is."""

    store_secret: str = Field(
        "",
        max_length=1000,
        pattern=r"^(file:/.+|env:[A-Za-z_][A-Za-z0-9_]*|block:[a-z0-9][a-z0-9-]*)?$",
        description="Where the password of store_url is: file:/path, of mode 0600, env:NAME, or block:NAME, a Secret block of "
        "Prefect's; empty means that none is needed.",
    )


class ProduceForm(NamedStack):
    """Send tweets to a stack's topic as one producer among several. Without bootstrap it is a stack of this checkout."""

    # A password in the place of its reference is not quoted.
    model_config = ConfigDict(hide_input_in_errors=True)
    producer_name: str = Field(
        "elsewhere", pattern=_NAME, description="Name of this producer in the ledger. Only one producer at a time can have it."
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
    serving: SharedStore = Field(default_factory=SharedStore, title="Ledger")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.access.bootstrap and not self.serving.has_server:
            msg = "with bootstrap, store_url must be the stack's, postgresql+psycopg://user@host:port/database"
            raise ValueError(msg)
        if not self.access.bootstrap and (self.access.given or self.serving.has_server):
            msg = "bootstrap is missing: without it Kafka and database are those of the stack of this checkout"
            raise ValueError(msg)
        return self


class RebuildForm(NamedStack):
    """Count the store anew from the log under a new checkpoint; the old one is set aside, ledger and log stay as they are."""


class RedriveForm(NamedStack):
    """Send dead letters back that would be tweets today, or that somebody has mended; it shows them, and sends with send."""

    send: bool = Field(default=False, description="Send them; without it they are only shown.")
    reason: str = Field("", max_length=200, description="Only letters whose reason contains this text; empty means all.")
    limit: int = Field(1_000, ge=1, le=10_000, description="Send back at most this many letters at once.")
    bodies: str = Field(
        "",
        description="Directory of mended bodies, a file a letter. One that is not there is made, with those of all letters that "
        "do not fit, for you to mend.",
    )


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


class VerifyForm(NamedStack):
    """Read a topic back, and say whether it is a scenario's: every record, each once, byte for byte but for its time."""

    scenario: ScenarioName = Field(None, description="A ready scenario by name, or a file by its path, as ./mine.yaml.")
    seed: int | None = Field(None, ge=0, description="The seed that it was played with, where that is not its own.")
    of_topic: str = Field("", max_length=249, description="Any topic of the stack's cluster; empty means the stack's own.")


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
            "", pattern=rf"{_NAME}|^$", description="Name of the stack whose topic is sent; empty with of_topic means this one."
        ),
    )
}


class TopicReplayForm(create_model("_From", __base__=NamedStack, **_FROM)):  # type: ignore[misc]
    """Send again what a topic holds already, into another stack or from another topic, in a ledger run of its own."""

    of_topic: str = Field("", max_length=249, description="Any topic of that stack's cluster; empty means the stack's own.")
    speed: float = Field(1.0, gt=0, le=1_000_000, description="How many times as fast as the records were appended.")

    @property
    def source(self) -> str:
        """The name of the stack whose topic is replayed."""
        return str(getattr(self, "from"))


class TruthForm(Section):
    """Say what a scenario means, from its seed alone: tweets by window and hashtag, and what is refused."""

    scenario: ScenarioName = Field(None, description="A ready scenario by name, or a file by its path, as ./mine.yaml.")
    seed: int | None = Field(None, ge=0, description="Another seed than the scenario's own.")
    window_seconds: int = Field(60, ge=5, le=3600, description="Length of a window, as that of the stack that plays it.")


class NaiveForm(NamedStack):
    """Run the tutorial's job beside ours and say what it loses. Without a stack, one is brought up for it."""

    batch: int = Field(100, ge=0, le=1_000_000, description="Messages in each of the job's batches; 0 means all in one.")


class EvaluationOptions(Section):
    """The job, its results, and how it is tried."""

    job: str = Field("", max_length=4_000, description="The command of the job; it runs in the checkout.")
    results: str = Field(
        "", max_length=1_000, description="Where the job writes window, hashtag and count: sqlite:PATH?table=NAME or topic:NAME."
    )
    faults: list[str] = Field(
        default_factory=list,
        description="Which faults, in this order: broker-killed, broker-frozen, one-broker-of-three-killed, producer-killed, "
        "producer-frozen, job-killed; empty means none.",
    )
    limit_seconds: float = Field(
        120.0, ge=30, le=LONGEST_LIMIT_SECONDS, description="How long the first result may take, and each recovery."
    )
    settle_seconds: float = Field(
        10.0, ge=2, le=300, description="The results are final when they have not changed for so long after the scenario."
    )

    @field_validator("faults", mode="before")
    @classmethod
    def _separated_by_commas(cls, value: Any) -> Any:  # noqa: ANN401 - whatever came in
        return [name for name in value.split(",") if name] if isinstance(value, str) else value


class EvaluateForm(LabSettings):
    """Run any streaming job on a stack of its own that plays a scenario, break it, and compare the results with the truth."""

    evaluation: EvaluationOptions = Field(default_factory=EvaluationOptions, title="Evaluation")


class TearDownForm(NamedStack):
    """Stop everything in reverse order; the data stays unless volumes is set."""

    volumes: bool = Field(default=False, description="Delete the data too: topic, ledger, counts, checkpoint.")
    stop_only: bool = Field(default=False, description="Only stop; keep everything for a quick start.")
    confirm: str = Field("", description="The stack's name once more, without which volumes deletes nothing.")
    left_by: str = Field(
        "", description="Home of a checkout that was moved or deleted, as status lists it: its stack of that name goes."
    )

    @model_validator(mode="after")
    def _deletes_only_what_is_meant(self) -> Self:
        if self.volumes and self.stop_only:
            msg = "volumes and stop_only exclude each other"
            raise ValueError(msg)
        if self.left_by and self.stop_only:
            msg = "left_by and stop_only exclude each other: nobody could start it again"
            raise ValueError(msg)
        return self

    def require_confirmed(self) -> None:
        """Raise InvalidInput if the data is to be deleted and the confirmation is missing.

        This is not a validator, because the run would then fail before the flow starts, with Prefect's own message.
        """
        if self.volumes and self.confirm != self.name:
            cause = f"volumes deletes the data of {self.name}: confirm must be {self.name!r} and is {self.confirm!r}"
            raise InvalidInput(cause, "nothing was touched", "run it again with confirm, or without volumes")


class TearDownCommand(TearDownForm):
    """Stop everything in reverse order; the data stays unless volumes is set."""

    @model_validator(mode="before")
    @classmethod
    def _typed_is_confirmed(cls, data: Any) -> Any:  # noqa: ANN401 - whatever came in
        # Typing VOLUMES=1 is confirmation enough; a box in a browser is easily ticked by mistake.
        return {**data, "confirm": data.get("confirm") or data.get("name", DEFAULT_NAME)} if isinstance(data, dict) else data


class SmokeTestForm(NamedStack):
    """Send five messages through the topic and read them back."""

    timeout_seconds: float = Field(30.0, gt=0, le=300, description="Seconds until the messages must be back.")


class AuditRange(StrEnum):
    """From where an audit of a running stack reads the log."""

    SINCE_SEAL = "since-seal"
    FULL = "full"


class AuditForm(NamedStack):
    """Recount the log of the running stack and reconcile producer, log and store; nothing is stopped for it."""

    audit: AuditRange = Field(
        default=AuditRange.SINCE_SEAL,
        description="Go on from the seal of the last clean audit, or count everything anew. An audit at rest is always full.",
    )
    at_rest: bool = Field(
        default=False,
        description="Stop the producer first, wait for the stream, count everything and require that nothing is in flight.",
    )
    resume: bool = Field(
        default=True, description="Start the producer again afterwards. False keeps it stopped, and audits at rest in any case."
    )

    @property
    def rests(self) -> bool:
        """Whether the producer is stopped for it."""
        return self.at_rest or not self.resume


class HealthCheckForm(NamedStack):
    """Look at every component; with heal, bring back the one that is down."""

    heal: bool = Field(
        default=False,
        description="Repair the one component that is down: 3 looks of grace, 3 repairs an hour, none when several are down.",
    )


class GameDayForm(NamedStack):
    """Break a running stack fault by fault, watch it recover, and prove after each that nothing was lost."""

    faults: list[FaultName] = Field(
        default_factory=list, description="Which faults, in this order; empty means all that the runtime and the size have."
    )
    hold_seconds: float = Field(
        15.0, ge=1, le=LONGEST_HOLD_SECONDS, description="How long something frozen stays frozen once it was noticed."
    )
    limit_seconds: float = Field(
        180.0, ge=30, le=LONGEST_LIMIT_SECONDS, description="How long each fault may take to be noticed, and to recover."
    )

    @field_validator("faults", mode="before")
    @classmethod
    def _separated_by_commas(cls, value: Any) -> Any:  # noqa: ANN401 - whatever came in
        return [name for name in value.split(",") if name] if isinstance(value, str) else value


class ServeForm(Section):
    """Bring up Prefect's server and worker, and deploy everything."""

    alert_url: SecretStr | None = Field(
        None, description="Where alerts are posted as JSON (title, text); kept in a Prefect block. Empty means as before."
    )


class SpyForm(NamedStack):
    """Print the topic from the beginning."""

    limit: int = Field(0, ge=0, description="Stop after this many records; 0 means go on until Ctrl-C.")


class ExportForm(NamedStack):
    """Write the final windows as Parquet: their rankings and their totals, a file each for every rule."""

    to: str = Field("", description="Directory for the files, or s3a://bucket/prefix; those of an earlier export are replaced.")
    objects: ObjectStoreSettings = Field(default_factory=ObjectStoreSettings, title="Object store")


class LogsForm(NamedStack):
    """Print the last lines of a service or program."""

    service: str = Field("stream", description="kafka, producer, stream or page.")
    lines: int = Field(40, ge=1, le=10_000, description="Lines to print.")


class ObserveForm(Section):
    """Put the files for Prometheus and Grafana in place, for every stack that is up."""


class DemoOptions(Section):
    """How long to watch."""

    demo_seconds: float = Field(75.0, ge=5, le=3600, description="Seconds to watch rankings before the audit.")


class DemoProducer(ProducerSettings):
    """The tweet simulator, at a rate that is worth watching."""

    rate: float = Field(20.0, gt=0, le=1_000_000, description="Tweets per second.")


class DemoStream(StreamSettings):
    """The Spark Structured Streaming job, with rankings that follow each other soon."""

    trigger_seconds: float = Field(2.0, ge=0, le=60, description="Seconds between rankings; 0 means back to back.")


class WatchedForm(LabSettings):
    """A stack that is brought up to be watched."""

    producer: DemoProducer = Field(default_factory=DemoProducer, title="Producer")
    stream: DemoStream = Field(default_factory=DemoStream, title="Stream")

    def start_up(self, stack: StackSettings, page: PageSettings) -> StartUpForm:
        """Return its start-up as ``stack``. Its sections are those of any other stack's, so that they compare equal."""
        plain = {
            "producer": ProducerSettings.model_validate(self.producer.model_dump()),
            "stream": StreamSettings.model_validate(self.stream.model_dump()),
        }
        same = {name: getattr(self, name) for name in LabSettings.model_fields}
        return StartUpForm(**{**same, **plain, "stack": stack, "page": page})


class DemoForm(WatchedForm):
    """Start, watch the rankings, audit, tear down."""

    demo: DemoOptions = Field(default_factory=DemoOptions, title="Demo")


class ReportOptions(Section):
    """Where the report goes."""

    out: str = Field("", description="New or empty directory for the report; empty means reports/NAME-TIME in the checkout.")
    defence: str = Field(
        "", description="File with title, authors, date and tribunal; empty means defence.toml in the checkout, if it is there."
    )


class ReportForm(DemoForm):
    """Make report and slides of a stack that runs, or of one brought up for it, watched, audited and taken down."""

    report: ReportOptions = Field(default_factory=ReportOptions, title="Report")


class RehearseForm(DemoForm):
    """Try everything that a presentation will need, the evening before."""

    demo: DemoOptions = Field(default_factory=lambda: DemoOptions(demo_seconds=20), title="Demo")


class PresentForm(WatchedForm):
    """Bring the stack up for an audience, open the page's view for a projector, say what to show."""


class RecordForm(NamedStack):
    """Save what the live page of a running stack has shown in the last minutes."""

    recording: str = Field("recording.jsonl.gz", description="Path of the file to write.")
    last: float = Field(300.0, ge=1, le=900, description="Seconds up to now that are saved; the page keeps a quarter of an hour.")


class ReplayForm(Section):
    """Play a recording of the live page, or open the page on a recorded store, without a broker."""

    recording: str = Field(
        RECORDING, description="Path of a recording by `make record` or a report; the default is one of a real stack."
    )
    store: str = Field("", description="Path of a serving store, to be shown as it is instead of a recording.")
    page: PageSettings = Field(default_factory=PageSettings, title="Page")


ALL_FORMS: tuple[type[BaseModel], ...] = (
    StartUpForm,
    TearDownCommand,
    SmokeTestForm,
    AuditForm,
    HealthCheckForm,
    GameDayForm,
    ServeForm,
    SpyForm,
    ExportForm,
    RebuildForm,
    RedriveForm,
    TweetForm,
    RateForm,
    TrendForm,
    VerifyForm,
    FileReplayForm,
    TopicReplayForm,
    TruthForm,
    NaiveForm,
    EvaluateForm,
    LogsForm,
    ObserveForm,
    DemoForm,
    ReportForm,
    RecordForm,
    ReplayForm,
    ProduceForm,
    RehearseForm,
    PresentForm,
)


def field_sections(form: type[BaseModel]) -> Mapping[str, str]:
    """Return field → section for every field of a form; the section is empty for the form's own fields."""
    fields: dict[str, str] = {}
    for name, field in form.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            fields.update(dict.fromkeys(field.annotation.model_fields, name))
        else:
            fields[name] = ""
    return fields
