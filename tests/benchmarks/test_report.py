"""What `make bench` writes: docs/performance.md shows what was measured, and says so where something was not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.report import BEGIN, END, PAGE, RESULTS, show_on_page, to_markdown, write_results

if TYPE_CHECKING:
    from pathlib import Path

MEASURED: dict[str, Any] = {
    "row": 1,
    "work": "up",
    "goal": 0.25,
    "goal_is": "at most",
    "measured": True,
    "ours": 18.0,
    "peer": 90.0,
    "ratio": 0.2,
    "met": True,
    "n": 5,
    "spread": {"ratio": [0.19, 0.22]},
    "load": [1.0, 2.5],
    "at": "2026-11-23T12:00:00Z",
    "versions": {"kafka": "4.4.0"},
    "machine": {"cores": 2, "memory_mb": 24000, "system": "Linux"},
}


def test_the_page_shows_what_the_newest_results_give() -> None:
    shown = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    newest = max(RESULTS.glob("*.json"))
    assert shown == to_markdown(json.loads(newest.read_text(encoding="utf-8"))["rows"])
    assert shown == (RESULTS / "latest.md").read_text(encoding="utf-8")


def test_a_row_tells_its_figures_and_one_that_failed_tells_why() -> None:
    failed = {"row": 2, "work": "down", "goal": 3, "goal_is": "at least", "measured": False, "why": "no\nJava | none"}
    table = to_markdown([MEASURED, failed])
    assert "| 1 | up | 18 | 90 | 0.2 (0.19 to 0.22) | at most 0.25 | yes |" in table
    assert "| 2 | down | | | not measured: no Java / none | at least 3 | |" in table
    assert "Medians of 5 or more rounds, each row by turns; 2026-11-23T12:00:00Z to 2026-11-23T12:00:00Z, 2 cores" in table
    assert "| no |" in to_markdown([{**MEASURED, "met": False}])
    assert "| no; the row is by another line |" in to_markdown([{**MEASURED, "met": False, "row_met": True}])
    assert "| no |" in to_markdown([{**MEASURED, "met": False, "row_met": False}])


def test_rows_of_an_earlier_day_are_kept_until_they_are_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.report.show_on_page", lambda _table: None)
    (tmp_path / "2026-01-01.json").write_text(json.dumps({"rows": [MEASURED, {**MEASURED, "row": 2}]}), encoding="utf-8")
    path, table = write_results([{**MEASURED, "row": 2, "ours": 7.0}], tmp_path)
    rows = {row["row"]: row for row in json.loads(path.read_text(encoding="utf-8"))["rows"]}
    assert (rows[1]["at"], rows[1]["ours"], rows[2]["ours"]) == (MEASURED["at"], 18.0, 7.0)
    assert "2026-11-23T12:00:00Z to 20" in table.read_text(encoding="utf-8")


def test_a_row_with_several_lines_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.report.show_on_page", lambda _table: None)
    before = [{**MEASURED, "row": number, "work": work} for number, work in ((6, "old"), (6, "older"), (16, "kept"))]
    (tmp_path / "2026-01-01.json").write_text(json.dumps({"rows": before}), encoding="utf-8")
    path, _table = write_results([{**MEASURED, "row": 6, "work": "one"}, {**MEASURED, "row": 6, "work": "two"}], tmp_path)
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    assert [(row["row"], row["work"]) for row in rows] == [(6, "one"), (6, "two"), (16, "kept")]


def test_the_table_takes_the_place_of_the_last_one_and_of_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{BEGIN}old\n{END}\nafter\n", encoding="utf-8")
    show_on_page("new\n", page)
    assert page.read_text(encoding="utf-8") == f"before\n{BEGIN}new\n{END}\nafter\n"
    page.write_text("no mark\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no place for the results"):
        show_on_page("new\n", page)
    assert page.read_text(encoding="utf-8") == "no mark\n"
