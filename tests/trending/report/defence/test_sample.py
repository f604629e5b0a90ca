"""The committed sample: what today's code makes of a real run's data, small enough, and with nothing missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.trending.shown import pdf_pages

from infra.host.paths import CHECKOUT
from trending.report.data import Report
from trending.report.writing import DATA, main

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE = CHECKOUT / "docs" / "defence"
MOST_BYTES = 2_000_000


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("again")
    (place / DATA).write_bytes((SAMPLE / DATA).read_bytes())
    main([str(place)])
    return place


def test_every_file_is_what_the_code_makes_of_the_runs_data(again: Path) -> None:
    made = {path.relative_to(again).as_posix(): path for path in again.rglob("*") if path.is_file()}
    kept = {path.relative_to(SAMPLE).as_posix() for path in SAMPLE.rglob("*") if path.is_file()}
    assert kept - {"README.md", "serving.sqlite"} == made.keys()
    texts = [name for name in made if not name.endswith(".pdf")]
    assert [name for name in texts if made[name].read_bytes() != (SAMPLE / name).read_bytes()] == [], "make docs"
    for name in made.keys() - set(texts):
        assert pdf_pages(made[name].read_bytes()) == pdf_pages((SAMPLE / name).read_bytes()), f"make docs: {name}"


def test_it_is_small_real_and_lacks_nothing() -> None:
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()) < MOST_BYTES
    run = Report.model_validate_json((SAMPLE / DATA).read_bytes())
    assert run.identity is not None
    assert run.measured.audit.clean
    assert run.measured.totals.differing == 0
    assert run.measured.minutely is not None
    assert run.measured.minutely.ages is not None
    assert run.measured.stream.ages is not None
    assert run.measured.tweet is not None
    assert run.game_day is not None
    assert run.game_day.survived == run.game_day.chosen == len(run.game_day.faults) >= 3
    assert run.runs
    assert run.facts.start_up is not None
