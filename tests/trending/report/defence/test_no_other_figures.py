"""Memoria and slides in either language show no figure that the run's data do not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fakes.trending.report import report
from fakes.trending.shown import NUMBER

from infra.host.paths import CHECKOUT
from trending.report.blocks import Code, Photo, Picture, Points, Table, Text
from trending.report.data import Report
from trending.report.defence.memoria import memoria
from trending.report.passages import told
from trending.report.slides import slides
from trending.report.wording import LANGUAGES, Language, Wording

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trending.report.blocks import Block

REAL = Report.model_validate_json((CHECKOUT / "docs" / "defence" / "datos.json").read_bytes())
WORDS = {"95"}
"""The 95th percentile."""


def leaves(data: Any) -> Iterator[Any]:
    if isinstance(data, dict | list):
        for each in data.values() if isinstance(data, dict) else data:
            yield from leaves(each)
    else:
        yield data


def known(data: Report, tell: Wording) -> set[str]:
    found = set(WORDS)
    for value in leaves(data.model_dump(mode="json")):
        forms = [str(value)]
        if isinstance(value, int | float) and not isinstance(value, bool):
            forms += [tell.number(value, digits) for digits in range(3)]
            if value > 1_000_000_000:  # a moment
                forms += [tell.clock(value), tell.day(value), tell.span(int(value), data.facts.window_seconds)]
        found |= {number for form in forms for number in NUMBER.findall(form)}
    if data.identity:
        found |= set(NUMBER.findall(tell.date(data.identity.date)))
    return found


def words(block: Block) -> str:
    match block:
        case Text(text):
            return text
        case Code(caption, text):
            return f"{caption}\n{text}"
        case Points(lines):
            return "\n".join(lines)
        case Table(caption, heads, rows):
            return "\n".join((caption, *heads, *(cell for row in rows for cell in row)))
        case Picture(caption, _svg, alt) | Photo(caption, _svg, alt):
            return f"{caption}\n{alt}"


@pytest.mark.parametrize("data", [report(), REAL], ids=["made up", "real"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_there_is_no_figure_but_the_datas(language: Language, data: Report) -> None:
    tell = told(data, Wording(language))
    chapters = (*memoria(data, tell)[:-1], *slides(data, tell))  # the references have numbers of their own
    shown = "\n".join(words(block) for chapter in chapters for block in chapter.blocks)
    assert len(NUMBER.findall(shown)) > 100
    assert set(NUMBER.findall(shown)) - known(data, tell) == set()
