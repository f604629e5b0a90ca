"""``defence.toml``: what is wrong is told with file, line, field, and what would be right."""

from __future__ import annotations

import subprocess
from datetime import date
from typing import TYPE_CHECKING

import pytest

from infra.host.paths import CHECKOUT
from trending.errors import InvalidInput
from trending.report.defence.identity import FILE, SAMPLE, Author, Identity, line_of, read_identity

if TYPE_CHECKING:
    from pathlib import Path

WELL = (CHECKOUT / SAMPLE).read_text(encoding="utf-8")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FILE


def test_the_sample_is_complete_and_the_real_one_is_ignored_by_git() -> None:
    made = read_identity(CHECKOUT / SAMPLE, required=True)
    assert made is not None
    assert made.date == date(2026, 12, 15)
    assert [author.name for author in made.authors] == ["Ada Lovelace", "Alan Turing"]
    assert all(value for value in made.model_dump().values())
    assert all(value for author in made.authors for value in author.model_dump().values())
    ignored = subprocess.run(["git", "check-ignore", FILE], cwd=CHECKOUT, capture_output=True, check=False)
    assert ignored.returncode == 0


def test_only_a_file_that_was_asked_for_must_be_there(path: Path) -> None:
    assert read_identity(path, required=False) is None
    with pytest.raises(InvalidInput, match="there is no file") as caught:
        read_identity(path, required=True)
    assert caught.value.next_command == f"cp {SAMPLE} {FILE}, and fill it in"


def test_what_may_be_left_out_is_left_out(path: Path) -> None:
    path.write_text('title = "T"\nsubject = "S"\ndate = 2026-01-02\n[[authors]]\nname = "A"\n', encoding="utf-8")
    assert read_identity(path, required=True) == Identity(
        title="T", subject="S", date=date(2026, 1, 2), authors=(Author(name="A"),)
    )


@pytest.mark.parametrize(
    ("old", "new", "told", "right"),
    [
        ("date = 2026-12-15", 'date = "mañana"', "line 18, field date: input should be a valid date", "date = 2026-12-15"),
        ("date = 2026-12-15", "", "field date: is missing", "date = 2026-12-15"),
        ('name = "Alan Turing"', "", "line 29, field authors.1.name: is missing", 'name = "Ada Lovelace"'),
        ('name = "Alan Turing"', "name = 7", "line 30, field authors.1.name: input should be a valid string", "name = "),
        ('name = "Alan Turing"', 'nome = "x"\nname = "y"', "line 30, field authors.1.nome: is no field", "one of name, role"),
        ("institution", "university", "line 15, field university: is no field of this file", "one of title, title_en"),
        ('"Dr. Edgar Codd"', "3", "line 21, field tribunal.1: input should be a valid string", "tribunal = ["),
        ('title = "Tendencias en directo: hashtags contados mientras llegan"', 'title = ""', "line 9, field title: ", "title = "),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_what_would_be_right(
    old: str, new: str, told: str, right: str, path: Path
) -> None:
    assert old in WELL
    path.write_text(WELL.replace(old, new), encoding="utf-8")
    with pytest.raises(InvalidInput) as caught:
        read_identity(path, required=False)
    assert told in caught.value.cause
    assert str(path) in caught.value.cause
    assert right in caught.value.next_command


def test_what_is_no_toml_or_no_text_is_told(path: Path) -> None:
    path.write_text("title = Tendencias", encoding="utf-8")
    with pytest.raises(InvalidInput, match="is no TOML") as caught:
        read_identity(path, required=False)
    assert "line 1" in caught.value.evidence
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_identity(path, required=False)


def test_no_author_at_all_is_told(path: Path) -> None:
    path.write_text('title = "T"\nsubject = "S"\ndate = 2026-01-02\nauthors = []\nx = 1\n', encoding="utf-8")
    with pytest.raises(InvalidInput, match="line 4, field authors") as caught:
        read_identity(path, required=False)
    assert "1 more fields are wrong" in caught.value.evidence
    assert line_of("", ("authors", 0, "name")) == 0
