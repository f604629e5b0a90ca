"""The memoria in both languages: every figure from the data, what is missing told, chapters as a report of this kind has them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from fakes.trending.memory import folder_in_memory
from fakes.trending.report import facts, measured, report
from fakes.trending.shown import NUMBER, pdf_pages

from trending.report.blocks import Code, Picture, Points, Table, Text
from trending.report.defence import prose
from trending.report.defence.memoria import memoria, named_blocks
from trending.report.passages import told
from trending.report.pdf import memoria_pdf
from trending.report.wording import LANGUAGES, WORDS, Language, Wording, catalogue

if TYPE_CHECKING:
    from pathlib import Path

    from trending.report.blocks import Block, Chapter
    from trending.report.data import Report

CHAPTERS: dict[Language, tuple[str, ...]] = {
    "es": (
        "Introducción",
        "Por qué un simulador",
        "Por qué contenedores",
        "Infraestructura",
        "El productor",
        "El consumidor",
        "Resultados",
        "Streaming frente a lotes",
        "Retos y soluciones",
        "Conclusiones",
        "Trabajo futuro",
        "Referencias",
    ),
    "en": (
        "Introduction",
        "Why a simulator",
        "Why containers",
        "Infrastructure",
        "The producer",
        "The consumer",
        "Results",
        "Stream against batch",
        "Challenges and solutions",
        "Conclusions",
        "Future work",
        "References",
    ),
}


def words(block: Block) -> str:
    match block:
        case Text(text) | Code(_, text):
            return text
        case Points(lines):
            return "\n".join(lines)
        case Table(caption, heads, rows):
            return "\n".join((caption, *heads, *(cell for row in rows for cell in row)))
        case Picture(caption, svg, alt):
            shown = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
            return "\n".join((caption, alt, *shown))
    return ""


def said(chapters: tuple[Chapter, ...]) -> str:
    """What the memoria says, but for its references, whose numbers are those of other people's works."""
    return "\n".join(words(block) for chapter in chapters[:-1] for block in chapter.blocks)


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_has_the_chapters_of_such_a_report_an_index_and_who_defends_it(language: Language) -> None:
    made = memoria(report(), Wording(language))
    assert tuple(chapter.title for chapter in made) == CHAPTERS[language]
    assert all(chapter.blocks for chapter in made)
    with folder_in_memory() as folder:
        from pathlib import Path  # noqa: PLC0415 - for types only elsewhere

        pages = pdf_pages(memoria_pdf(report(), Path(folder), Wording(language)))
    cover, index = pages[0], pages[1]
    role, title = ("productor", "mientras llegan") if language == "es" else ("producer", "as they arrive")
    for expected in (title, f"Ada Lovelace: {role}", "Dra. Hopper, Dr. Codd", "16", "2025", "Universidad de Ejemplo"):
        assert expected in " ".join(cover.split())
    assert all(title in index for title in CHAPTERS[language])
    assert all(page.strip() for page in pages), "no page is empty"


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_number_stands_in_its_prose_so_each_figure_is_the_runs(language: Language) -> None:
    text = (WORDS / f"memoria.{language}.md").read_text(encoding="utf-8")
    prose_only = re.sub(r"\{[{%].*?[%}]\}", "", text[: text.rindex("\n# ")])
    assert NUMBER.findall(prose_only) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_figure_of_the_run_that_it_tells_changes_with_the_run(language: Language) -> None:
    tell = told(report(), Wording(language))
    before = said(memoria(report(), tell))
    known = measured()
    assert known.stream.ages is not None
    assert known.minutely is not None
    assert known.minutely.ages is not None
    changes: dict[str, tuple[Report, str]] = {
        "tweets": (with_measured(totals=known.totals.model_copy(update={"tweets": 987_123})), tell.number(987_123)),
        "windows": (with_measured(totals=known.totals.model_copy(update={"windows": 70_073})), tell.number(70_073)),
        "rate": (with_measured(totals=known.totals.model_copy(update={"tweets_per_second": 71.77})), tell.number(71.77, 2)),
        "lost": (with_measured(audit=known.audit.model_copy(update={"lost": 90_077})), tell.number(90_077)),
        "age": (
            with_measured(
                stream=known.stream.model_copy(update={"ages": known.stream.ages.model_copy(update={"median": 83.21})})
            ),
            tell.number(83.21, 2),
        ),
        "minutely": (
            with_measured(minutely=known.minutely.model_copy(update={"busy": 55.55})),
            tell.number(55.55, 2),
        ),
        "trigger": (report(facts=facts(trigger_seconds=8.25)), tell.number(8.25, 2)),
        "watermark": (report(facts=facts(watermark_seconds=5791)), "5791" if language == "es" else "5,791"),
    }
    for name, (changed, expected) in changes.items():
        after = said(memoria(changed, tell))
        assert expected in after, name
        assert expected not in before, name


def with_measured(**changes: Any) -> Report:
    return report(measured=measured(**changes))


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_missing_is_told_and_nothing_is_put_in_its_place(language: Language, tmp_path: Path) -> None:
    tell = Wording(language)
    stream = measured().stream.model_copy(update={"ages": None, "mean_seconds": None, "state_rows": None})
    batch = measured().batch.model_copy(update={"ages": None})
    made = report(
        facts=facts(start_up=None),
        measured=measured(stream=stream, batch=batch, tweet=None, minutes=(), minutely=None),
        identity=None,
        game_day=None,
        runs=None,
    )
    shown = said(memoria(made, tell))
    for phrase in ("unknown", "way_none", "start_none", "ranking_none", "same_none", "ages_none", "minutely_none"):
        assert tell(phrase) in shown
    assert tell("game_none") in shown
    assert tell("runs_none") in shown
    assert tell("cover_no_identity") in " ".join(pdf_pages(memoria_pdf(made, tmp_path, tell))[0].split())
    assert tell("runs_empty") in said(memoria(report(runs=()), tell))


def test_a_run_that_lost_something_says_so_in_its_conclusions() -> None:
    wrong = measured().audit.model_copy(update={"clean": False})
    for language, sentence in (("es", "no se cumplió en esta ejecución"), ("en", "did not hold in this run")):
        assert sentence in said(memoria(with_measured(audit=wrong), Wording(language)))  # type: ignore[arg-type]


def test_both_languages_have_the_same_phrases_figures_and_blocks() -> None:
    spanish, english = catalogue("es"), catalogue("en")
    assert spanish.keys() == english.keys()
    for name, phrase in spanish.items():
        if isinstance(phrase, str) and name != "photo_none":
            assert sorted(re.findall(r"\{\w+\}", phrase)) == sorted(re.findall(r"\{\w+\}", english[name])), name
        elif isinstance(phrase, list):
            assert len(phrase) == len(english[name]), name
        elif isinstance(phrase, dict) and name != "ways":
            assert phrase.keys() == english[name].keys(), name
    texts = [(WORDS / f"memoria.{language}.md").read_text(encoding="utf-8") for language in LANGUAGES]
    for pattern in (r"\{\{.*?\}\}", r"\{%.*?%\}", r"(?m)^!\w+$"):
        first, second = (re.findall(pattern, text) for text in texts)
        assert first == second
    assert {name[1:] for name in re.findall(r"(?m)^!\w+$", texts[0])} == named_blocks(report(), Wording()).keys()


def test_a_figure_cannot_be_a_heading_and_prose_without_its_figure_is_an_error() -> None:
    made = prose.chapters("# A\n\n{{ x }}\n\n- {{ x }}\n- b\n", {"x": "# B\n\n!c"}, {})
    assert [chapter.title for chapter in made] == ["A"]
    assert made[0].blocks == (Text("# B\n\n!c"), Points(("# B\n\n!c", "b")))
    with pytest.raises(Exception, match="'y' is undefined"):
        prose.chapters("# A\n\n{{ y }}\n", {}, {})
