"""The blocks of chapters and slides, which HTML and PDF render each in their own way. Texts are text, never markup."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    words: str


@dataclass(frozen=True, slots=True)
class Points:
    """A list; ``numbered`` where the order matters."""

    kind: ClassVar[str] = "points"
    lines: tuple[str, ...]
    numbered: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table; ``figures`` are the columns (counted from 0) that hold numbers and are right-aligned."""

    kind: ClassVar[str] = "table"
    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    figures: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Code:
    """Lines exactly as a terminal shows them."""

    kind: ClassVar[str] = "code"
    caption: str
    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing: SVG with its labels, and a description for those who cannot see it."""

    kind: ClassVar[str] = "picture"
    caption: str
    svg: str
    alt: str


@dataclass(frozen=True, slots=True)
class Photo:
    """A PNG picture, named by its file beside the report."""

    kind: ClassVar[str] = "photo"
    caption: str
    name: str
    alt: str


Block = Text | Points | Table | Code | Picture | Photo


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter of the report or one slide, which has what to say and how many seconds it may take; 0 is not for the talk."""

    title: str
    blocks: tuple[Block, ...]
    notes: str = ""
    seconds: int = 0
