"""Escaping of hostile text, and times and numbers as people write them."""

from __future__ import annotations

import shlex
import unicodedata
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo


_UNSAFE = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
"""Unicode categories that move the cursor, reorder text or show nothing: controls, bidi marks, line separators."""


def printable(text: str) -> str:
    """Return ``text`` with every character that would control a terminal replaced by an escape sequence."""
    return "".join(
        character.encode("unicode_escape").decode("ascii") if unicodedata.category(character) in _UNSAFE else character
        for character in text
    )


def for_make(value: str) -> str:
    """Return the value of a variable on ``make``'s command line, as one types it in a shell; ``make`` reads ``$$`` as ``$``."""
    return shlex.quote(value.replace("$", "$$"))


def local_time(seconds: float, zone: ZoneInfo | None) -> str:
    """Return ``seconds`` since the epoch as ``YYYY-MM-DD HH:MM:SS`` in ``zone``, or this machine's zone."""
    return datetime.fromtimestamp(seconds, UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def number(value: float, language: str, digits: int = 0) -> str:
    """Return a number as browsers write it in the language; Spanish groups digits only from five digits on."""
    text = f"{value:,.{digits}f}"
    if language != "es":
        return text
    if abs(value) < 10_000:  # noqa: PLR2004 - where Spanish begins to group
        text = text.replace(",", "")
    return text.translate(str.maketrans(",.", ".,"))


def signed(value: float, language: str, digits: int = 0) -> str:
    """Return a number with its sign, as browsers write it; 0 has none."""
    return f"{'+' if round(value, digits) > 0 else ''}{number(round(value, digits) + 0.0, language, digits)}"
