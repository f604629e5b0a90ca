"""The ledger: what the broker acknowledged, on disk before it is reported.

An id is ``run:sequence``; a run is one life of the producer. Acknowledged sequences are kept as intervals together with their
offsets, and as counts for each append minute and hashtag. A record that was sent and lies in no interval has an unknown outcome.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, inspect, select
from sqlalchemy.dialects.sqlite import insert

from trending.database import open_sqlite
from trending.tweets.rule import window_start

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import Engine

_metadata = MetaData()
_runs = Table(
    "runs",
    _metadata,
    Column("run", String, primary_key=True),
    Column("reserved", BigInteger, nullable=False),
    Column("topic_id", String),
)
_acked = Table(
    "acked",
    _metadata,
    Column("run", String, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("first_sequence", BigInteger, primary_key=True),
    Column("last_sequence", BigInteger, nullable=False),
    Column("first_offset", BigInteger, nullable=False),
)
_counts = Table(
    "counts",
    _metadata,
    Column("run", String, primary_key=True),
    Column("minute", BigInteger, primary_key=True),
    Column("hashtag", String, primary_key=True),
    Column("tweets", BigInteger, nullable=False),
)
_failed = Table(
    "failed",
    _metadata,
    Column("run", String, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("reason", String, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Interval:
    """Consecutive sequences of one run that got consecutive offsets of one partition."""

    run: str
    partition: int
    first_sequence: int
    last_sequence: int
    first_offset: int

    def __len__(self) -> int:
        return self.last_sequence - self.first_sequence + 1

    @property
    def end_offset(self) -> int:
        """The offset behind the last record."""
        return self.first_offset + len(self)

    def ids(self, start_offset: int, end_offset: int | None = None) -> Iterator[tuple[str, int]]:
        """Yield (run, sequence) of every acknowledged record from ``start_offset`` to ``end_offset`` (exclusive)."""
        skipped = max(0, start_offset - self.first_offset)
        cut = 0 if end_offset is None else max(0, self.end_offset - end_offset)
        for sequence in range(self.first_sequence + skipped, self.last_sequence + 1 - cut):
            yield self.run, sequence

    def extended(self, sequence: int, partition: int, offset: int) -> Self | None:
        """Return this interval with one more record, or None if the record does not directly follow it."""
        follows = partition == self.partition and sequence == self.last_sequence + 1 and offset == self.first_offset + len(self)
        if not follows:
            return None
        return type(self)(self.run, partition, self.first_sequence, sequence, self.first_offset)


class LedgerWriter:
    """Writes one producer run. Acknowledgements gather in memory until ``commit``; only then may they be reported."""

    def __init__(self, path: Path, run: str, topic_id: str) -> None:
        self._engine = _opened(path)
        self._run = run
        self._topic_id = topic_id
        self._open: dict[int, Interval] = {}
        self._dirty: dict[tuple[int, int], Interval] = {}
        self._counts: Counter[tuple[int, str]] = Counter()
        self._failed: list[tuple[int, str]] = []
        self._pending = 0
        self.acknowledged = 0
        self.failed = 0
        self.reserved = 0

    def reserve(self, up_to: int) -> None:
        """Record on disk that sequences below ``up_to`` may be sent, so that the log holds no record that was not announced."""
        statement = insert(_runs).values(run=self._run, reserved=up_to, topic_id=self._topic_id)
        with self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["run"], set_={"reserved": up_to}))
        self.reserved = up_to

    def acknowledge(self, sequence: int, partition: int, offset: int, append_time: float, hashtag: str) -> None:
        """Note that the broker holds a record; ``append_time`` is in seconds since the epoch."""
        current = self._open.get(partition)
        grown = current.extended(sequence, partition, offset) if current else None
        interval = grown or Interval(self._run, partition, sequence, sequence, offset)
        self._open[partition] = interval
        self._dirty[partition, interval.first_sequence] = interval
        self._counts[window_start(append_time), hashtag] += 1
        self._pending += 1

    def fail(self, sequence: int, reason: str) -> None:
        """Note that a record was given up: it counts as not delivered, though it may still turn up in the log."""
        self._failed.append((sequence, reason))

    def commit(self) -> None:
        """Write everything noted so far to disk in one transaction."""
        if not self._dirty and not self._failed:
            return
        with self._engine.begin() as connection:
            for interval in self._dirty.values():
                row = insert(_acked).values(
                    run=interval.run,
                    partition=interval.partition,
                    first_sequence=interval.first_sequence,
                    last_sequence=interval.last_sequence,
                    first_offset=interval.first_offset,
                )
                keys = ["run", "partition", "first_sequence"]
                connection.execute(row.on_conflict_do_update(index_elements=keys, set_={"last_sequence": interval.last_sequence}))
            for (minute, hashtag), tweets in self._counts.items():
                count = insert(_counts).values(run=self._run, minute=minute, hashtag=hashtag, tweets=tweets)
                keys = ["run", "minute", "hashtag"]
                connection.execute(count.on_conflict_do_update(index_elements=keys, set_={"tweets": _counts.c.tweets + tweets}))
            for sequence, reason in self._failed:
                connection.execute(insert(_failed).values(run=self._run, sequence=sequence, reason=reason))
        self.acknowledged += self._pending
        self.failed += len(self._failed)
        self._pending = 0
        self._dirty.clear()
        self._counts.clear()
        self._failed.clear()

    def close(self) -> None:
        """Commit and close the file."""
        self.commit()
        self._engine.dispose()


@dataclass(frozen=True)
class Ledger:
    """The ledger entries of all producer runs of a stack."""

    intervals: tuple[Interval, ...]
    counts: dict[tuple[str, int, str], int]
    reserved: dict[str, int]
    failed: int
    topics: dict[str, str] = field(default_factory=dict)
    """Run → id of its topic. A run from before 2026-11-29 has none: it belongs to the first topic that was counted."""

    def of_topic(self, topic_id: str, *, first: bool = True) -> Ledger:
        """Return the part of the ledger that is about a topic; ``first`` says that it was the first one.

        What was given up is not known by topic, and stays whole.
        """
        runs = {run for run in self.reserved if self.topics.get(run, topic_id if first else "") == topic_id}
        return Ledger(
            tuple(each for each in self.intervals if each.run in runs),
            {key: tweets for key, tweets in self.counts.items() if key[0] in runs},
            {run: reserved for run, reserved in self.reserved.items() if run in runs},
            self.failed,
            {run: topic for run, topic in self.topics.items() if run in runs},
        )

    @property
    def acknowledged(self) -> int:
        """How many records were acknowledged in all."""
        return sum(map(len, self.intervals))

    def acknowledged_ids(
        self, start_offsets: Mapping[int, int], end_offsets: Mapping[int, int] | None = None
    ) -> set[tuple[str, int]]:
        """Return the ids of the records acknowledged from ``start_offsets`` up to ``end_offsets`` (partition → offset)."""
        ends = end_offsets or {}
        return {
            identity
            for each in self.intervals
            for identity in each.ids(start_offsets.get(each.partition, 0), ends.get(each.partition))
        }

    def acknowledged_behind(self, end_offsets: Mapping[int, int]) -> int:
        """Return the number of records acknowledged from ``end_offsets`` on, where readers cannot go yet."""
        return sum(
            max(0, each.end_offset - max(each.first_offset, end_offsets.get(each.partition, each.end_offset)))
            for each in self.intervals
        )


def read_ledger(path: Path) -> Ledger:
    """Read the ledger at ``path``; a missing file means that no producer has run and gives an empty ledger."""
    if not path.exists():
        return Ledger((), {}, {}, 0)
    engine = _opened(path)
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")  # a commit between two queries would make them contradict each other
        intervals = tuple(
            Interval(row.run, row.partition, row.first_sequence, row.last_sequence, row.first_offset)
            for row in connection.execute(select(_acked).order_by(_acked.c.run, _acked.c.first_sequence))
        )
        counts = {(row.run, row.minute, row.hashtag): row.tweets for row in connection.execute(select(_counts))}
        runs = connection.execute(select(_runs)).all()
        reserved = {row.run: row.reserved for row in runs}
        topics = {row.run: row.topic_id for row in runs if row.topic_id}
        failed = len(connection.execute(select(_failed.c.sequence)).all())
    engine.dispose()
    return Ledger(intervals, counts, reserved, failed, topics)


def _opened(path: Path) -> Engine:
    """Return an engine on the ledger at ``path``, with all of today's tables and columns."""
    engine = open_sqlite(path)
    _metadata.create_all(engine)
    with engine.begin() as connection:
        if "topic_id" not in {column["name"] for column in inspect(connection).get_columns("runs")}:
            connection.exec_driver_sql("ALTER TABLE runs ADD COLUMN topic_id VARCHAR")
    return engine
