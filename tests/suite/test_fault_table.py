"""Every row of the faults has a test, and the committed list is what the markers say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fault_table import LIST, ROWS, Covering, covered, describe, markers, rows_without_test

if TYPE_CHECKING:
    from pathlib import Path

    Tests = dict[int, list[Covering]]


@pytest.fixture(scope="module")
def tests() -> Tests:
    """The suite's own, read once."""
    return covered()


def test_the_committed_list_is_what_the_markers_say(tests: Tests) -> None:
    assert LIST.read_text(encoding="utf-8") == describe(tests), "make docs"


def test_every_row_has_a_test_or_an_open_issue_that_builds_it(tests: Tests) -> None:
    assert list(ROWS) == list(range(1, 38))
    assert [number for number, row in ROWS.items() if row.later and number < 33] == [], "only the youngest rows may wait"
    assert rows_without_test(tests) == []


def test_a_row_that_loses_its_tests_is_named_and_gone_from_the_list(tests: Tests) -> None:
    rest = {number: coverings for number, coverings in tests.items() if number != 17}
    assert rows_without_test(rest) == [17]
    assert describe(rest) != describe(tests)


def test_a_marker_is_read_with_its_row_and_runtimes_and_a_wrong_one_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fault_table.TESTS", tmp_path)
    path = tmp_path / "test_x.py"
    path.write_text(
        '@pytest.mark.row(3)\n@pytest.mark.row(17, "D", "E")\ndef test_y(): ...\ndef test_z(): ...\n', encoding="utf-8"
    )
    found = list(markers(path))
    assert found == [(3, Covering("test_x.py", "test_y", ())), (17, Covering("test_x.py", "test_y", ("D", "E")))]
    path.write_text('pytestmark = [pytest.mark.row(3)]\n@pytest.mark.row(3, "E")\ndef test_y(): ...\n', encoding="utf-8")
    assert list(markers(path)) == [(3, Covering("test_x.py", "test_y", ("E",)))], "what holds for a file holds for its tests"
    for wrong in ("38", '1, "F"'):
        path.write_text(f"@pytest.mark.row({wrong})\ndef test_y(): ...\n", encoding="utf-8")
        with pytest.raises(ValueError, match="test_y"):
            list(markers(path))
