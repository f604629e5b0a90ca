"""The parameters of commands that prove the count, break the stack, repair it, or try another job."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, field_validator

from infra.forms.stacks import NamedStack
from infra.game_day.fault_names import FIRST_AND_LAST, LONGEST_HOLD_SECONDS, LONGEST_LIMIT_SECONDS, FaultName
from trending.sections import Section
from trending.settings import MOST_PRODUCERS, LabSettings, ScenarioName, Spelling

StruckProducer = Annotated[
    int,
    Field(
        ge=0,
        le=MOST_PRODUCERS,
        description="Which of several producers a fault of theirs strikes, from 1 on; 0 strikes the first and then the last.",
    ),
]


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


class VerifyForm(NamedStack):
    """Read a topic back, and say whether it is a scenario's: every record, each once, byte for byte but for its time."""

    scenario: ScenarioName = Field(None, description="A ready scenario by name, or a file by its path, as ./mine.yaml.")
    seed: int | None = Field(None, ge=0, description="The seed that it was played with, where that is not its own.")
    of_topic: str = Field("", max_length=249, description="Any topic of the stack's cluster; empty means the stack's own.")


class TruthForm(Section):
    """Say what a scenario means, from its seed alone: tweets by window and hashtag, and what is refused."""

    scenario: ScenarioName = Field(None, description="A ready scenario by name, or a file by its path, as ./mine.yaml.")
    seed: int | None = Field(None, ge=0, description="Another seed than the scenario's own.")
    window_seconds: int = Field(60, ge=5, le=3600, description="Length of a window, as that of the stack that plays it.")
    hashtag_spelling: Spelling = Field(
        Spelling.EXACT, description="As that of the stack: folded, where it counts #IA and #ia as one hashtag."
    )


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
    struck_producer: StruckProducer = FIRST_AND_LAST
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
    struck_producer: StruckProducer = FIRST_AND_LAST

    @field_validator("faults", mode="before")
    @classmethod
    def _separated_by_commas(cls, value: Any) -> Any:  # noqa: ANN401 - whatever came in
        return [name for name in value.split(",") if name] if isinstance(value, str) else value
