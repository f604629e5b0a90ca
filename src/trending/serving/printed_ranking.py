"""The printed ranking, exactly as in SPEC.md section 4, and the escaping that makes hostile text harmless."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from trending.settings import MINUTE_SECONDS
from trending.text import local_time, printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from trending.serving.ranking_query import Window

SHOWN_ROWS = 100
_HEADINGS = ("window", "hashtag_principal", "num_ocurrencias")


def render_block(batch: int, now: float, ranking: Window, zone: ZoneInfo | None) -> str:
    """Return the block for a batch; ``ranking`` has at least its first ``SHOWN_ROWS`` lines."""
    title, which = ("Ventana del minuto", "este minuto") if ranking.seconds == MINUTE_SECONDS else ("Ventana", "esta ventana")
    start, end = local_time(ranking.start, zone), local_time(ranking.end, zone)
    window = f"{{{start}, {end}}}"
    rows = [(window, printable(hashtag), str(tweets)) for hashtag, tweets in ranking.ranked[:SHOWN_ROWS]]
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
    if ranking.hashtags > SHOWN_ROWS:
        lines.append(f"only showing top {SHOWN_ROWS} rows of {ranking.hashtags}")
    lines.append("=====")
    return "\n".join(lines)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True))
    return "|" + "|".join(padded) + "|"
