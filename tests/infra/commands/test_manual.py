"""The generated pages are equal to their sources, and say all of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from infra.commands import manual
from infra.commands.manual import COMMANDS, DOCUMENTS, all_errors, settings, troubleshooting
from infra.forms.every_form import ALL_FORMS, field_sections
from infra.kafka.diagnosis import TABLE
from trending import errors

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_committed_page_is_what_its_source_says(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == DOCUMENTS[path](), "make docs"


def test_the_command_writes_every_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(manual, "CHECKOUT", tmp_path)
    monkeypatch.setattr(manual, "DOCUMENTS", {tmp_path / "one.md": lambda: "one\n", tmp_path / "two.md": lambda: "two\n"})
    manual.main()
    assert [(tmp_path / name).read_text(encoding="utf-8") for name in ("one.md", "two.md")] == ["one\n", "two\n"]


def test_every_row_of_the_diagnosis_is_in_the_page_with_its_remedy() -> None:
    page = troubleshooting()
    for row in TABLE:
        assert f"| `{row.symptom}` | {row.cause} | {row.remedy} |" in page


def test_every_exit_code_is_in_the_page() -> None:
    declared = {
        each.exit_code: name
        for name, each in vars(errors).items()
        if isinstance(each, type) and hasattr(each, "exit_code") and issubclass(each, BaseException)
    }
    assert {error.exit_code for error in all_errors()} == set(declared)
    codes = [int(code) for code in re.findall(r"^\| (\d+) \| `", troubleshooting(), re.MULTILINE)]
    assert codes == sorted(codes)
    assert set(codes) == set(declared)


def test_every_setting_of_every_form_is_in_the_page_with_its_variable() -> None:
    assert set(COMMANDS) == set(ALL_FORMS)
    page = settings()
    for form in ALL_FORMS:
        for name in field_sections(form):
            assert f"`TRENDING_{name.upper()}`" in page


def test_what_a_command_takes_stands_below_its_own_heading() -> None:
    chapters = dict(part.split("\n", 1) for part in settings().split("\n## ")[1:])
    for form, commands in COMMANDS.items():
        chapter = chapters[f"`{commands}`"]
        for name in field_sections(form):
            assert f"`TRENDING_{name.upper()}`" in chapter or "All of the above" in chapter


def test_bounds_defaults_and_choices_are_those_that_are_enforced() -> None:
    rows = {line.split("|")[1].strip(" `"): line for line in settings().splitlines() if line.startswith("| `")}
    assert "| `9092` | ≥ 1\u202f024, ≤ 60\u202f000 |" in rows["stack.port"]
    assert "| `1.0` | > 0, ≤ 1\u202f000\u202f000 |" in rows["producer.rate"]
    assert "| `arrival` | `arrival`, `event`, `original` |" in rows["stream.window_time"]
    assert "| empty |" in rows["producer.seed"]
    assert "`docs/recorded/breaking-news.jsonl.gz`" in rows["recording"]
    assert "| `false` | `true`, `false` |" in rows["volumes"]
    assert "of this machine" in rows["stream.shuffle_partitions"]
