"""Who defends what, when and before whom: ``defence.toml``, checked field by field."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from typing import TYPE_CHECKING, Final

from pydantic import Field, ValidationError

from trending.errors import InvalidInput
from trending.report.defence.part import Part

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

FILE: Final = "defence.toml"
SAMPLE: Final = "defence.sample.toml"
_LONGEST = 300


class Author(Part):
    """One author and what he or she did; ``role_en`` is for the English set."""

    name: str = Field(min_length=1, max_length=_LONGEST)
    role: str = Field("", max_length=_LONGEST)
    role_en: str = Field("", max_length=_LONGEST)


class Identity(Part):
    """What the covers say. The fields that end in ``_en`` are for the English set, which else takes those without it."""

    title: str = Field(min_length=1, max_length=_LONGEST)
    title_en: str = Field("", max_length=_LONGEST)
    subject: str = Field(min_length=1, max_length=_LONGEST)
    subject_en: str = Field("", max_length=_LONGEST)
    institution: str = Field("", max_length=_LONGEST)
    date: date
    authors: tuple[Author, ...] = Field(min_length=1)
    tribunal: tuple[str, ...] = ()


_RIGHT = {
    "title": 'title = "Tendencias en directo"',
    "subject": 'subject = "Infraestructuras de datos"',
    "date": "date = 2026-12-15",
    "authors": '[[authors]] with name = "…" and role = "…", once for each author',
    "name": 'name = "Ada Lovelace"',
    "tribunal": 'tribunal = ["Dra. Hopper", "Dr. Codd"]',
}
"""What would be right in a field; another one wants text in quotes."""


def read_identity(path: Path, *, required: bool) -> Identity | None:
    """Return what the file says, or None without it, unless it is ``required``. Raises InvalidInput with file, line and field."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        if not required:
            return None
        cause = f"there is no file {path}"
        raise InvalidInput(cause, "DEFENCE names it", f"cp {SAMPLE} {FILE}, and fill it in") from error
    except (OSError, UnicodeDecodeError) as error:
        cause = f"{path} cannot be read"
        raise InvalidInput(cause, str(error), f"a text file in UTF-8, as {SAMPLE} is one") from error
    try:
        return Identity.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        cause = f"{path} is no TOML"
        raise InvalidInput(cause, str(error), 'text in quotes: title = "…"; a day without them: date = 2026-12-15') from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        cause = f"{_place(path, text, first['loc'])}: {_wrong(first)}"
        raise InvalidInput(cause, _evidence(error), _right(first)) from error


def _place(path: Path, text: str, loc: Sequence[str | int]) -> str:
    line = line_of(text, loc)
    return f"{path}, {f'line {line}, ' if line else ''}field {'.'.join(str(each) for each in loc)}"


def line_of(text: str, loc: Sequence[str | int]) -> int:
    """Return the line on which a field or its table stands, counted from 1; 0 where the file has neither."""
    name, begun = re.escape(str(loc[0])), 0
    lines = list(enumerate(text.splitlines(), 1))
    if len(loc) > 1 and isinstance(loc[1], int):
        tables = [number for number, line in lines if re.match(rf"\s*\[\[\s*{name}\s*\]\]", line)]
        begun = tables[loc[1]] if loc[1] < len(tables) else 0
    if begun and len(loc) > 2:  # noqa: PLR2004 - table, place in it, field
        name = re.escape(str(loc[2]))
        for number, line in lines[begun:]:
            if re.match(r"\s*\[", line):
                break
            if re.match(rf"\s*[\"']?{name}[\"']?\s*=", line):
                return number
    if begun:
        return begun
    found = (number for number, line in lines if re.match(rf"\s*(\[+\s*)?[\"']?{name}[\"']?\s*[=\]]", line))
    return next(found, 0)


def _wrong(error: ErrorDetails) -> str:
    if error["type"] == "missing":
        return "is missing"
    if error["type"] == "extra_forbidden":
        return "is no field of this file"
    return error["msg"][0].lower() + error["msg"][1:]


def _evidence(error: ValidationError) -> str:
    given = error.errors(include_url=False)[0]
    others = error.error_count() - 1
    shown = "" if given["type"] == "missing" else f"it says {given['input']!r:.80}"
    return "; ".join(filter(None, (shown, f"{others} more fields are wrong" if others else ""))) or "a cover cannot do without it"


def _right(error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        fields = Author.model_fields if len(error["loc"]) > 1 else Identity.model_fields
        return f"one of {', '.join(fields)}"
    named = [str(each) for each in error["loc"] if isinstance(each, str)][-1]
    return _RIGHT.get(named, f'{named} = "…", of at most {_LONGEST} letters')
