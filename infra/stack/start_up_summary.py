"""What a start-up did and how long each step took: what start-up returns, and what is kept of it with the stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from infra.host.json_files import write_model

if TYPE_CHECKING:
    from infra.host.paths import StackPaths


class StartUpStep(BaseModel):
    """One step: its name, what had to be done, the evidence, its time in seconds."""

    name: str
    outcome: str
    note: str
    seconds: float


class StartUpSummary(BaseModel):
    """What start-up returns: where to reach the stack, and the time of each step."""

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
    """Keep the summary with the stack; one that changed nothing does not take the place of one that did."""
    if not summary.changed and kept_summary(paths) is not None:
        return
    write_model(paths.start_up_summary, summary)


def kept_summary(paths: StackPaths) -> StartUpSummary | None:
    """Return the last start-up that changed something, or None where none was kept or it can't be read."""
    try:
        return StartUpSummary.model_validate_json(paths.start_up_summary.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
