"""The last game day of a stack, kept beside it for the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from infra.host.json_files import write_model
from trending.report.defence.evidence import GameDay

if TYPE_CHECKING:
    from infra.host.paths import StackPaths


def keep_day(paths: StackPaths, day: GameDay) -> None:
    """Keep the day with the stack, in place of the one before."""
    write_model(paths.game_day, day)


def kept_day(paths: StackPaths) -> GameDay | None:
    """Return the last game day, or None if there was none or it cannot be read."""
    try:
        return GameDay.model_validate_json(paths.game_day.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
