"""What else was measured or kept of a run: ages, a batch each minute, a game day, Prefect's runs."""

from __future__ import annotations

from trending.report.defence.part import Part


class Ages(Part):
    """How old the last ``tweets`` tweets were when their count became visible."""

    tweets: int
    median: float
    p95: float
    longest: float


class Minutely(Part):
    """A batch each ``interval`` seconds, over the run's own log: what each took, and what that is in a minute of traffic.

    Its reading and counting were measured; its schedule was computed. ``stream_busy`` is the stream's time at work in a minute.
    """

    interval: int
    batches: int
    records: int
    mean_seconds: float
    longest_seconds: float
    busy: float
    stream_busy: float | None
    ages: Ages | None


class Fault(Part):
    """One fault of a game day: seconds until it was noticed and until all was well, and the audit after it."""

    name: str
    noticed: float
    recovered: float
    back_by: str
    acknowledged: int
    lost: int
    duplicated: int


class GameDay(Part):
    """The last game day of the stack; ``broken`` says at which fault it ended early, and is empty if it did not."""

    at: float
    chosen: int
    survived: int
    faults: tuple[Fault, ...]
    broken: str


class FlowRun(Part):
    """One run of a flow as Prefect keeps it; ``seconds`` is None while it runs."""

    name: str
    flow: str
    state: str
    started: float
    seconds: float | None
