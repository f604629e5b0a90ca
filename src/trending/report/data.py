"""Every figure of a report, typed. ``datos.json`` holds this data, and everything else is rendered from it."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from trending.report.defence.evidence import Ages, FlowRun, GameDay, Minutely
from trending.report.defence.identity import Identity
from trending.report.defence.part import Part

# Times are in seconds since the epoch; durations and ages in seconds.


class Machine(Part):
    """Where the run took place."""

    system: str
    cores: int
    memory_gib: float


class Version(Part):
    """A piece of software that ran, and its version."""

    name: str
    version: str


class Component(Part):
    """A service or program that ran. ``kind`` is a service's kind, or ``program``; ``way`` is an image or a process."""

    name: str
    kind: str
    ports: tuple[int, ...]
    way: str


class Setting(Part):
    """One setting of the stack, as ``section.field``."""

    name: str
    value: str


class StepTime(Part):
    """One step of the start-up and its time."""

    name: str
    outcome: str
    seconds: float


class StartUp(Part):
    """The start-up that brought the stack up."""

    steps: tuple[StepTime, ...]
    seconds: float


class Facts(Part):
    """The facts about a stack before anything is counted. ``start_up`` is None if its summary was not kept."""

    stack: str
    runtime: str
    profile: str
    bootstrap: str
    topic: str
    time_zone: str | None
    window_time: str
    window_seconds: int
    watermark_seconds: int
    trigger_seconds: float
    machine: Machine
    versions: tuple[Version, ...]
    components: tuple[Component, ...]
    settings: tuple[Setting, ...]
    start_up: StartUp | None

    @property
    def zone(self) -> ZoneInfo | None:
        """The time zone for display, or None for the machine's own."""
        return ZoneInfo(self.time_zone) if self.time_zone else None


class Counted(Part):
    """A hashtag's count in a window: by the stream, and by the recount of the log."""

    hashtag: str
    stream: int
    batch: int


class Minute(Part):
    """One window, counted both ways; ``leaders`` are its first hashtags, ``differing`` the hashtags on which the two disagree."""

    start: int
    stream: int
    batch: int
    hashtags: int
    differing: int
    leaders: tuple[Counted, ...]


class Totals(Part):
    """The whole run; ``pairs`` are the windows and hashtags compared. ``minutes`` has only the last of the windows."""

    windows: int
    tweets: int
    hashtags: int
    pairs: int
    differing: int
    seconds: float
    tweets_per_second: float


class Stream(Part):
    """The speed layer. The times are those of the job since its last start; None if it has not reported any."""

    batches: int | None
    mean_seconds: float | None
    last_seconds: float | None
    state_rows: int | None
    ages: Ages | None


class Batch(Part):
    """The batch layer: one reading of the log, from its first record to its last."""

    records: int
    seconds: float
    records_per_second: float
    ages: Ages | None


class TweetWay(Part):
    """One real tweet, from its writing to its count: sent by the producer, appended by the broker, served by the store."""

    record_id: str
    user: str
    text: str
    hashtag: str
    sent: float
    partition: int
    offset: int
    appended: float
    window_start: int
    batch: int
    served: float
    seconds: float
    count: int


class Audit(Part):
    """The audit's verdict, headline figures and lines."""

    clean: bool
    acknowledged: int
    in_log: int
    counted: int
    lost: int
    duplicated: int
    lines: tuple[str, ...]


class Measured(Part):
    """The counts taken while the producer was stopped. ``blocks`` are the last rankings as the job printed them."""

    totals: Totals
    minutes: tuple[Minute, ...]
    stream: Stream
    batch: Batch
    tweet: TweetWay | None
    audit: Audit
    blocks: tuple[str, ...]
    minutely: Minutely | None = None


class Report(Part):
    """The whole report. ``photo`` is a file beside ``datos.json``; it is empty if there is none, and ``photo_note`` says why.

    ``identity`` is None without a ``defence.toml``, ``game_day`` if the stack had none, ``runs`` if Prefect could not be asked.
    """

    made: float
    own_stack: bool
    store: str
    slides: str
    page: str
    photo: str
    photo_note: str
    facts: Facts
    measured: Measured
    identity: Identity | None = None
    game_day: GameDay | None = None
    runs: tuple[FlowRun, ...] | None = None

    @property
    def zone(self) -> ZoneInfo | None:
        """The time zone for display."""
        return self.facts.zone
