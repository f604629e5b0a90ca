"""The slides as Marp's Markdown: another source that one can edit, with the notes as its presenter's notes."""

from __future__ import annotations

import re
from math import ceil
from typing import TYPE_CHECKING

from trending.report.blocks import Code, Photo, Picture, Points, Table, Text
from trending.report.wording import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trending.report.blocks import Block, Chapter

HEAD = """---
marp: true
lang: {language}
paginate: true
size: 16:9
style: |
  section {{ font-size: 26px; }}
  table {{ font-size: 20px; }}
  pre {{ font-size: 15px; }}
  img {{ max-height: 440px; }}
  section.dense {{ font-size: 20px; padding: 40px 78px; }}
  section.dense table {{ font-size: 16px; }}
---
"""
DENSE = "<!-- _class: dense -->\n"
ROOM = 563
"""Pixels that Marp's default theme leaves on a slide of 720: it clips what does not fit, and shrinks nothing."""
TITLE, LINE, ROW, CODE_LINE, GAP, PICTURE = 80, 39, 37, 23, 13, 440
"""Heights in pixels: a title, a line of text, of a table and of code, what lies between two blocks, a picture."""
LETTERS = 80
"""Letters in a line of text."""

_MARKUP = re.compile(
    r"[\\`*_{}\[\]<>|~$]"
    r"|^[#+=-]"
    r"|(?<=^\d)[.)]|(?<=^\d\d)[.)]|(?<=^\d{3})[.)]"
    r"|&(?=[\w#])"
    r"|:(?=//)"
    r"|(?<=\w)[.](?=[^\W\d])"  # and makes links of hosts
)
"""What Markdown, HTML or Marp would obey: some signs anywhere, others at a line's start or before what they would name."""
_NAMED_PICTURE = re.compile(r"(?<=:)(?=(?!\d{1,2}:)[\w+-]+:)")
"""Marp draws :smile: and :100: as pictures that it fetches, also where the colon is escaped. A time is none."""
_JOINER = "\u2060"


def markdown_of(words: str) -> str:
    """Return the text as Markdown that shows just that text in Marp; within ``:smile:`` stands a joiner that has no width."""
    joined = _NAMED_PICTURE.sub(_JOINER, clean(words).replace("\n", " "))
    return _MARKUP.sub(r"\\\g<0>", joined).replace(_JOINER, "&NoBreak;")


def marp_source(slides: Sequence[Chapter], language: str, name: str, photos: str) -> str:
    """Return the slides as Markdown; pictures are named as the Typst source of ``name`` does, photos lie in ``photos``."""
    made = []
    for place, slide in enumerate(slides, 1):
        shown = [_markdown(block, f"{name}-{place:02}-{number}.svg", photos) for number, block in enumerate(slide.blocks, 1)]
        dense = DENSE if TITLE + sum(map(height, slide.blocks)) > ROOM else ""
        note = f"<!--\n{slide.seconds} s\n{slide.notes}\n-->"
        made.append("\n\n".join((f"{dense}# {markdown_of(slide.title)}", *shown, note)))
    return HEAD.format(language=language) + "\n" + "\n\n---\n\n".join(made) + "\n"


def height(block: Block) -> int:
    """Return the pixels that a block takes at the usual size, about."""
    match block:
        case Text(words):
            return GAP + LINE * ceil(len(words) / LETTERS)
        case Points(lines):
            return GAP + sum(LINE * ceil(len(line) / LETTERS) for line in lines)
        case Code(_, text):
            return 2 * GAP + LINE + CODE_LINE * (1 + len(text.split("\n")))
        case Table(_, _, rows):
            return 2 * GAP + LINE + ROW * (1 + len(rows))
        case Picture() | Photo():
            return PICTURE


def _markdown(block: Block, file: str, photos: str) -> str:
    match block:
        case Text(words):
            return markdown_of(words)
        case Points(lines, numbered):
            return "\n".join(f"{'1.' if numbered else '-'} {markdown_of(line)}" for line in lines)
        case Code(caption, text):
            # Indented lines are code whatever stands in them: no fence that they could close.
            return f"{markdown_of(caption)}\n\n" + "\n".join(f"    {line}" for line in clean(text).split("\n"))
        case Picture(caption, _svg, alt):
            return f"![{markdown_of(alt)}]({file})\n\n{markdown_of(caption)}"
        case Photo(caption, name, alt):
            return f"![{markdown_of(alt)}]({photos}/{name})\n\n{markdown_of(caption)}"
        case Table(caption, heads, rows, figures):
            under = ["---:" if column in figures else "---" for column in range(len(heads))]
            cells = ["| " + " | ".join(markdown_of(cell) for cell in line) + " |" for line in (heads, *rows)]
            return "\n".join((markdown_of(caption), "", cells[0], "|" + "|".join(under) + "|", *cells[1:]))
