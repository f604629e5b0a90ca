"""SVG made with the standard library's XML writer, which escapes all text.

Colours and fonts are set as attributes, so that a PDF needs no style sheet; classes let a page override them in dark mode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from trending.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

FONT = "Libertinus Serif"
"""The PDF's; a page's style sheet has another."""
LOOKS = {
    "ink": "#1b1c1e",
    "muted": "#595b60",
    "bar": "#2f6fb5",
    "second": "#b3411d",
    "box": "#eef3f9",
    "frame": "#2f6fb5",
    "paper": "#ffffff",
    "grid": "#d9dbdf",
}
COLOURS = ("#2f6fde", "#d1495b", "#2a9d60", "#b07d12", "#8a4fbf")
DASHES = ("none", "8 3", "2 3", "12 3 2 3", "5 5")
"""Lines differ by their dashes too: not everybody can tell the colours apart."""
LOOKS |= {f"line{place}": colour for place, colour in enumerate(COLOURS)}


class Drawing:
    """One SVG under construction; coordinates are its own, ``title`` is what a screen reader says."""

    def __init__(self, width: float, height: float, title: str) -> None:
        self._root = ET.Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "viewBox": f"0 0 {width:g} {height:g}",
                "role": "img",
                "aria-label": printable(title),
            },
        )

    def _add(self, tag: str, look: str, paint: str, **attributes: float | str) -> ET.Element:
        texts = {
            name.replace("_", "-"): value if isinstance(value, str) else f"{value:.1f}" for name, value in attributes.items()
        }
        return ET.SubElement(self._root, tag, {"class": look, paint: LOOKS[look], **texts})

    def rect(self, x: float, y: float, width: float, height: float, look: str = "bar") -> None:
        """Draw a filled rectangle."""
        self._add("rect", look, "fill", x=x, y=y, width=width, height=height, rx="3")

    def frame(self, x: float, y: float, width: float, height: float) -> None:
        """Draw a box with a border."""
        self.rect(x, y, width, height, "box")
        self._add("rect", "frame", "stroke", x=x, y=y, width=width, height=height, rx="3", fill="none", stroke_width="1.5")

    def text(self, x: float, y: float, words: str, look: str = "ink", size: float = 14, anchor: str = "start") -> None:
        """Write a line of text; control characters are shown escaped."""
        made = self._add("text", look, "fill", x=x, y=y, text_anchor=anchor, font_size=f"{size:g}", font_family=FONT)
        made.text = printable(words)

    def arrow(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draw a horizontal or vertical arrow."""
        (x, y), (u, v) = start, end
        self._add("line", "frame", "stroke", x1=x, y1=y, x2=u, y2=v, stroke_width="1.5")
        along = ((u > x) - (u < x), (v > y) - (v < y))
        tip, base = (u, v), (u - 7 * along[0], v - 7 * along[1])
        side = (4 * along[1], 4 * along[0])
        corners: Sequence[tuple[float, float]] = (
            tip,
            (base[0] + side[0], base[1] + side[1]),
            (base[0] - side[0], base[1] - side[1]),
        )
        self._add("polygon", "bar", "fill", points=" ".join(f"{a:.1f},{b:.1f}" for a, b in corners))

    def line(self, points: str, place: int) -> None:
        """Draw the line of one of several series through ``x,y x,y …``."""
        look = f"line{place}"
        self._add("polyline", look, "stroke", points=points, fill="none", stroke_width="2", stroke_dasharray=DASHES[place])

    def rule(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draw a thin line behind figures."""
        (x, y), (u, v) = start, end
        self._add("line", "grid", "stroke", x1=x, y1=y, x2=u, y2=v, stroke_width="1")

    def svg(self) -> str:
        """Return the drawing as SVG."""
        return ET.tostring(self._root, encoding="unicode")


def short(words: str, letters: int) -> str:
    """Return the text cut to at most so many letters, with an ellipsis where it was cut."""
    shown = printable(words)
    return shown if len(shown) <= letters else f"{shown[: letters - 1]}…"
