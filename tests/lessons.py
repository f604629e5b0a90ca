"""The commands of the lessons and the lines that they must print, in the order of the course."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
COURSES = {"en": DOCS / "course", "es": DOCS / "curso"}
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANYTHING = "…"


@dataclass(frozen=True)
class Step:
    """Commands that are run one after the other, and lines that their output must have in this order."""

    lesson: str
    commands: tuple[str, ...]
    expected: tuple[str, ...]


def lessons(language: str) -> list[Path]:
    """Return the lessons of a language in order."""
    return sorted(COURSES[language].glob("[0-9]-*.md"))


def steps(language: str) -> list[Step]:
    """Return the steps of all lessons of a language."""
    found: list[Step] = []
    for lesson in lessons(language):
        for kind, text in BLOCK.findall(lesson.read_text(encoding="utf-8")):
            lines = tuple(text.splitlines())
            if kind == "sh":
                found.append(Step(lesson.name[0], lines, ()))
            else:
                last = found[-1]
                found[-1] = Step(last.lesson, last.commands, last.expected + lines)
    return found


def missing(expected: tuple[str, ...], output: str) -> list[str]:
    """Return the expected lines that do not come in the output, in their order; … stands for anything within a line."""
    patterns = [re.compile(".*".join(re.escape(part) for part in line.rstrip().split(ANYTHING))) for line in expected]
    lines = iter(output.splitlines())
    return [
        line
        for line, pattern in zip(expected, patterns, strict=True)
        if not any(pattern.fullmatch(each.rstrip()) for each in lines)
    ]
