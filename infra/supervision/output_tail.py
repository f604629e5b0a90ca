"""The last lines of a program's output."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def tail(path: Path, lines: int) -> str:
    """Return the last lines of an output file; empty if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 64 * 1024))
            return b"\n".join(file.read().splitlines()[-lines:]).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
