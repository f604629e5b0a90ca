"""The choice between the languages of the page, and the words that depend on a window's length or on a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trending.page.wording.english import ENGLISH
from trending.page.wording.spanish import SPANISH
from trending.settings import MINUTE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

LANGUAGES: Final = ("es", "en")
DEFAULT: Final = "en"

WORDS: Final = {"en": ENGLISH, "es": SPANISH}
_OTHER: Final = "other_"
"""Begins the names of the words for windows that are not a minute long."""


def of_length(words: Mapping[str, str], name: str, seconds: int) -> str:
    """Return a word as it reads for windows of that many seconds; most are the same for any length. The script does so too."""
    chosen = words[name] if seconds == MINUTE_SECONDS else words.get(_OTHER + name, words[name])
    return chosen.replace("{n}", str(seconds))


def counted(words: Mapping[str, str], name: str, value: float) -> str:
    """Return a word as it reads after that number. The script does so too."""
    return words[f"{name}_one" if value == 1 else name]


def choose_language(requested: str | None, kept: str | None, accepted: str) -> str:
    """Return the language: the one asked for, else the one kept in the cookie, else the browser's first choice that exists."""
    for choice in (requested, kept):
        if choice in LANGUAGES:
            return choice
    weighted = [_weight(part) for part in accepted.split(",")]
    for _quality, language in sorted((each for each in weighted if each[0] > 0), key=lambda each: -each[0]):
        if language in LANGUAGES:
            return language
    return DEFAULT


def _weight(part: str) -> tuple[float, str]:
    tag, _separator, parameter = part.strip().partition(";")
    name, _equals, quality = parameter.strip().partition("=")
    try:
        weight = float(quality) if name == "q" else 1.0
    except ValueError:
        weight = 0.0
    return weight, tag.strip().split("-")[0].lower()
