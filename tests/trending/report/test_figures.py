"""Every figure in report, slides and PDF comes from the data: changing it there changes it here, and there are no others."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from examples import examples
from fakes.trending.memory import folder_in_memory
from fakes.trending.report import report
from fakes.trending.shown import NUMBER, pdf_pages, take_apart
from hypothesis import given, settings
from hypothesis import strategies as st

from trending.report.data import Report
from trending.report.documents import report_html, slides_html
from trending.report.pdf import slides_pdf
from trending.report.wording import clock, day, number, span

if TYPE_CHECKING:
    from collections.abc import Iterator

Place = tuple[str | int, ...]
LENGTH = ("facts", "window_seconds")
TIMES = {"made", "start", "sent", "appended", "served", "window_start", "at", "started"}
"""Leaves that are moments: they are shown as times of day."""
NOT_FIGURES = {"95"}
"""Numbers that belong to our own words: the 95th percentile. The numbers of chapters and slides are left out before."""


def leaves(data: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    if isinstance(data, dict | list):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from leaves(value, (*place, key))
    else:
        yield place, data


def figures(data: Any) -> list[Place]:
    return [place for place, value in leaves(data) if isinstance(value, int | float) and not isinstance(value, bool)]


def with_value(data: Any, place: Place, value: Any) -> Any:
    changed = copy.deepcopy(data)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return changed


def forms(place: Place, value: Any, data: Report) -> set[str]:
    """Return how a leaf may be written."""
    if isinstance(value, bool) or value is None:
        return set()
    if isinstance(value, str):
        return {value}
    if place[-1] in TIMES:
        return {clock(value, data.zone), day(value, data.zone), span(int(value), data.facts.window_seconds, data.zone)}
    return {str(value), *(number(value, digits) for digits in range(3))}


def known_numbers(data: Report) -> set[str]:
    every = {form for place, value in leaves(data.model_dump(mode="json")) for form in forms(place, value, data)}
    return NOT_FIGURES | {found for form in every for found in NUMBER.findall(form)}


def shown_words(html: str) -> str:
    """Return the words of a page without the numbers of its chapters."""
    return re.sub(r"(?m)^\s*\d+\. (?=[A-ZÁ])", "", take_apart(html).text)


def pdf_words(pdf: bytes) -> str:
    """Return the words of the slides, without the page numbers at the end of each and the numbers of a list."""
    words = [re.sub(r"\d+ / \d+\s*$", "", page) for page in pdf_pages(pdf)]
    return re.sub(r"(?m)^\s*\d\.\s", "", "\n".join(words))


SAMPLE = report().model_dump(mode="json")
FIGURES = figures(SAMPLE)
LAST_MINUTE = ("measured", "minutes", 1)


def test_the_sample_has_every_field_that_may_be_empty() -> None:
    assert [place for place, value in leaves(SAMPLE) if value is None] == []
    assert len(FIGURES) > 50


@pytest.fixture(scope="module")
def before() -> tuple[str, str]:
    """The words of report and slides as they are before anything changes."""
    return render(report())


@pytest.fixture(scope="module")
def printed() -> str:
    """The words of PDFs in which every figure has changed, each by an amount of its own: to read one takes half a second.

    The slides show the fullest minute, so each of the two is it once.
    """
    return "".join(print_with(places) for places in (FIGURES, [place for place in FIGURES if place[:3] != LAST_MINUTE]))


def print_with(places: list[Place]) -> str:
    data = SAMPLE
    for place in places:
        data = with_value(data, place, changed(place))
    with folder_in_memory() as folder:
        return without_spaces(pdf_words(slides_pdf(Report.model_validate(data), Path(folder))))


def changed(place: Place) -> int | float:
    old, step = dict(leaves(SAMPLE))[place], 7 * FIGURES.index(place)
    return round(old + 187_201.337 + step, 3) if isinstance(old, float) else old + 187_201 + step


def render(data: Report) -> tuple[str, str]:
    with folder_in_memory() as folder:
        return shown_words(report_html(data, Path(folder))), shown_words(slides_html(data, Path(folder)))


def without_spaces(words: str) -> str:
    return "".join(words.split())


@pytest.mark.parametrize("place", FIGURES, ids=lambda place: ".".join(map(str, place)))
def test_a_figure_that_changes_in_the_data_changes_in_report_slides_and_pdf(
    place: Place, before: tuple[str, str], printed: str
) -> None:
    data = with_value(SAMPLE, place, changed(place))
    after = Report.model_validate(data)
    expected = forms(place, changed(place), after)
    (report_was, slides_were), (report_is, slides_are) = before, render(after)
    assert any(form in report_is and form not in report_was for form in expected), expected
    if slides_were != slides_are:
        assert any(form in slides_are for form in expected)
        printed_with = Report.model_validate(with_value(data, LENGTH, changed(LENGTH)))  # the end of a window tells of it
        assert any(without_spaces(form) in printed for form in forms(place, changed(place), printed_with))


@settings(max_examples=examples(6))  # each draws every figure anew
@given(st.lists(st.integers(0, 10**7), min_size=len(FIGURES), max_size=len(FIGURES)))
def test_no_figure_is_shown_that_is_not_in_the_data(tmp_path_factory: pytest.TempPathFactory, values: list[int]) -> None:
    place_of_files = tmp_path_factory.getbasetemp()
    data = SAMPLE
    for place, value in zip(FIGURES, values, strict=True):
        old = dict(leaves(SAMPLE))[place]
        given_value: float = value if isinstance(old, int) else value / 100
        if place[-1] in TIMES:
            given_value = old + value
        elif "ports" in place:
            given_value = value % 65_536  # a box has room for real ones
        data = with_value(data, place, given_value)
    made = Report.model_validate(data)
    known = known_numbers(made)
    for words in (
        shown_words(report_html(made, place_of_files)),
        shown_words(slides_html(made, place_of_files)),
        pdf_words(slides_pdf(made, place_of_files)),
    ):
        assert {found for found in NUMBER.findall(words) if found not in known} == set()


def test_what_nobody_knows_is_said_so_and_no_figure_takes_its_place(tmp_path: Path) -> None:
    data = SAMPLE
    for place in (
        ("facts", "start_up"),
        ("facts", "time_zone"),
        *(("measured", "stream", name) for name in ("batches", "mean_seconds", "last_seconds", "state_rows", "ages")),
        ("measured", "batch", "ages"),
        ("measured", "tweet"),
    ):
        data = with_value(data, place, None)
    data = with_value(data, ("measured", "minutes"), [])
    data = with_value(data, ("measured", "blocks"), [])
    made = Report.model_validate(data)
    known = known_numbers(made)
    words = shown_words(report_html(made, tmp_path))
    assert "no consta" in words
    assert "Todavía no había ninguna ventana con tuits" in words
    assert {found for found in NUMBER.findall(words) if found not in known} == set()
    assert len(pdf_pages(slides_pdf(made, tmp_path))) == take_apart(slides_html(made, tmp_path)).tags.count("section")
