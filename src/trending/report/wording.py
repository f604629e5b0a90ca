"""Figures, times and names as the report writes them, and its phrases in Spanish and English."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from trending.text import local_time, printable
from trending.text import number as localised

if TYPE_CHECKING:
    from datetime import date
    from zoneinfo import ZoneInfo

Language = Literal["es", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("es", "en")
WORDS: Final = Path(__file__).parent / "words"


@cache
def catalogue(language: Language) -> dict[str, Any]:
    """Return the phrases of a language by name; its tables are words by name."""
    return tomllib.loads((WORDS / f"phrases.{language}.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Wording:
    """How a language says things; ``zone`` is the time zone for display."""

    language: Language = "es"
    zone: ZoneInfo | None = None

    def __call__(self, phrase: str, **values: str) -> str:
        """Return a phrase with its values filled in; what a value says is never read as a phrase."""
        text: str = catalogue(self.language)[phrase]
        return text.format_map(values) if values else text

    def word(self, table: str, name: str) -> str:
        """Return the word for a name of ours; what has no word keeps its name."""
        words: dict[str, str] = catalogue(self.language)[table]
        return words.get(name, name)

    def words(self, phrase: str) -> tuple[str, ...]:
        """Return a list of the catalogue, such as the heads of a table."""
        return tuple(catalogue(self.language)[phrase])

    @property
    def unknown(self) -> str:
        """What stands where nobody knows the figure."""
        return self("unknown")

    def number(self, value: float | None, digits: int = 0) -> str:
        """Return a number with so many decimals, or the word for an unknown one."""
        return self.unknown if value is None else localised(value, self.language, digits)

    def seconds(self, value: float | None) -> str:
        """Return a duration in seconds: to the hundredth, unless it is whole."""
        return self.unknown if value is None else f"{self.number(value, 0 if value == int(value) else 2)} s"

    def clock(self, at: float) -> str:
        """Return the time of day to the millisecond."""
        thousandths = datetime.fromtimestamp(at, UTC).microsecond // 1000
        return f"{local_time(at, self.zone)[11:]}{',' if self.language == 'es' else '.'}{thousandths:03}"

    def day(self, at: float) -> str:
        """Return date and time to the second."""
        return local_time(at, self.zone)

    def span(self, start: int, long: int) -> str:
        """Return the window of ``long`` seconds that starts at ``start`` as times of day; its end is exclusive."""
        return f"[{local_time(start, self.zone)[11:]}, {local_time(start + long, self.zone)[11:]})"

    def date(self, day: date) -> str:
        """Return a day with its month in letters."""
        return self("date", day=str(day.day), month=self.words("months")[day.month - 1], year=str(day.year))


SPANISH: Final = Wording()
UNKNOWN: Final = SPANISH.unknown
OUTCOMES: Final[dict[str, str]] = catalogue("es")["outcomes"]


def number(value: float | None, digits: int = 0) -> str:
    """Return a number in Spanish with so many decimals, or the word for an unknown one."""
    return SPANISH.number(value, digits)


def seconds(value: float | None) -> str:
    """Return a duration in seconds, in Spanish: to the hundredth, unless it is whole."""
    return SPANISH.seconds(value)


def named(name: str) -> str:
    """Return the Spanish name of a step or program."""
    return SPANISH.word("names", name)


def clean(words: str) -> str:
    """Return text with control characters escaped, so that neither terminal nor browser obeys them; line ends stay."""
    return "\n".join(printable(line) for line in words.split("\n"))


def day(at: float, zone: ZoneInfo | None) -> str:
    """Return date and time to the second."""
    return local_time(at, zone)


def clock(at: float, zone: ZoneInfo | None) -> str:
    """Return the time of day to the millisecond, as Spanish writes it."""
    return Wording("es", zone).clock(at)


def span(start: int, long: int, zone: ZoneInfo | None) -> str:
    """Return the window of ``long`` seconds that starts at ``start`` as times of day; its end is exclusive."""
    return Wording("es", zone).span(start, long)
