"""The slides as Marp's Markdown: another source that one can edit, with the notes as its presenter's notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trending.report.blocks import Code, Photo, Picture, Points, Table, Text
from trending.report.defence.typst_source import markdown_of
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
---
"""


def marp_source(slides: Sequence[Chapter], language: str, name: str, photos: str) -> str:
    """Return the slides as Markdown; pictures are named as the Typst source of ``name`` does, photos lie in ``photos``."""
    made = []
    for place, slide in enumerate(slides, 1):
        shown = [_markdown(block, f"{name}-{place:02}-{number}.svg", photos) for number, block in enumerate(slide.blocks, 1)]
        note = f"<!--\n{slide.seconds} s\n{slide.notes}\n-->"
        made.append("\n\n".join((f"# {markdown_of(slide.title)}", *shown, note)))
    return HEAD.format(language=language) + "\n" + "\n\n---\n\n".join(made) + "\n"


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
