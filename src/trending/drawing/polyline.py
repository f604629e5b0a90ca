"""Lines as points of an SVG polyline. The server makes them, so the first paint shows them without a script."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SPARK = (96, 24)
TRENDS = (600, 160)
"""Width and height of the two drawings' own coordinates; the page stretches them."""
MARGIN = 2.0


def polyline(values: Sequence[float], size: tuple[int, int], highest: float | None = None, slots: int | None = None) -> str:
    """Return ``x,y x,y …`` for values at equal distances, 0 at the bottom and ``highest`` (or the largest value) at the top.

    With ``slots`` the width is divided into that many places and the values take the last ones, so a short series stands at the
    right. A single value becomes a dash as wide as a place, since one point alone would draw nothing.
    """
    width, height = size
    top = highest or max(values, default=0.0) or 1.0
    places = max(slots or len(values), 2)
    step = (width - 2 * MARGIN) / (places - 1)
    first = places - len(values)
    points = [
        (MARGIN + (first + number) * step, height - MARGIN - value / top * (height - 2 * MARGIN))
        for number, value in enumerate(values)
    ]
    if len(points) == 1:
        points.insert(0, (points[0][0] - step, points[0][1]))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
