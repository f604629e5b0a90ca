from __future__ import annotations

import pickle
import platform
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa
import pytest
from fakes.trending.aggregation import MINUTE, OTHERS, table_of
from fakes.trending.staging import FakeServer
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql

from trending.dialects import EveryText, stored
from trending.postgresql import copying
from trending.postgresql.copying import Login
from trending.stream.staging import tasks
from trending.stream.staging.rows import ARROW, STAGED, UNSTAGED
from trending.stream.staging.tasks import WRITABLE, look_at_store, stage

if TYPE_CHECKING:
    from fakes.trending.aggregation import Row


def tweets(*hashtags: str, window: int = MINUTE) -> list[Row]:
    return [("tweet", window, hashtag, -1, b"", number + 1) for number, hashtag in enumerate(hashtags)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    monkeypatch.setattr(copying, "RETRY_SECONDS", 0.0)
    return FakeServer()


def handed_on(server: FakeServer, rows: list[Row], few: int = 2, size: int = 2) -> list[Row]:
    """Return what the driver gets of a partition that comes in batches of so many rows."""
    disguised: Any = server
    found: list[Row] = []
    for each in stage(disguised, "c", 7, few, iter(table_of(rows).to_batches(max_chunksize=size))):
        found += zip(*(column.to_pylist() for column in each.columns), strict=True)
    return found


def test_the_driver_gets_a_row_a_window_for_the_tweets_and_all_else_as_it_is(server: FakeServer) -> None:
    rows = [*tweets("#a", "#b"), *OTHERS, *tweets("#a", window=MINUTE + 60)]
    got = handed_on(server, rows)
    ((attempt, staged),) = server.attempts().items()
    assert got[:3] == OTHERS
    assert sorted(got[3:]) == [(STAGED, MINUTE, attempt, -1, b"", 2), (STAGED, MINUTE + 60, attempt, -1, b"", 1)]
    place = ("c", "7")
    assert staged == {
        (*place, str(MINUTE), "#a", "1"),
        (*place, str(MINUTE), "#b", "2"),
        (*place, str(MINUTE + 60), "#a", "1"),
    }


def test_all_that_a_task_hands_on_has_one_schema_whatever_spark_says_of_nulls(server: FakeServer) -> None:
    """Spark writes it as one stream, and calls columns that can't be null so."""
    given = table_of([*tweets("#a", "#b"), *OTHERS])
    given = given.cast(pa.schema([field.with_nullable(nullable=False) for field in given.schema]))
    disguised: Any = server
    assert {each.schema for each in stage(disguised, "c", 7, 2, iter(given.to_batches()))} == {ARROW}
    assert {each.schema for each in stage(disguised, "c", 7, 9, iter(given.to_batches()))} == {ARROW}


def test_fewer_rows_than_are_worth_a_connection_go_to_the_driver(server: FakeServer) -> None:
    rows = [*OTHERS, *tweets("#a", "#b")]
    assert sorted(handed_on(server, rows, few=3)) == sorted(rows)
    assert handed_on(server, [], few=1) == []
    assert server.connections == 0


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1), st.integers(1, 4))
def test_every_hashtag_arrives_as_the_store_keeps_it(hashtags: list[str], size: int) -> None:
    server = FakeServer()
    handed_on(server, tweets(*hashtags), few=1, size=size)
    read = EveryText.dialect_impl(postgresql.dialect()).process_result_value  # type: ignore[attr-defined]
    sent = [row[4] for row in server.committed]
    assert sent == [stored(each) for each in hashtags]
    assert [read(each, postgresql.dialect()) for each in sent] == hashtags


def test_two_runs_of_a_task_never_share_an_attempt(server: FakeServer) -> None:
    first, second = handed_on(server, tweets("#a", "#b")), handed_on(server, tweets("#a", "#b"))
    assert first != second
    assert [len(rows) for rows in server.attempts().values()] == [2, 2]


@pytest.mark.row(29)
def test_a_server_that_is_away_for_a_while_is_waited_for(server: FakeServer) -> None:
    server.away = 3
    ((kind, _window, attempt, *_rest),) = handed_on(server, tweets("#a", "#b"))
    assert (kind, server.connections, list(server.attempts())) == (STAGED, 4, [attempt])


@pytest.mark.row(29)
def test_rows_whose_commit_stays_unanswered_are_nobodys(server: FakeServer) -> None:
    server.unanswered = 1
    ((kind, _window, attempt, *_rest),) = handed_on(server, tweets("#a", "#b"))
    assert (kind, len(server.attempts())) == (STAGED, 2)
    assert list(server.attempts())[1] == attempt


@pytest.mark.parametrize("what", ["away", "lossy"])
def test_a_server_that_stays_away_or_loses_rows_is_told_in_a_line(
    server: FakeServer, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "PATIENCE_SECONDS", -1.0)
    server.away, server.lossy = (1, False) if what == "away" else (0, True)
    ((kind, _window, said, _partition, _offsets, rows),) = handed_on(server, tweets("#a", "#b"))
    assert (kind, rows, server.committed) == (UNSTAGED, 2, [])
    expected = "port 5432 failed: Connection refused" if what == "away" else "1 rows were taken of 2"
    assert said.startswith(f"from {platform.node()}: ")
    assert said.endswith(expected)


def test_a_refusal_is_told_at_once(server: FakeServer) -> None:
    server.broken = psycopg.errors.InsufficientPrivilege("permission denied for table staged")
    assert [row[:1] for row in handed_on(server, tweets("#a", "#b"))] == [(UNSTAGED,)]
    assert server.connections == 1


def test_an_executor_says_whether_it_could_write(server: FakeServer) -> None:
    disguised: Any = server
    assert list(look_at_store(disguised, [0])) == [WRITABLE]
    server.granted = False
    (said,) = look_at_store(disguised, [0])
    assert said.endswith("INSERT on staged is not granted")
    server.away = 1
    (said,) = look_at_store(disguised, [0])
    assert said.endswith("Connection refused")


def test_a_login_goes_to_the_tasks_and_shows_no_password() -> None:
    login = Login({"host": "db", "password": "canary"}, "postgresql+psycopg://lab@db/counts")
    sent = pickle.loads(pickle.dumps(login))  # noqa: S301 - our own
    assert sent._parameters == {"host": "db", "password": "canary"}
    for each in (login, sent):
        assert "canary" not in f"{each} {each!r} {[each]} {stage} {(stage, each)}"
