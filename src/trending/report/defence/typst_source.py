"""Typst sources that a person can edit: every text is a string, so what a tweet says is never markup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trending.report.blocks import Code, Photo, Picture, Points, Table, Text
from trending.report.wording import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from trending.report.blocks import Block, Chapter

    Value = str | int | Sequence[str]


def text_of(words: str) -> str:
    """Return the text as a Typst string."""
    escaped = clean(words).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _value(value: Value) -> str:
    if isinstance(value, int):
        return str(value)
    return text_of(value) if isinstance(value, str) else tuple_of(map(text_of, value))


def tuple_of(values: Iterable[str]) -> str:
    """Return values as a Typst array; the comma at its end makes one of a single value too."""
    return "(" + "".join(f"{value}, " for value in values).rstrip(" ") + ")"


def source(library: str, head: Mapping[str, Value], chapters: Sequence[Chapter], name: str) -> tuple[str, dict[str, str]]:
    """Return a document's source and its pictures by file name; ``library`` is ``deck`` or ``book``, ``name`` the document's."""
    call = "slide" if library == "deck" else "chapter"
    pictures: dict[str, str] = {}
    lines = [
        f"// typst compile --root ROOT {name}.typ, where ROOT is the report's directory: the figures are already in the text.",
        f'#import "{library}.typ": *',
        "",
        f"#show: {library}.with(",
        *(f"  {field}: {_value(value)}," for field, value in head.items()),
        ")",
    ]
    for place, chapter in enumerate(chapters, 1):
        lines += ["", f"#{call}(", f"  title: {text_of(chapter.title)},"]
        if library == "deck":
            lines += [f"  seconds: {chapter.seconds},", f"  notes: {text_of(chapter.notes)},"]
        for number, block in enumerate(chapter.blocks, 1):
            file = f"{name}-{place:02}-{number}.svg"
            if isinstance(block, Picture):
                pictures[file] = block.svg
            lines += _indented(_call(block, file))
        lines.append(")")
    return "\n".join(lines) + "\n", pictures


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in f"{text},".splitlines()]


def _call(block: Block, file: str) -> str:
    match block:
        case Text(words):
            return f"words({text_of(words)})"
        case Points(lines, numbered):
            return _listed("steps" if numbered else "points", map(text_of, lines))
        case Code(caption, text):
            return f"code(caption: {text_of(caption)}, {text_of(text)})"
        case Picture(caption, _svg, alt):
            return _listed("picture", (text_of(file), f"caption: {text_of(caption)}", f"alt: {text_of(alt)}"))
        case Photo(caption, name, alt):
            return _listed("photo", (text_of(f"/{name}"), f"caption: {text_of(caption)}", f"alt: {text_of(alt)}"))
        case Table(caption, heads, rows, figures):
            fields = [f"caption: {text_of(caption)}", f"heads: {tuple_of(map(text_of, heads))}"]
            fields.append(f"figures: {tuple_of(map(str, sorted(figures)))}")
            return _listed("data", (*fields, *(tuple_of(map(text_of, row)) for row in rows)))


def _listed(call: str, fields: Iterable[str]) -> str:
    return f"{call}(\n" + "".join(f"  {field},\n" for field in fields) + ")"
