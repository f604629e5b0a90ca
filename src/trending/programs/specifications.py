"""The programs' specifications: start-up writes them to files, the programs read them, a changed hash means drift."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, ValidationError

from trending.access.kept import AccessFile, kept_access
from trending.errors import ConfigurationConflict, InvalidInput
from trending.kafka.connection import KafkaConnection
from trending.places.objects import ObjectPlace
from trending.postgresql.place import PostgresLedger, PostgresPlace
from trending.sections import Section
from trending.settings import MINUTE_SECONDS, PageSettings, ProducerSettings, StreamSettings

CheckpointPlace = Path | ObjectPlace


class ProgramSpec(Section):
    """The fields that every program needs."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    bootstrap: str
    topic: str
    heartbeat: Path
    access: AccessFile | None = None
    """Where to read what lets the program's clients into Kafka; a password would not belong in this file."""

    @property
    def connection(self) -> KafkaConnection:
        """How the program's clients reach Kafka; raises ConfigurationConflict where the file of ``access`` is gone."""
        if self.access is None:
            return KafkaConnection(self.bootstrap)
        kept = kept_access(self.access.path)
        if kept is None:
            cause = f"{self.access.path}, with what lets us into Kafka, is gone"
            raise ConfigurationConflict(cause, self.bootstrap, "make up")
        return KafkaConnection(self.bootstrap, kept.revealed)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a specification; raises InvalidInput where the file is missing or wrong."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            cause = f"the program's specification {path} cannot be used"
            raise InvalidInput(cause, str(error), "make up") from error


class ProducerSpec(ProgramSpec):
    """The producer's specification. ``catalogue_hash`` is of the catalogue's content: edited, it starts the producer anew.

    ``scenario`` is a scenario's whole content as JSON, empty for none. It begins with a window, so with it their length counts.
    """

    settings: ProducerSettings
    ledger: Path | PostgresLedger
    topic_id: str
    catalogue_hash: str = ""
    tweets: int = 0
    """After so many it ends; 0 means that it goes on until it is told to stop."""
    scenario: str = ""
    window_seconds: int = MINUTE_SECONDS
    place: int = 0
    """Which of the ``producers`` this one is that share the scenario, counted from 0."""
    producers: int = 1


class StreamSpec(ProgramSpec):
    """The streaming job's specification; ``start_offsets`` are partition → offset, resolved before submission.

    ``group`` is the consumer group in which Kafka's own tools see how far the job has come.
    """

    settings: StreamSettings
    store: Path | PostgresPlace
    checkpoint: CheckpointPlace
    checkpoint_id: str
    topic_id: str
    start_offsets: dict[int, int]
    jars: tuple[Path, ...]
    package: Path | None = None
    """What executors on a cluster get: our code and what it imports. None where the tasks run in the driver."""
    dead_letters: str
    group: str

    @property
    def checkpoint_uri(self) -> str:
        """The checkpoint as Spark gets it: a bare path lies in whatever file system a Hadoop configuration calls the default."""
        return self.checkpoint.uri if isinstance(self.checkpoint, ObjectPlace) else f"file://{self.checkpoint}"

    @property
    def lock(self) -> Path:
        """What the job locks on this machine, so that no other one runs on its checkpoint."""
        return self.lock_of(self.checkpoint_id)

    def lock_of(self, checkpoint_id: str) -> Path:
        """Return what a job of this stack locks that has the checkpoint of that id."""
        return self.heartbeat.parent / "locks" / f"{checkpoint_id}.lock"

    @property
    def scratch(self) -> Path:
        """Where Spark and its JVM put their temporary files; each checkpoint has a directory of its own."""
        return self.heartbeat.parent / "scratch" / self.checkpoint_id


class PageSpec(ProgramSpec):
    """The live page's specification. The page answers with ``stack_id``, so that nobody mistakes another stack's page for it.

    ``producer`` and ``stream`` are the other programs' heartbeat files, ``more_producers`` those of producers that share the
    scenario with the first; without them the page shows a recorded store. ``health``
    is the file that health checks write, ``ledgers`` are where producers note what was acknowledged.
    """

    settings: PageSettings
    stack_id: str
    name: str
    store: Path | PostgresPlace
    time_zone: str | None
    producer: Path | None = None
    more_producers: tuple[Path, ...] = ()
    stream: Path | None = None
    health: Path | None = None
    ledgers: tuple[Path | PostgresLedger, ...] = ()
    runtime: Literal["embedded", "docker", "external"] = "embedded"

    @property
    def producers(self) -> dict[str, Path]:
        """The heartbeat files of all producers, by the names of their programs."""
        files = (self.producer, *self.more_producers) if self.producer else ()
        return {path.name.partition(".")[0]: path for path in files}

    @property
    def zone(self) -> ZoneInfo | None:
        """The time zone for display, or None for the machine's own."""
        return ZoneInfo(self.time_zone) if self.time_zone else None
