"""Times as the page shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trending.text import local_time

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

CLOCK_SECONDS = 43_200.0
"""A time that lies further back is shown with its date."""


def clock(at: float, now: float, zone: ZoneInfo | None) -> str:
    """Return a time of day, with its date where it is long ago; empty for 0."""
    if not at:
        return ""
    text = local_time(at, zone)
    return text[:16] if now - at > CLOCK_SECONDS else text[11:]
