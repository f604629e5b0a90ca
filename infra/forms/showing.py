"""The parameters of commands that show something: a demo, a report, the page, its recordings, logs, Prefect."""

from __future__ import annotations

from pydantic import Field, SecretStr

from infra.forms.stacks import NamedStack, StartUpForm
from infra.host.paths import CHECKOUT
from trending.places.settings import ObjectStoreSettings
from trending.sections import Section
from trending.settings import LabSettings, PageSettings, ProducerSettings, StackSettings, StreamSettings

RECORDING = str(CHECKOUT / "docs" / "recorded" / "breaking-news.jsonl.gz")
"""What `make replay-demo` plays by default."""


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


class ClientForm(NamedStack):
    """Write the files with which Kafka's own tools and kcat get into the stack's Kafka."""


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
        producer = ProducerSettings.model_validate(self.producer.model_dump())
        stream = StreamSettings.model_validate(self.stream.model_dump())
        return StartUpForm.of(self, stack=stack, page=page, producer=producer, stream=stream)


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


class RehearsalOptions(DemoOptions):
    """How long to watch: enough to see that it works."""

    demo_seconds: float = Field(20.0, ge=5, le=3600, description="Seconds to watch rankings before the audit.")


class RehearseForm(DemoForm):
    """Try everything that a presentation will need, the evening before."""

    demo: RehearsalOptions = Field(default_factory=RehearsalOptions, title="Rehearsal")


class PresentForm(WatchedForm):
    """Bring the stack up for an audience, open the page's view for a projector, say what to show."""


class RecordForm(NamedStack):
    """Save what the live page of a running stack has shown in the last minutes."""

    recording: str = Field("recording.jsonl.gz", description="Path of the file to write.")
    last: float = Field(300.0, ge=1, le=900, description="Seconds up to now that are saved; the page keeps a quarter of an hour.")


class PlayForm(Section):
    """Play a recording of the live page, or open the page on a recorded store, without a broker."""

    recording: str = Field(
        RECORDING, description="Path of a recording by `make record` or a report; the default is one of a real stack."
    )
    store: str = Field("", description="Path of a serving store, to be shown as it is instead of a recording.")
    page: PageSettings = Field(default_factory=PageSettings, title="Page")
