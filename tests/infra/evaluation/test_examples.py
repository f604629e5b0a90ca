"""The examples are programs that people copy: each tweet is counted once, whatever happens between two transactions."""

from __future__ import annotations

import importlib.util
import json
import sqlite3
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from infra.host.paths import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example of a consumer, as it is where windows are ten seconds of event time."""
    monkeypatch.setenv("WINDOW_SECONDS", "10")
    monkeypatch.setenv("WINDOW_TIME", "event")
    spec = importlib.util.spec_from_file_location("consumer_example", CHECKOUT / "examples" / "consumer" / "count.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def database(consumer: ModuleType) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as made:
        consumer.prepare(made)
        yield made


def message(offset: int, value: object, partition: int = 0) -> Any:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return SimpleNamespace(
        partition=lambda: partition, offset=lambda: offset, value=lambda: body, timestamp=lambda: (1, 1_000_007_000)
    )


def tweet(hashtag: object, timestamp: float = 1_000_001.5) -> dict[str, object]:
    return {"hashtag_principal": hashtag, "timestamp": timestamp}


def test_counts_and_offsets_are_written_together(consumer: ModuleType, database: sqlite3.Connection) -> None:
    consumer.write(database, [message(0, tweet("#a")), message(1, tweet("#a", 1_000_011.0)), message(7, tweet("#b"), 1)])
    consumer.write(database, [message(2, tweet("#a")), message(3, tweet(None)), message(4, b"\xff")])
    rows = database.execute("SELECT window, hashtag, count FROM ranking ORDER BY hashtag, window").fetchall()
    assert rows == [(1_000_000, "#a", 2), (1_000_010, "#a", 1), (1_000_000, "#b", 1)]
    topics = SimpleNamespace(topics={"t": SimpleNamespace(partitions=[0, 1, 2])})
    there = SimpleNamespace(list_topics=lambda *_topic, **_timeout: topics)
    assert [(each.partition, each.offset) for each in consumer.places(there, database, "t")] == [(0, 5), (1, 8), (2, 0)]


def test_a_write_that_fails_leaves_neither_counts_nor_offsets(consumer: ModuleType, database: sqlite3.Connection) -> None:
    consumer.write(database, [message(0, tweet("#a"))])
    database.execute("CREATE TRIGGER full BEFORE INSERT ON offsets BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    with pytest.raises(sqlite3.IntegrityError, match="disk full"):
        consumer.write(database, [message(1, tweet("#a"))])
    assert database.execute("SELECT count FROM ranking").fetchall() == [(1,)]
    assert database.execute("SELECT next FROM offsets").fetchall() == [(1,)]


def test_by_arrival_the_brokers_time_counts(consumer: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert consumer.cell(message(0, tweet("#a"))) == (1_000_000, "#a")
    monkeypatch.setenv("WINDOW_TIME", "arrival")
    assert consumer.cell(message(0, tweet("#a"))) == (1_000_000, "#a")
    assert consumer.cell(message(0, tweet("#a", 5.0))) == (1_000_000, "#a")
    assert consumer.cell(message(0, {"hashtag_principal": "#a"})) is None
