"""The counts in the serving store: absolute, by checkpoint and window; upserts make a replayed batch change nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Column, MetaData, String, Table, func
from sqlalchemy.dialects.sqlite import insert

from trending.kafka.rejects import Rejects  # noqa: TC001 - dataclass fields are read at run time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

metadata = MetaData()
"""The store's tables by name, for readers."""
RANKING = Table(
    "ranking",
    metadata,
    Column("checkpoint", String, primary_key=True),
    Column("window_start", BigInteger, primary_key=True),
    Column("hashtag", String, primary_key=True),
    Column("tweets", BigInteger, nullable=False),
    Column("batch", BigInteger, nullable=False),
)
FOREIGN = Table(
    "foreign_records",
    metadata,
    Column("checkpoint", String, primary_key=True),
    Column("window_start", BigInteger, primary_key=True),
    Column("records", BigInteger, nullable=False),
)
UNTAGGED = Table(
    "untagged_records",
    metadata,
    Column("checkpoint", String, primary_key=True),
    Column("window_start", BigInteger, primary_key=True),
    Column("records", BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Batch:
    """The absolute counts that one micro-batch changed. Windows are named by their start, seconds since the epoch."""

    number: int
    at: float
    tweets: Mapping[tuple[int, str], int]
    foreign: Mapping[int, int]
    rejects: tuple[Rejects, ...] = ()
    untagged: Mapping[int, int] = field(default_factory=dict)


def write(connection: Connection, checkpoint: str, batch: Batch) -> None:
    """Upsert a batch's counts. They only grow within a checkpoint, so the larger one wins in whatever order batches come."""
    _write_tweets(connection, checkpoint, batch)
    _write_records(connection, FOREIGN, checkpoint, batch.foreign)
    _write_records(connection, UNTAGGED, checkpoint, batch.untagged)


def _write_tweets(connection: Connection, checkpoint: str, batch: Batch) -> None:
    if not batch.tweets:
        return
    row = insert(RANKING)
    keep_larger = {
        "tweets": func.max(RANKING.c.tweets, row.excluded.tweets),
        "batch": func.max(RANKING.c.batch, row.excluded.batch),
    }
    rows: Iterable[dict[str, object]] = (
        {"checkpoint": checkpoint, "window_start": start, "hashtag": hashtag, "tweets": tweets, "batch": batch.number}
        for (start, hashtag), tweets in batch.tweets.items()
    )
    connection.execute(
        row.on_conflict_do_update(index_elements=["checkpoint", "window_start", "hashtag"], set_=keep_larger),
        list(rows),
    )


def _write_records(connection: Connection, table: Table, checkpoint: str, windows: Mapping[int, int]) -> None:
    if not windows:
        return
    row = insert(table)
    keep_larger = {"records": func.max(table.c.records, row.excluded.records)}
    connection.execute(
        row.on_conflict_do_update(index_elements=["checkpoint", "window_start"], set_=keep_larger),
        [{"checkpoint": checkpoint, "window_start": start, "records": records} for start, records in windows.items()],
    )
