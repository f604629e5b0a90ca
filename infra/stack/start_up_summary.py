"""The summary of a start-up: its steps and their times. Start-up returns it and stores it with the stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from infra.host.json_files import write_model

if TYPE_CHECKING:
    from infra.host.paths import StackPaths


class StartUpStep(BaseModel):
    """One step: its name, its outcome, the evidence, its time in seconds."""

    name: str
    outcome: str
    note: str
    seconds: float


class StartUpSummary(BaseModel):
    """The result of a start-up: the addresses of the stack, and its steps."""

    stack: str
    runtime: str
    bootstrap: str
    topic: str
    cluster_id: str
    page: str
    changed: bool
    steps: list[StartUpStep]
    seconds: float


def keep_summary(paths: StackPaths, summary: StartUpSummary) -> None:
    """Store the summary with the stack, unless the start-up changed nothing and an earlier summary exists."""
    if not summary.changed and kept_summary(paths) is not None:
        return
    write_model(paths.start_up_summary, summary)


def kept_summary(paths: StackPaths) -> StartUpSummary | None:
    """Return the summary of the last start-up that changed something, or None if there is none or it cannot be read."""
    try:
        return StartUpSummary.model_validate_json(paths.start_up_summary.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
