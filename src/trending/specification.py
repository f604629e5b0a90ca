"""What start-up tells a program: written as a file, read by the program, compared to see drift."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import ConfigDict, ValidationError

from trending.errors import InvalidInput
from trending.settings import ProducerSettings, Section, StreamSettings


class ProgramSpec(Section):
    """What every program needs to know; written by start-up, read by the program, hashed to see drift."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    bootstrap: str
    topic: str
    heartbeat: Path

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a specification; raises InvalidInput where the file is missing or wrong."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            cause = f"the program's specification {path} cannot be used"
            raise InvalidInput(cause, str(error), "make up") from error


class ProducerSpec(ProgramSpec):
    """The producer's specification."""

    settings: ProducerSettings
    ledger: Path


class StreamSpec(ProgramSpec):
    """The streaming job's specification; ``start_offsets`` are partition → offset, resolved before submission."""

    settings: StreamSettings
    store: Path
    checkpoint: Path
    checkpoint_id: str
    topic_id: str
    start_offsets: dict[int, int]
    jars: tuple[Path, ...]
    dead_letters: str
