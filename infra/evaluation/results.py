"""Where a job puts its results, and how they are read: window, hashtag, count, the newest count of a cell standing for it."""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from trending.errors import InvalidInput, LabError
from trending.text import printable

if TYPE_CHECKING:
    from trending.kafka.connection import KafkaConnection

Cell = tuple[int, str]
"""Window, as its start in seconds since the epoch, and hashtag."""
WAYS = "make evaluate JOB='python my_job.py' RESULTS=sqlite:/tmp/mine.sqlite?table=ranking, or RESULTS=topic:my-results"
MILLISECONDS = 100_000_000_000
"""A window that begins at a larger number is told in milliseconds: in seconds, this is the year 5138."""
PATIENCE_SECONDS = 5.0
_SQLITE = re.compile(r"sqlite:(?P<path>[^?]+)\?table=(?P<table>[A-Za-z_][A-Za-z0-9_]{0,60})")
_TOPIC = re.compile(r"topic:(?P<topic>[a-zA-Z0-9._-]{1,200})")


@dataclass(frozen=True)
class ResultPlace:
    """A table of a SQLite file, or a topic of the stack's brokers."""

    path: Path | None = None
    table: str = ""
    topic: str = ""

    @property
    def variables(self) -> dict[str, str]:
        """What the job is told of it."""
        if self.path is None:
            return {"RESULTS_TOPIC": self.topic}
        return {"RESULTS_FILE": str(self.path), "RESULTS_TABLE": self.table}


def result_place(text: str) -> ResultPlace:
    """Return the place that the text names; raises InvalidInput."""
    if found := _SQLITE.fullmatch(text):
        return ResultPlace(Path(found["path"]).absolute(), found["table"])
    if found := _TOPIC.fullmatch(text):
        return ResultPlace(topic=found["topic"])
    cause = f"RESULTS is neither sqlite:PATH?table=NAME nor topic:NAME: {printable(text) or 'it is empty'}"
    raise InvalidInput(cause, "the job writes window, hashtag and count there", WAYS)


class Results(Protocol):
    """What a job has written so far."""

    def read(self) -> Counter[Cell]:
        """Return the counts; empty before there are any."""

    def close(self) -> None:
        """Let go of it."""


def open_results(place: ResultPlace, connection: KafkaConnection) -> Results:
    """Return a reader of a place."""
    return _Table(place.path, place.table) if place.path else _Topic(place.topic, connection)


class _Table:
    def __init__(self, path: Path, table: str) -> None:
        self._path, self._table = path, table

    def read(self) -> Counter[Cell]:
        if not self._path.exists():
            return Counter()
        try:
            with closing(sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True, timeout=PATIENCE_SECONDS)) as connection:
                there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (self._table,)).fetchone()
                query = f"SELECT window, hashtag, count FROM {self._table}"  # noqa: S608 - a name that the pattern has let through
                rows = connection.execute(query).fetchall() if there else []
        except sqlite3.Error as error:
            cause = f"the results in {self._path} cannot be read: {error}"
            raise InvalidInput(cause, f"wanted are the columns window, hashtag, count of {self._table}", WAYS) from None
        found: Counter[Cell] = Counter()
        for window, hashtag, count in rows:
            found[cell_of(window, hashtag)] += count_of(count)
        return found

    def close(self) -> None:
        """Nothing is held open."""


class _Topic:
    def __init__(self, topic: str, connection: KafkaConnection) -> None:
        self._topic = topic
        self._found: Counter[Cell] = Counter()
        self._consumer = Consumer(connection.consumer({"group.id": "evaluation", "topic.metadata.refresh.interval.ms": 1000}))
        self._known: frozenset[int] = frozenset()

    def read(self) -> Counter[Cell]:
        self._assign()
        while self._known and (messages := self._consumer.consume(1_000, 0.05)):
            for message in messages:
                if message.error() is None:
                    self._take(message.value() or b"")
        return self._found.copy()

    def _assign(self) -> None:
        """Read the partitions that there are: the job may make the topic itself."""
        if self._known:
            return
        with suppress(KafkaException):  # no broker answers: during a fault, that is what is expected
            there = self._consumer.list_topics(self._topic, timeout=PATIENCE_SECONDS).topics.get(self._topic)
            if there is not None and there.error is None:
                self._known = frozenset(there.partitions)
                self._consumer.assign([TopicPartition(self._topic, number, OFFSET_BEGINNING) for number in self._known])

    def _take(self, value: bytes) -> None:
        try:
            row = json.loads(value)
            cell, count = cell_of(row["window"], row["hashtag"]), count_of(row["count"])
        except (ValueError, KeyError, TypeError):
            cause = f"a result in the topic {self._topic} has not window, hashtag and count: {printable(str(value[:80]))}"
            raise InvalidInput(cause, 'wanted is {"window": 1767225600, "hashtag": "#Spark", "count": 3}', WAYS) from None
        self._found[cell] = count

    def close(self) -> None:
        self._consumer.close()


def cell_of(window: object, hashtag: object) -> Cell:
    """Return the cell of a result; raises InvalidInput for a window that is no time."""
    return _start(window), str(hashtag)


def _start(window: object) -> int:
    """Return when a window begins: seconds or milliseconds since the epoch, or a time in words, UTC unless it says more."""
    if isinstance(window, int | float) and math.isfinite(window):
        return int(window / 1000 if window > MILLISECONDS else window)
    try:
        time = datetime.fromisoformat(str(window))
    except ValueError:
        cause = f"a result's window is {printable(str(window))[:80]}: wanted is its start"
        raise InvalidInput(cause, "seconds since the epoch, or 2026-01-31T10:00:00", WAYS) from None
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())


def count_of(count: object) -> int:
    """Return a result's count; raises InvalidInput for what is none."""
    if isinstance(count, int) and count >= 0:
        return count
    cause = f"a result's count is {printable(str(count))[:80]}"
    raise InvalidInput(cause, "wanted is a whole number, the count of the window so far", WAYS)


def require_fresh(place: ResultPlace) -> None:
    """Raise LabError where results of an earlier run are there already: they would be taken for this job's."""
    if place.path is not None and place.path.exists():
        cause = f"{place.path} is there already, and what it has would count as this job's"
        raise LabError(cause, "nothing was started", f"name another one: {WAYS}")
    if place.path is not None and not place.path.parent.is_dir():
        cause = f"there is no directory {place.path.parent} for the results"
        raise InvalidInput(cause, "nothing was started", WAYS)
