"""Report and slides as files: nothing to fetch, nothing obeyed, one source for HTML and PDF."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from fakes.trending.page import HOSTILE
from fakes.trending.report import BLOCK, facts, measured, report
from fakes.trending.shown import pdf_pages, take_apart

from trending.drawing.bars import Bar, bars
from trending.drawing.svg import short
from trending.errors import LabError
from trending.report import pdf as pdf_module
from trending.report.blocks import Picture
from trending.report.data import Audit, Component, Counted, Minute, Report
from trending.report.diagrams import house, page
from trending.report.documents import policy, report_html, slides_html
from trending.report.pdf import slides_pdf
from trending.report.slides import slides
from trending.report.writing import write_files

if TYPE_CHECKING:
    from pathlib import Path

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")


def hostile_report() -> Report:
    leaders = tuple(Counted(hashtag=hashtag, stream=9, batch=9) for hashtag in HOSTILE)
    minute = Minute(start=0, stream=54, batch=54, hashtags=6, differing=0, leaders=leaders)
    way = measured().tweet
    assert way is not None
    tweet = way.model_copy(update={"user": HOSTILE[0], "text": HOSTILE[2] + HOSTILE[5], "hashtag": HOSTILE[1]})
    audit = measured().audit.model_copy(update={"lines": HOSTILE})
    return report(
        facts=facts(stack="lab", bootstrap=HOSTILE[2]),
        measured=measured(minutes=(minute,), tweet=tweet, audit=audit, blocks=(BLOCK.replace("#BigData", HOSTILE[0]),)),
    )


@pytest.mark.parametrize("make", [report_html, slides_html])
def test_a_page_fetches_nothing_and_its_policy_would_not_let_it(make: object, tmp_path: Path) -> None:
    assert callable(make)
    page = take_apart(make(report(), tmp_path))
    assert [link for _name, link in page.links if not link.startswith(("#", "data:image/png;base64,"))] == []
    assert page.policy.startswith("default-src 'none'; ")
    assert "unsafe" not in page.policy
    assert "http" not in page.policy
    assert "style" not in page.attributes, "the policy lets only the one style sheet in"
    assert [name for name in page.attributes if name.startswith("on")] == []


def test_the_policy_names_the_very_style_and_script_that_are_in_the_page(tmp_path: Path) -> None:
    html = slides_html(report(), tmp_path)
    style, script = (re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL) for tag in ("style", "script"))
    assert len(style) == len(script) == 1
    assert take_apart(html).policy == policy(style[0], script[0])
    assert "script" not in take_apart(report_html(report(), tmp_path)).tags


@pytest.mark.parametrize("make", [report_html, slides_html])
def test_hostile_words_are_text(make: object, tmp_path: Path) -> None:
    assert callable(make)
    plain, page = take_apart(make(report(), tmp_path)), take_apart(make(hostile_report(), tmp_path))
    assert "img" not in page.tags
    assert page.tags.count("script") == plain.tags.count("script")
    assert [name for name in page.attributes if name.startswith("on")] == []
    for words in (HOSTILE[0], "#\\u202eevil", HOSTILE[2], HOSTILE[4], HOSTILE[5]):
        assert words in page.text
    assert "\u202e" not in page.text


def test_hostile_words_are_text_in_the_pdf_too(tmp_path: Path) -> None:
    pages = pdf_pages(slides_pdf(hostile_report(), tmp_path))
    assert len(pages) == len(slides(report()))
    assert "<script>alert(1)</script>" in "".join(pages)
    assert "{{ 7 * 7 }}" in "".join(pages)


def test_there_are_fifteen_slides_and_each_is_one_page_whatever_the_run_brought(tmp_path: Path) -> None:
    lines = tuple(f"audit: differs: 2025-12-16 00:31:00 #hashtag{number}: log {number}, store 0" for number in range(60))
    audit = Audit(clean=False, acknowledged=60, in_log=60, counted=0, lost=60, duplicated=0, lines=lines)
    crowded = report(measured=measured(audit=audit), store="/very/long" * 30 + "/serving.sqlite")
    for made in (report(), crowded):
        titles = [slide.title for slide in slides(made)]
        assert len(titles) == 15
        assert len(set(titles)) == len(titles)
        pages = pdf_pages(slides_pdf(made, tmp_path))
        assert [title for title, page in zip(titles, pages, strict=True) if title not in page.replace("\n", " ")] == []
    assert "LA CUENTA NO CUADRA" in pages[13]
    assert "#hashtag59" in pages[13]


def test_a_photo_is_in_the_files_and_without_one_the_chart_takes_its_place_and_says_why(tmp_path: Path) -> None:
    without = take_apart(slides_html(report(), tmp_path))
    assert "img" not in without.tags
    assert "no hay ningún navegador" in without.text
    (tmp_path / "pagina.png").write_bytes(PNG)
    made = report(photo="pagina.png", photo_note="")
    for make in (report_html, slides_html):
        page = take_apart(make(made, tmp_path))
        assert ("src", "data:image/png;base64," + base64.b64encode(PNG).decode()) in page.links
    assert len(slides_pdf(made, tmp_path)) > len(PNG)


def test_every_drawing_is_well_formed_and_says_in_words_what_it_shows(tmp_path: Path) -> None:
    pictures = [block for slide in slides(hostile_report()) for block in slide.blocks if isinstance(block, Picture)]
    assert len(pictures) >= 5
    for picture in pictures:
        drawn = ET.fromstring(picture.svg)  # noqa: S314 - ours
        assert drawn.get("role") == "img"
        assert drawn.get("aria-label")
        assert picture.alt
        assert {each.tag.rpartition("}")[2] for each in drawn.iter()} <= {"svg", "rect", "text", "line", "polygon"}
    assert all("alt" in page.attributes or "svg" in page.tags for page in [take_apart(slides_html(report(), tmp_path))])


def test_the_house_shows_what_ran_and_nothing_else() -> None:
    kafka = [Component(name=name, kind="kafka", ports=(port,), way="") for name, port in (("kafka", 1), ("kafka-2", 2))]
    zookeeper = Component(name="zookeeper", kind="zookeeper", ports=(2181,), way="imagen x:1")
    drawn = house(facts(components=(zookeeper, *kafka)))
    assert [word in drawn for word in ("zookeeper", "kafka-2", "puerto 2181")] == [True] * 3
    assert [word in drawn for word in ("producer", "stream", "8501")] == [False] * 3


def test_the_house_shows_each_of_several_producers_and_the_page_one_stage_for_them() -> None:
    found = facts()
    more = tuple(Component(name=f"producer-{number}", kind="program", ports=(), way="proceso Python") for number in (2, 3))
    found = facts(components=(*found.components[:2], *more, *found.components[2:]))
    drawn = house(found)
    assert [drawn.count(f">{name}<") for name in ("producer", "producer-2", "producer-3")] == [1, 1, 1]
    assert drawn.count(">tuits de prueba<") == 3
    shown = page(found, None, report().measured.audit)
    assert [shown.count(f">{name}<") for name in ("producer", "producer-2", "stream", "page")] == [1, 0, 1, 1]


def test_bars_are_as_long_as_their_figures_and_what_is_long_is_cut() -> None:
    drawn = ET.fromstring(bars("t", [Bar("#A", 10, "10"), Bar("#" + "b" * 99, 5, "5"), Bar("#C", -3, "-3")]))  # noqa: S314
    widths = [float(each.get("width", "")) for each in drawn if each.tag.endswith("rect")]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.2)
    assert widths[2] == 1.0
    assert short("#" + "b" * 99, 5) == "#bbb…"
    assert bars("t", []).startswith("<svg")


def test_the_files_are_written_and_the_data_can_be_read_again(tmp_path: Path) -> None:
    write_files(report(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "datos.json",
        "diapositivas.html",
        "diapositivas.pdf",
        "en",
        "fuentes",
        "informe.html",
        "memoria.pdf",
        "notas.pdf",
    ]
    assert sorted(path.name for path in (tmp_path / "en").iterdir()) == ["notes.pdf", "report.pdf", "slides.pdf", "sources"]
    assert Report.model_validate_json((tmp_path / "datos.json").read_bytes()) == report()


def test_a_pdf_that_cannot_be_set_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in pdf_module.LIBRARIES:
        (tmp_path / name).write_text("#nobody-knows-me", encoding="utf-8")
    monkeypatch.setattr(pdf_module, "TEMPLATES", tmp_path)
    with pytest.raises(LabError, match="could not be set as PDF") as caught:
        slides_pdf(report(), tmp_path)
    assert "nobody-knows-me" in caught.value.evidence
