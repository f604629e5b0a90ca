"""Results are read from a table or a topic, and what is none is told in one line."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from infra.evaluation import results
from infra.evaluation.results import ResultPlace, cell_of, count_of, open_results, require_fresh, result_place
from trending.errors import InvalidInput, LabError
from trending.kafka.connection import KafkaConnection

if TYPE_CHECKING:
    from collections.abc import Iterable

START = 1_767_225_600
CONNECTION = KafkaConnection("localhost:9092")


def table(path: Path, rows: Iterable[tuple[Any, ...]], columns: str = "window, hashtag, count") -> ResultPlace:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"CREATE TABLE ranking ({columns})")
        database.executemany("INSERT INTO ranking VALUES (?, ?, ?)", rows)
    return ResultPlace(path, "ranking")


def test_a_place_is_a_table_of_a_file_or_a_topic() -> None:
    assert result_place("sqlite:/my files/x.sqlite?table=ranking") == ResultPlace(Path("/my files/x.sqlite"), "ranking")
    assert result_place("sqlite:x?table=r").path == Path("x").absolute()
    assert result_place("topic:my-results") == ResultPlace(topic="my-results")
    assert result_place("sqlite:/x?table=r").variables == {"RESULTS_FILE": "/x", "RESULTS_TABLE": "r"}
    assert result_place("topic:a.b").variables == {"RESULTS_TOPIC": "a.b"}


@pytest.mark.parametrize("text", ["", "sqlite:/x", "sqlite:/x?table=a;b", "topic:", "topic:a b", "postgres:x", "/x"])
def test_another_place_is_refused_with_the_two_that_there_are(text: str) -> None:
    with pytest.raises(InvalidInput, match="neither sqlite:PATH"):
        result_place(text)


def test_windows_in_seconds_milliseconds_and_words_are_the_same_and_add_up(tmp_path: Path) -> None:
    rows = [(START, "#a", 1), (START * 1000, "#a", 2), ("2026-01-01 00:00:00", "#a", 4), ("2026-01-01T01:00:00+01:00", "#b", 8)]
    reader = open_results(table(tmp_path / "x", rows), CONNECTION)
    assert reader.read() == Counter({(START, "#a"): 7, (START, "#b"): 8})
    reader.close()


def test_a_file_or_a_table_that_is_not_there_yet_has_no_results(tmp_path: Path) -> None:
    assert not open_results(ResultPlace(tmp_path / "none", "ranking"), CONNECTION).read()
    place = table(tmp_path / "x", [])
    assert not open_results(ResultPlace(place.path, "later"), CONNECTION).read()


@pytest.mark.parametrize(
    ("row", "columns", "words"),
    [
        (("soon", "#a", 1), "window, hashtag, count", "a result's window is soon"),
        ((START, "#a", "many"), "window, hashtag, count", "a result's count is many"),
        ((START, "#a", -1), "window, hashtag, count", "a result's count is -1"),
        ((START, "#a", 1), "start, hashtag, count", "no such column: window"),
    ],
)
def test_what_is_no_result_is_told(row: tuple[Any, ...], columns: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=words):
        open_results(table(tmp_path / "x", [row], columns), CONNECTION).read()


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("no database, but long enough to be read as the header of one, " * 20, encoding="utf-8")
    with pytest.raises(InvalidInput, match="cannot be read: file is not a database"):
        open_results(ResultPlace(tmp_path / "x", "ranking"), CONNECTION).read()


def test_a_window_that_is_no_finite_number_is_refused() -> None:
    with pytest.raises(InvalidInput, match="nan"):
        cell_of(float("nan"), "#a")
    with pytest.raises(InvalidInput, match=r"1\.5"):
        count_of(1.5)


class FakeTopic:
    """A consumer of one topic, which ``values`` are appended to; before ``there`` it does not exist."""

    def __init__(self) -> None:
        self.values: list[bytes | None] = []
        self.there = False
        self.assigned: list[int] = []
        self.closed = False

    def list_topics(self, topic: str, timeout: float) -> Any:  # noqa: ARG002 - the client's signature
        error = None if self.there else "unknown topic"
        return SimpleNamespace(topics={topic: SimpleNamespace(partitions={0: None}, error=error)})

    def assign(self, places: list[Any]) -> None:
        self.assigned += [each.partition for each in places]

    def consume(self, _most: int, _timeout: float) -> list[Any]:
        taken, self.values = self.values, []
        return [
            SimpleNamespace(error=lambda value=value: "down" if value is None else None, value=lambda value=value: value)
            for value in taken
        ]

    def close(self) -> None:
        self.closed = True


def test_in_a_topic_the_newest_count_of_a_cell_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    topic = FakeTopic()
    monkeypatch.setattr(results, "Consumer", lambda _settings: topic)
    reader = open_results(ResultPlace(topic="mine"), CONNECTION)
    assert not reader.read()
    topic.there = True
    topic.values = [json.dumps({"window": START, "hashtag": "#a", "count": count}).encode() for count in (1, 5)]
    assert reader.read() == {(START, "#a"): 5}
    topic.values = [None, json.dumps({"window": START, "hashtag": "#b", "count": 2}).encode()]
    assert reader.read() == {(START, "#a"): 5, (START, "#b"): 2}
    assert topic.assigned == [0]
    topic.values = [b'{"window": 1}']
    with pytest.raises(InvalidInput, match="has not window, hashtag and count"):
        reader.read()
    reader.close()
    assert topic.closed


def test_results_of_an_earlier_run_are_not_taken_for_this_one(tmp_path: Path) -> None:
    require_fresh(ResultPlace(tmp_path / "x", "ranking"))
    require_fresh(ResultPlace(topic="mine"))
    (tmp_path / "x").touch()
    with pytest.raises(LabError, match="is there already"):
        require_fresh(ResultPlace(tmp_path / "x", "ranking"))
    with pytest.raises(InvalidInput, match="there is no directory"):
        require_fresh(ResultPlace(tmp_path / "none" / "x", "ranking"))
