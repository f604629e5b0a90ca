"""Horizontal bars with their figures beside them: rankings, start-up, ages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trending.drawing.svg import Drawing, short

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 800
LABELS = 205
FIGURES = 180
ROW = 32
LETTERS = 21


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: where it starts, its length, and the label with its figure."""

    label: str
    length: float
    shown: str
    start: float = 0.0
    look: str = "bar"


def bars(title: str, rows: Sequence[Bar]) -> str:
    """Return the rows as SVG, scaled to fill the width; a length or start below 0 is drawn as 0."""
    drawing = Drawing(WIDTH, ROW * len(rows) + 8, title)
    reach = max((row.start + row.length for row in rows), default=0.0) or 1.0
    scale = (WIDTH - LABELS - FIGURES) / reach
    for place, row in enumerate(rows):
        top = place * ROW + 4
        begin, length = max(row.start, 0.0) * scale, max(row.length, 0.0) * scale
        drawing.text(LABELS - 10, top + 21, short(row.label, LETTERS), anchor="end", size=16)
        drawing.rect(LABELS + begin, top + 4, max(length, 1.0), ROW - 10, row.look)
        drawing.text(LABELS + begin + length + 8, top + 21, row.shown, size=16)
    return drawing.svg()
