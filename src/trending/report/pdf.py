"""Documents as PDF by Typst, set from the very sources that one can edit."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typst

from trending.errors import LabError
from trending.report.defence.cover import authors_of, cover_lines, title_of
from trending.report.defence.marp import marp_source
from trending.report.defence.memoria import memoria
from trending.report.defence.talk import notes
from trending.report.defence.typst_source import source
from trending.report.passages import told
from trending.report.slides import slides
from trending.report.wording import SPANISH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trending.report.blocks import Chapter
    from trending.report.data import Report
    from trending.report.wording import Language, Wording

TEMPLATES = Path(__file__).parent / "templates"
LIBRARIES: Final = ("blocks.typ", "book.typ", "deck.typ")
STANDARD: Final = "ua-1"
"""PDF/UA-1: Typst refuses to write a PDF that a screen reader cannot follow, for example a picture without a description."""


@dataclass(frozen=True, slots=True)
class Set:
    """The names of one language's files; ``photos`` is the way from its sources to the report's directory."""

    folder: str
    sources: str
    memoria: str
    slides: str
    notes: str
    photos: str


SETS: Final[Mapping[Language, Set]] = {
    "es": Set("", "fuentes", "memoria", "diapositivas", "notas", ".."),
    "en": Set("en", "en/sources", "report", "slides", "notes", "../.."),
}


def slides_pdf(report: Report, place: Path, tell: Wording = SPANISH) -> bytes:
    """Return the slides as PDF, one page each; their source is left in ``place``. Raises LabError where Typst refuses."""
    names = SETS[tell.language]
    made = slides(report, tell)
    sources = _prepared(place / names.sources)
    marp = marp_source(made, tell.language, names.slides, names.photos)
    (sources / f"{names.slides}.md").write_text(marp, encoding="utf-8")
    head = {"title": title_of(report, tell), **_head(report, tell)}
    return _set(report, place, sources, "deck", head, made, names.slides)


def memoria_pdf(report: Report, place: Path, tell: Wording = SPANISH) -> bytes:
    """Return the memoria as PDF; its source is left in ``place``. Raises LabError where Typst refuses."""
    names, tell = SETS[tell.language], told(report, tell)
    run = tell("cover_run", stack=report.facts.stack, day=tell.day(report.made))
    lines = [*cover_lines(report, tell), f"{run}. {tell('cover_every')}"]
    authors = authors_of(report, tell)
    if authors:
        lines.remove(" · ".join(authors))
    head = {
        "title": title_of(report, tell),
        "kind": tell("cover_report"),
        **_head(report, tell),
        "cover": lines,
        "authors-title": tell("cover_authors"),
        "authors": authors,
        "index": tell("index"),
    }
    sources = _prepared(place / names.sources)
    return _set(report, place, sources, "book", head, memoria(report, tell), names.memoria)


def notes_pdf(report: Report, place: Path, tell: Wording = SPANISH) -> bytes:
    """Return the speaker's notes as PDF; their source is left in ``place``. Raises LabError where Typst refuses."""
    names = SETS[tell.language]
    head = {"title": title_of(report, tell), "kind": tell("notes_kind"), **_head(report, tell)}
    sources = _prepared(place / names.sources)
    return _set(report, place, sources, "book", head, notes(slides(report, tell), tell), names.notes)


def _head(report: Report, tell: Wording) -> dict[str, str]:
    return {"stack": report.facts.stack, "day": told(report, tell).day(report.made), "language": tell.language}


def _prepared(sources: Path) -> Path:
    sources.mkdir(parents=True, exist_ok=True)
    for name in LIBRARIES:
        shutil.copyfile(TEMPLATES / name, sources / name)
    return sources


def _set(
    report: Report,
    place: Path,
    sources: Path,
    library: str,
    head: Mapping[str, str | Sequence[str]],
    chapters: Sequence[Chapter],
    name: str,
) -> bytes:
    text, pictures = source(library, head, chapters, name)
    for file, svg in pictures.items():
        (sources / file).write_text(svg, encoding="utf-8")
    main = sources / f"{name}.typ"
    main.write_text(text, encoding="utf-8")
    compiler = typst.Compiler(root=place, ignore_system_fonts=True)
    try:
        made = compiler.compile(main, format="pdf", pdf_standards=STANDARD, timestamp=int(report.made))
    except typst.TypstError as error:
        cause = f"{name} could not be set as PDF"
        raise LabError(cause, error.message, "open diapositivas.html or informe.html instead") from error
    assert isinstance(made, bytes)  # noqa: S101 - a PDF is one file
    return made
