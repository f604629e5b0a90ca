"""Times as files have them: numbers of three units, ISO 8601 and Twitter's own form."""

from __future__ import annotations

import calendar
import math
import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum

MICROSECONDS = 1_000_000
FORMS = "1539202764 (s, ms or us), 2018-10-10T20:19:24Z, Wed Oct 10 20:19:24 +0000 2018"
"""What a time may look like, for whoever has another."""
_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}
# Of the names of zones only those of RFC 822 are the same everywhere; Sentiment140, a much used file, has PDT.
_ZONES = {"UTC": 0, "GMT": 0, "Z": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
_TWITTER = re.compile(
    r"[A-Z][a-z]{2} (?P<month>[A-Z][a-z]{2}) (?P<day>\d{1,2}) (?P<time>\d\d:\d\d:\d\d) "
    r"(?P<zone>[+-]\d{4}|[A-Z]{1,4}) (?P<year>\d{4})"
)
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
_ZONE_BEHIND = re.compile(r" ?(?:([+-]\d\d):?(\d\d))? ?(?:UTC|GMT)?$")
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)


class Unit(StrEnum):
    """How a time is written."""

    AUTO = "auto"
    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"
    ISO = "iso"
    TWITTER = "twitter"


_FACTORS = {Unit.SECONDS: 1_000_000, Unit.MILLISECONDS: 1_000, Unit.MICROSECONDS: 1}
_BOUNDS = ((1e11, Unit.SECONDS), (1e14, Unit.MILLISECONDS), (1e17, Unit.MICROSECONDS))
"""Below each of these a number counts that unit: as seconds the first is the year 5138, as milliseconds it is 1973."""


def micros(value: object, unit: Unit = Unit.AUTO) -> int:
    """Return a time in microseconds since the epoch; raises ValueError, with what would be right, for what is none.

    One without a zone is UTC, as Twitter's exports are.
    """
    if isinstance(value, datetime):
        return _of(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        msg = f"{_shown(value)} is no time: {_right(unit)}"
        raise ValueError(msg)  # noqa: TRY004 - a row's field, not a caller's mistake
    text = value.strip() if isinstance(value, str) else value
    try:
        if isinstance(text, str) and not _NUMBER.fullmatch(text):
            return _of_text(text, unit)
        return _of_number(text, unit)
    except (ValueError, OverflowError):
        msg = f"{_shown(value)} is no time: {_right(unit)}"
        raise ValueError(msg) from None


def written(time: int) -> str:
    """Return microseconds since the epoch as ISO 8601, in UTC."""
    return (_FIRST + timedelta(microseconds=time)).isoformat().replace("+00:00", "Z")


def _right(unit: Unit) -> str:
    if unit is Unit.AUTO:
        return f"it would be one of {FORMS}"
    return f"it was to be of the unit {unit}; COLUMNS=time=…:auto takes any of {FORMS}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"  # noqa: PLR2004 - enough to know it again


def _of_number(number: str | float, unit: Unit) -> int:
    if unit in {Unit.ISO, Unit.TWITTER}:
        raise ValueError
    value = float(number)
    if not math.isfinite(value):
        raise ValueError
    if unit is Unit.AUTO:
        unit = next((unit for bound, unit in _BOUNDS if abs(value) < bound), Unit.AUTO)
    factor = _FACTORS.get(unit, 0)
    if not factor:
        raise ValueError
    # A whole number stays exact: as a double, microseconds of today would be rounded.
    exact = int(number) if isinstance(number, int) or (isinstance(number, str) and number.lstrip("+-").isdecimal()) else None
    found = exact * factor if exact is not None else round(value * factor)
    written(found)  # raises OverflowError beyond the year 9999
    return found


def _of_text(text: str, unit: Unit) -> int:
    if unit in _FACTORS:
        raise ValueError
    if unit is not Unit.ISO and (found := _TWITTER.fullmatch(text)):
        return _of_twitter(found)
    if unit is Unit.TWITTER:
        raise ValueError
    behind = _ZONE_BEHIND.search(text)
    if behind is not None and behind[0].endswith(("UTC", "GMT")):
        text = text[: behind.start()] + (f"{behind[1]}:{behind[2]}" if behind[1] else "+00:00")
    return _of(datetime.fromisoformat(text))


def _of_twitter(found: re.Match[str]) -> int:
    hour, minute, second = map(int, found["time"].split(":"))
    zone = found["zone"]
    hours = timedelta(hours=_ZONES[zone]) if zone in _ZONES else None
    if hours is None:
        sign = -1 if zone[0] == "-" else 1
        hours = sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5]))
    month = _MONTHS.get(found["month"], 0)  # 0 is no month: ValueError
    local = datetime(int(found["year"]), month, int(found["day"]), hour, minute, min(second, 59), tzinfo=UTC)
    return _of(local - hours + timedelta(seconds=second - min(second, 59)))


def _of(time: datetime) -> int:
    aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    return (aware - _FIRST) // timedelta(microseconds=1)
