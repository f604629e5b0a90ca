"""Models as JSON files, replaced atomically."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel


def write_model(path: Path, model: BaseModel) -> None:
    """Replace the file by the model's JSON; a concurrent reader sees either the old file or the new one."""
    fresh = path.with_suffix(".fresh")
    fresh.write_text(model.model_dump_json(indent=1) + "\n", encoding="utf-8")
    fresh.replace(path)
