"""The printed ranking, exactly as in SPEC.md section 4, and the escaping that makes hostile text harmless."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from trending.settings import MINUTE_SECONDS
from trending.text import local_time, printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from trending.serving.store import Ranked

SHOWN_ROWS = 100
_HEADINGS = ("window", "hashtag_principal", "num_ocurrencias")


def render_block(batch: int, now: float, ranking: Sequence[Ranked], seconds: int, zone: ZoneInfo | None) -> str:
    """Return the block for a batch; ``ranking`` is the whole window of that many seconds, already in order and not empty."""
    title, which = ("Ventana del minuto", "este minuto") if seconds == MINUTE_SECONDS else ("Ventana", "esta ventana")
    window_start = ranking[0].window_start
    start = local_time(window_start, zone)
    end = local_time(window_start + seconds, zone)
    window = f"{{{start}, {end}}}"
    rows = [(window, printable(line.hashtag), str(line.tweets)) for line in ranking[:SHOWN_ROWS]]
    widths = [max(cell_len(cell) for cell in column) for column in zip(_HEADINGS, *rows, strict=True)]
    rule = "+" + "+".join("-" * width for width in widths) + "+"
    lines = [
        "=====",
        f"Batch {batch} - Snapshot en {local_time(now, zone)}",
        f"{title} [{start} , {end}]",
        f"Top hashtags en {which}:",
        rule,
        _row(_HEADINGS, widths),
        rule,
        *(_row(row, widths) for row in rows),
        rule,
    ]
    if len(ranking) > SHOWN_ROWS:
        lines.append(f"only showing top {SHOWN_ROWS} rows of {len(ranking)}")
    lines.append("=====")
    return "\n".join(lines)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True))
    return "|" + "|".join(padded) + "|"
