"""Figures, times and names as the report writes them, in Spanish."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from trending.text import local_time, printable
from trending.text import number as localised

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

UNKNOWN = "no consta"
OUTCOMES = {"created": "creado", "recreated": "rehecho", "adopted": "ya estaba"}
NAMES = {
    "preparation": "preparación",
    "supervisor": "supervisor",
    "topic": "tema",
    "producer": "productor",
    "stream": "trabajo de Spark",
    "page": "página",
}
"""Steps and programs in Spanish; a service keeps its name."""


def number(value: float | None, digits: int = 0) -> str:
    """Return a number with so many decimals, or the word for an unknown one."""
    return UNKNOWN if value is None else localised(value, "es", digits)


def seconds(value: float | None) -> str:
    """Return a duration in seconds: to the hundredth, unless it is whole."""
    return UNKNOWN if value is None else f"{number(value, 0 if value == int(value) else 2)} s"


def named(name: str) -> str:
    """Return the Spanish name of a step or program."""
    return NAMES.get(name, name)


def clean(words: str) -> str:
    """Return text with control characters escaped, so that neither terminal nor browser obeys them; line ends stay."""
    return "\n".join(printable(line) for line in words.split("\n"))


def day(at: float, zone: ZoneInfo | None) -> str:
    """Return date and time to the second."""
    return local_time(at, zone)


def clock(at: float, zone: ZoneInfo | None) -> str:
    """Return the time of day to the millisecond."""
    thousandths = datetime.fromtimestamp(at, UTC).microsecond // 1000
    return f"{local_time(at, zone)[11:]},{thousandths:03}"


def span(start: int, long: int, zone: ZoneInfo | None) -> str:
    """Return the window of ``long`` seconds that starts at ``start`` as times of day; its end is exclusive."""
    return f"[{local_time(start, zone)[11:]}, {local_time(start + long, zone)[11:]})"
