"""The sources of slides, memoria and notes: what one edits is what the PDF was set from, and no tweet is markup in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
import typst
from fakes.trending.page import HOSTILE
from fakes.trending.report import measured, report
from fakes.trending.shown import pdf_pages

from trending.report.blocks import Chapter, Code, Photo, Points, Table, Text
from trending.report.data import Counted, Minute, Report
from trending.report.defence.marp import DENSE, markdown_of, marp_source
from trending.report.defence.talk import notes
from trending.report.passages import page_drawing
from trending.report.pdf import SETS
from trending.report.slides import slides
from trending.report.wording import LANGUAGES, Language, Wording
from trending.report.writing import delete_files, write_files

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("defence")
    write_files(report(), made)
    return made


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_edited_source_is_set_with_what_lies_beside_it(language: Language, place: Path) -> None:
    names = SETS[language]
    source = place / names.sources / f"{names.slides}.typ"
    text = source.read_text(encoding="utf-8")
    title = slides(report(), Wording(language))[1].title
    edited = place / names.sources / "edited.typ"
    edited.write_text(text.replace(title, "My own heading"), encoding="utf-8")
    pages = pdf_pages(typst.Compiler(root=place, ignore_system_fonts=True).compile(edited, format="pdf"))  # type: ignore[arg-type]
    edited.unlink()
    assert len(pages) == len(slides(report()))
    assert "My own heading" in pages[1]
    assert title not in pages[1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_slide_has_notes_and_time_in_both_sources_and_in_the_speakers_notes(language: Language, place: Path) -> None:
    tell, names = Wording(language), SETS[language]
    shown = slides(report(), tell)
    typ, marp = ((place / names.sources / f"{names.slides}.{kind}").read_text(encoding="utf-8") for kind in ("typ", "md"))
    printed = "".join(pdf_pages((place / names.folder / f"{names.notes}.pdf").read_bytes()))
    spoken = "".join(printed.split()).replace("-", "")
    assert len({slide.notes for slide in shown}) == len(shown)
    for slide in shown:
        assert f'notes: "{slide.notes}"' in typ
        assert f"{slide.seconds} s\n{slide.notes}" in marp
        assert "".join(slide.notes.split()).replace("-", "") in spoken
    assert marp.count("\n---\n") == len(shown), "one closes the head"
    assert [slide.title for slide in shown if not slide.seconds] == [shown[-1].title], "the plan is not for the talk"
    whole = sum(slide.seconds for slide in shown)
    assert 12 * 60 <= whole <= 15 * 60
    last = notes(shown, tell)[-2].blocks[0]
    assert isinstance(last, Points)
    assert last.lines[0].count(f"{whole // 60}:{whole % 60:02}") == 2


def hostile() -> Report:
    leaders = tuple(Counted(hashtag=hashtag, stream=9, batch=9) for hashtag in (*HOSTILE, '")#eval("1")//', "-->", "```"))
    minute = Minute(start=0, stream=54, batch=54, hashtags=6, differing=0, leaders=leaders)
    return report(measured=measured(minutes=(minute,)))


def test_hostile_words_are_text_in_the_sources(tmp_path: Path) -> None:
    write_files(hostile(), tmp_path)
    pages = "".join(pdf_pages((tmp_path / "memoria.pdf").read_bytes()))
    assert '")#eval("1")//' in pages
    marp = (tmp_path / "fuentes" / "diapositivas.md").read_text(encoding="utf-8")
    assert "script" in marp
    assert re.findall(r"(?<!\\)<(?!!--)", marp) == [], "no tag but the comments' own"
    assert marp.count("-->") - marp.count(DENSE) == len(slides(report())), "a hashtag ends no comment"


def test_markdown_shows_code_tables_and_photos_as_they_are() -> None:
    slide = Chapter(
        "T*",
        (
            Text("a_b"),
            Points(("x",), numbered=True),
            Code("c", "```\nline"),
            Table("t", ("h", "k"), (("a|b", "1"),), frozenset({1})),
            Photo("p", "pagina.png", "alt"),
        ),
        "say",
        30,
    )
    made = marp_source([slide], "es", "d", "..")
    for expected in (
        r"# T\*",
        r"a\_b",
        "1. x",
        "    ```\n    line",
        r"| a\|b | 1 |",
        "|---|---:|",
        r"![alt](../pagina.png)",
        "30 s",
    ):
        assert expected in made


@pytest.mark.parametrize(("rows", "dense"), [(3, 0), (20, 1)])
def test_what_marp_would_clip_is_set_smaller(rows: int, dense: int) -> None:
    slide = Chapter("T", (Table("t", ("h",), (("a",),) * rows, frozenset()), Text("word " * 40)), "say", 30)
    made = marp_source([slide], "es", "d", "..")
    assert made.count(DENSE + "# T") == made.count(DENSE) == dense


@pytest.mark.parametrize(
    "words",
    [
        "Start-up: it took 1.40 s, of (12).",
        "at 07:03:20.915, #BigData led with 1,200 + 3",
        "Kafka 4.4.0 = the broker; who? me!",
    ],
)
def test_usual_sentences_stand_in_marps_source_as_they_are(words: str) -> None:
    assert markdown_of(words) == words


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("# x", r"\# x"),
        ("- x", r"\- x"),
        ("12. x", r"12\. x"),
        ("a :smile: b", "a :&NoBreak;smile: b"),
        ("a5:100:", "a5:&NoBreak;100:"),
        ("x:a_b:", r"x:&NoBreak;a\_b:"),
        (":+1:", ":&NoBreak;+1:"),
        ("example.com", r"example\.com"),
        ("http://x", r"http\://x"),
        ("&amp; & b", r"\&amp; & b"),
        ("$a$ <b> [c](d) *e* _f_ `g`", r"\$a\$ \<b\> \[c\](d) \*e\* \_f\_ \`g\`"),
    ],
)
def test_what_marp_would_obey_is_escaped(words: str, shown: str) -> None:
    assert markdown_of(words) == shown


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_a_browser_the_page_is_drawn_from_the_data(language: Language) -> None:
    tell = Wording(language)
    drawn = page_drawing(report(), tell)
    shown = [each.text or "" for each in ET.fromstring(drawn.svg).iter() if each.tag.endswith("text")]  # noqa: S314 - ours
    for expected in ("#BigData", tell.number(412), tell("audit_clean"), tell("drawn_title"), "kafka", "stream"):
        assert expected in shown
    assert "#BigData: 412" in drawn.alt
    wrong = measured(minutes=(), audit=measured().audit.model_copy(update={"clean": False, "lost": 7}))
    worse = page_drawing(report(measured=wrong), tell)
    assert tell("audit_wrong") in worse.svg
    assert tell("drawn_none") in worse.svg
    assert re.search(rf"{tell('drawn_proof', lost='7', duplicated='0')}", worse.svg)


def test_all_that_was_written_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    write_files(report(), tmp_path)
    mine = tmp_path / "en" / "sources" / "mine.typ"
    mine.write_text("mine", encoding="utf-8")
    delete_files(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]
    mine.unlink()
    write_files(report(), tmp_path)
    delete_files(tmp_path)
    assert list(tmp_path.iterdir()) == []
