"""Where the streaming job's checkpoint lies, by its address."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import ConfigDict, Field, field_validator

from trending.sections import Section

FILE = "file://"
_FILE = re.compile(r"file://(/[^?#%\n]+)")
FORMS = "file:///directory"


class PlaceSettings(Section):
    """Where the checkpoint is kept, if that is not the stack's own directory."""

    model_config = ConfigDict(hide_input_in_errors=True)

    checkpoint: str = Field(
        "",
        max_length=1000,
        description="Address of a directory in which the stack gets one of its own for the job's checkpoint: file:///directory. "
        "Empty means beside the stack's data. Another one begins a new epoch; nothing is counted twice.",
    )

    @field_validator("checkpoint")
    @classmethod
    def _an_address(cls, value: str) -> str:
        if not value:
            return value
        if not _FILE.fullmatch(value):
            msg = f"it is {FORMS}"
            raise ValueError(msg)
        if ".." in value.split("/"):
            msg = f"it has .. in it: {FORMS}"
            raise ValueError(msg)
        return value.rstrip("/")

    @property
    def directory(self) -> Path | None:
        """The directory of this machine that was given, or None."""
        return Path(self.checkpoint.removeprefix(FILE)) if self.checkpoint.startswith(FILE) else None
