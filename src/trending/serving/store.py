"""The serving store: absolute counts by checkpoint, window and hashtag. Upserts make a replayed batch change nothing.

Every ranking that is shown is a query on this store, never on one batch: an update-mode batch carries only changed rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Column, Float, MetaData, String, Table, func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import OperationalError

from trending.database import open_sqlite
from trending.errors import LabError
from trending.kafka.rejects import Rejects  # noqa: TC001 - dataclass fields are read at run time
from trending.serving import rejects

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from sqlalchemy import ColumnElement, Connection

metadata = MetaData()
"""The store's tables by name, for readers."""
_ranking = Table(
    "ranking",
    metadata,
    Column("checkpoint", String, primary_key=True),
    Column("window_start", BigInteger, primary_key=True),
    Column("hashtag", String, primary_key=True),
    Column("tweets", BigInteger, nullable=False),
    Column("batch", BigInteger, nullable=False),
)
_foreign = Table(
    "foreign_records",
    metadata,
    Column("checkpoint", String, primary_key=True),
    Column("window_start", BigInteger, primary_key=True),
    Column("records", BigInteger, nullable=False),
)
_untagged = Table(
    "untagged_records",
    metadata,
    Column("checkpoint", String, primary_key=True),
    Column("window_start", BigInteger, primary_key=True),
    Column("records", BigInteger, nullable=False),
)
_rejects = rejects.table_of(metadata)
_batches = Table(
    "batches",
    metadata,
    Column("checkpoint", String, primary_key=True),
    Column("batch", BigInteger, primary_key=True),
    Column("at", Float, nullable=False),
)
_dead_letters = Table(
    "dead_letters",
    metadata,
    Column("checkpoint", String, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
)
_dropped = Table(
    "dropped",
    metadata,
    Column("checkpoint", String, primary_key=True),
    Column("query_run", String, primary_key=True),
    Column("groups", BigInteger, nullable=False),
)
_KEPT_BATCHES = 1000


@dataclass(frozen=True, slots=True)
class Batch:
    """The absolute counts that one micro-batch changed. Windows are named by their start, seconds since the epoch."""

    number: int
    at: float
    tweets: Mapping[tuple[int, str], int]
    foreign: Mapping[int, int]
    rejects: tuple[Rejects, ...] = ()
    untagged: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ranked:
    """One line of a ranking."""

    window_start: int
    hashtag: str
    tweets: int


class Store:
    """The SQL store of one stack; every method is one transaction."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = open_sqlite(path)
        try:
            metadata.create_all(self._engine)
            with self._engine.begin() as connection:
                rejects.adopt(connection, _rejects)
        except OperationalError as error:
            cause = f"the serving store {path} cannot be opened"
            raise LabError(cause, str(error.orig), "make status") from error

    def write(self, checkpoint: str, batch: Batch) -> None:
        """Upsert a batch. Writing the same batch again, or an older one after a restart, leaves the same rows.

        Counts only grow within a checkpoint, so the larger count wins in whatever order batches are written.
        """
        with self._engine.begin() as connection:
            _upsert_tweets(connection, checkpoint, batch)
            _upsert_records(connection, _foreign, checkpoint, batch.foreign)
            _upsert_records(connection, _untagged, checkpoint, batch.untagged)
            rejects.book(connection, _rejects, checkpoint, batch.number, batch.rejects)
            connection.execute(
                insert(_batches).values(checkpoint=checkpoint, batch=batch.number, at=batch.at).on_conflict_do_nothing()
            )
            connection.execute(
                _batches.delete().where(_batches.c.checkpoint == checkpoint, _batches.c.batch < batch.number - _KEPT_BATCHES)
            )

    def latest_ranking(self) -> list[Ranked]:
        """Return the whole latest window that has tweets: highest count first, ties by name. Empty where there is none."""
        latest = select(func.max(_ranking.c.window_start)).scalar_subquery()
        return self._ranked(_ranking.c.window_start == latest)

    def ranking(self, window_start: int) -> list[Ranked]:
        """Return the whole ranking of the window that starts at ``window_start``."""
        return self._ranked(_ranking.c.window_start == window_start)

    def _ranked(self, condition: ColumnElement[bool]) -> list[Ranked]:
        total = func.sum(_ranking.c.tweets).label("total")
        query = (
            select(_ranking.c.window_start, _ranking.c.hashtag, total)
            .where(condition)
            .group_by(_ranking.c.window_start, _ranking.c.hashtag)
            .order_by(total.desc(), _ranking.c.hashtag)
        )
        with self._engine.connect() as connection:
            return [Ranked(row.window_start, row.hashtag, int(row.total)) for row in connection.execute(query)]

    def counts(self) -> dict[tuple[int, str], int]:
        """Return every count by (window start, hashtag), over all checkpoints."""
        query = select(_ranking.c.window_start, _ranking.c.hashtag, func.sum(_ranking.c.tweets).label("total"))
        with self._engine.connect() as connection:
            rows = connection.execute(query.group_by(_ranking.c.window_start, _ranking.c.hashtag))
            return {(row.window_start, row.hashtag): int(row.total) for row in rows}

    def foreign(self) -> int:
        """Return the number of foreign records seen."""
        with self._engine.connect() as connection:
            return int(connection.execute(select(func.coalesce(func.sum(_foreign.c.records), 0))).scalar_one())

    def untagged(self) -> dict[int, int]:
        """Return window start → number of untagged records, over all checkpoints."""
        query = select(_untagged.c.window_start, func.sum(_untagged.c.records).label("total"))
        with self._engine.connect() as connection:
            rows = connection.execute(query.group_by(_untagged.c.window_start))
            return {row.window_start: int(row.total) for row in rows}

    def rejects(self) -> dict[tuple[int, str], array[int]]:
        """Return (partition, reason) → the offsets of its rejects, each once and in order."""
        with self._engine.connect() as connection:
            return rejects.read(connection, _rejects)

    def written(self, checkpoint: str) -> dict[int, float]:
        """Return batch → when it was written under ``checkpoint``, seconds since the epoch; only the last ones are kept."""
        query = select(_batches.c.batch, _batches.c.at).where(_batches.c.checkpoint == checkpoint)
        with self._engine.connect() as connection:
            return {row.batch: row.at for row in connection.execute(query)}

    def dead_letter_offset(self, checkpoint: str) -> int:
        """Return the dead-letter topic's offset below which every letter belongs to a written batch."""
        query = select(_dead_letters.c.next_offset).where(_dead_letters.c.checkpoint == checkpoint)
        with self._engine.connect() as connection:
            return connection.execute(query).scalar_one_or_none() or 0

    def note_dead_letters(self, checkpoint: str, next_offset: int) -> None:
        """Store the end of the dead-letter topic after a batch."""
        row = insert(_dead_letters).values(checkpoint=checkpoint, next_offset=next_offset)
        with self._engine.begin() as connection:
            connection.execute(row.on_conflict_do_update(index_elements=["checkpoint"], set_={"next_offset": next_offset}))

    def note_dropped(self, checkpoint: str, query_run: str, groups: int) -> None:
        """Store how many groups Spark dropped behind the watermark in one run of the query; there should be none."""
        row = insert(_dropped).values(checkpoint=checkpoint, query_run=query_run, groups=groups)
        keys = ["checkpoint", "query_run"]
        with self._engine.begin() as connection:
            connection.execute(row.on_conflict_do_update(index_elements=keys, set_={"groups": groups}))

    def dropped(self) -> int:
        """Return how many groups Spark dropped behind the watermark, over all runs."""
        with self._engine.connect() as connection:
            return int(connection.execute(select(func.coalesce(func.sum(_dropped.c.groups), 0))).scalar_one())

    def forget(self) -> None:
        """Delete every count, so that the log can be counted anew."""
        with self._engine.begin() as connection:
            for table in metadata.sorted_tables:
                connection.execute(table.delete())

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()


def _upsert_tweets(connection: Connection, checkpoint: str, batch: Batch) -> None:
    if not batch.tweets:
        return
    row = insert(_ranking)
    keep_larger = {
        "tweets": func.max(_ranking.c.tweets, row.excluded.tweets),
        "batch": func.max(_ranking.c.batch, row.excluded.batch),
    }
    rows: Iterable[dict[str, object]] = (
        {"checkpoint": checkpoint, "window_start": start, "hashtag": hashtag, "tweets": tweets, "batch": batch.number}
        for (start, hashtag), tweets in batch.tweets.items()
    )
    connection.execute(
        row.on_conflict_do_update(index_elements=["checkpoint", "window_start", "hashtag"], set_=keep_larger),
        list(rows),
    )


def _upsert_records(connection: Connection, table: Table, checkpoint: str, windows: Mapping[int, int]) -> None:
    if not windows:
        return
    row = insert(table)
    keep_larger = {"records": func.max(table.c.records, row.excluded.records)}
    connection.execute(
        row.on_conflict_do_update(index_elements=["checkpoint", "window_start"], set_=keep_larger),
        [{"checkpoint": checkpoint, "window_start": start, "records": records} for start, records in windows.items()],
    )
