"""The base of every part of a report's data."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of the report's data."""

    model_config = ConfigDict(extra="forbid", frozen=True)
