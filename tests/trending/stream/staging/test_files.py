from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from fakes.trending.aggregation import MINUTE, OTHERS, table_of
from hypothesis import given
from hypothesis import strategies as st

from trending.stream.sink import to_batch
from trending.stream.staging import files
from trending.stream.staging.files import lay_down, sweep, take_up
from trending.stream.staging.rows import ARROW, FILED, UNSTAGED

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.trending.aggregation import Row


@pytest.fixture
def every_tweet_is_filed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FEW_BYTES", 0)


def tweets(number: int, hashtag: str = "#tag") -> list[Row]:
    return [("tweet", MINUTE + 60 * (place % 2), f"{hashtag}{place}", -1, b"", place + 1) for place in range(number)]


def handed_on(directory: Path, rows: list[Row], size: int = 3) -> pa.Table:
    """Return what the driver gets of a partition that comes in batches of so many rows."""
    return pa.Table.from_batches(lay_down(directory, table_of(rows).to_batches(max_chunksize=size)), ARROW)


def test_few_counts_are_handed_on_as_they_are(tmp_path: Path) -> None:
    rows = [*OTHERS, *tweets(7)]
    table = handed_on(tmp_path, rows)
    assert sorted(map(str, table.to_pylist())) == sorted(map(str, table_of(rows).to_pylist()))
    assert take_up(tmp_path, table) is table
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("every_tweet_is_filed")
def test_many_go_to_a_file_and_a_row_names_it(tmp_path: Path) -> None:
    table = handed_on(tmp_path, [*tweets(7), *OTHERS])
    (path,) = tmp_path.iterdir()
    (told,) = [row for row in table.to_pylist() if row["kind"] == FILED]
    assert (told["label"], told["records"]) == (path.name, 7)
    assert table.num_rows == len(OTHERS) + 1


@pytest.mark.usefixtures("every_tweet_is_filed")
@given(number=st.integers(0, 25), size=st.integers(1, 9), partitions=st.integers(1, 3))
def test_the_driver_has_the_rows_of_all_tasks_and_no_file_is_left(
    tmp_path_factory: pytest.TempPathFactory, number: int, size: int, partitions: int
) -> None:
    directory = tmp_path_factory.mktemp("counts")
    parts = [[*tweets(number, f"#part{part}-"), *OTHERS] for part in range(partitions)]
    table = take_up(directory, pa.concat_tables([handed_on(directory, part, size) for part in parts]))
    assert list(directory.iterdir()) == []
    expected = [row for part in parts for row in table_of(part).to_pylist()]
    assert sorted(map(str, table.to_pylist())) == sorted(map(str, expected))
    counted = to_batch(1, 0.0, table)
    assert dict(counted.tweets.items()) == {
        (window, label): records
        for part in parts
        for kind, window, label, _partition, _offsets, records in part
        if kind == "tweet"
    }


@pytest.mark.usefixtures("every_tweet_is_filed")
def test_a_disk_that_takes_nothing_is_a_row_with_its_words(tmp_path: Path) -> None:
    table = handed_on(tmp_path / "gone", [*OTHERS, *tweets(2)])
    (told,) = [row for row in table.to_pylist() if row["kind"] == UNSTAGED]
    assert "No such file" in told["label"]
    assert table.num_rows == len(OTHERS) + 1, "nothing counts twice"


def test_what_a_failed_batch_has_left_goes_before_the_next_and_nothing_else(tmp_path: Path) -> None:
    directory = tmp_path / "counts"
    sweep(directory)
    (directory / "left.arrow").write_bytes(b"half")
    (directory / "note.txt").write_bytes(b"somebody's")
    sweep(directory)
    assert [each.name for each in directory.iterdir()] == ["note.txt"]
