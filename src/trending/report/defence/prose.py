"""Prose with figures: plain files, taken apart first and filled in afterwards, so that no figure or hashtag can be a heading.

A line ``# …`` begins a chapter, ``- …`` and ``1. …`` are lists, ``!name`` is a table or a picture, the rest are paragraphs.
Figures are Jinja's ``{{ … }}``; what is missing in the data raises an error unless the prose asks for it with ``{% if … %}``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined

from trending.report.blocks import Chapter, Points, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from trending.report.blocks import Block

    Named = Mapping[str, Callable[[], Sequence[Block]]]

_ITEM = re.compile(r"- |\d+\. ")


def chapters(text: str, values: Mapping[str, Any], named: Named) -> tuple[Chapter, ...]:
    """Return the chapters of a prose file with its figures filled in, and its blocks in their places."""
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - its words are data, not markup

    def fill(piece: str) -> str:
        return environment.from_string(piece).render(values).strip()

    made = []
    for part in re.split(r"^# ", text, flags=re.MULTILINE)[1:]:
        title, _line, body = part.partition("\n")
        made.append(Chapter(fill(title), tuple(_blocks(body, fill, named))))
    return tuple(made)


def _blocks(body: str, fill: Callable[[str], str], named: Named) -> Iterator[Block]:
    for piece in filter(None, (piece.strip() for piece in re.split(r"\n\s*\n", body))):
        if piece.startswith("!"):
            yield from named[piece[1:]]()
        elif mark := _ITEM.match(piece):
            lines = tuple(fill(_ITEM.sub("", line, count=1)) for line in piece.splitlines())
            yield Points(lines, numbered=mark[0] != "- ")
        elif words := fill(piece):
            yield Text(words)
