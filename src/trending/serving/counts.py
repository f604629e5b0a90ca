"""The counts in the serving store: absolute, by checkpoint and window; upserts make a replayed batch change nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import BigInteger, Column, MetaData, Table

from trending.dialects import EveryText, Name, insert, larger, upsert_larger
from trending.kafka.rejects import Rejects  # noqa: TC001 - dataclass fields are read at run time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlalchemy import Connection

metadata = MetaData()
"""The store's tables by name, for readers."""
RANKING = Table(
    "ranking",
    metadata,
    Column("checkpoint", Name, primary_key=True),
    Column("window_start", BigInteger, primary_key=True),
    Column("hashtag", EveryText, primary_key=True),
    Column("tweets", BigInteger, nullable=False),
    Column("batch", BigInteger, nullable=False),
    # The key is the table. As an index beside it, it is as large again, and a window's rows lie all over the file.
    sqlite_with_rowid=False,
)
FOREIGN = Table(
    "foreign_records",
    metadata,
    Column("checkpoint", Name, primary_key=True),
    Column("window_start", BigInteger, primary_key=True),
    Column("records", BigInteger, nullable=False),
)
UNTAGGED = Table(
    "untagged_records",
    metadata,
    Column("checkpoint", Name, primary_key=True),
    Column("window_start", BigInteger, primary_key=True),
    Column("records", BigInteger, nullable=False),
)


_ROWS = 10_000
"""Rows that are handed over at a time: a batch has as many as it has hashtags, and all at once they take 0.5 kB each."""


class Tweets(Protocol):
    """Tweets by (window start, hashtag): a dictionary, or the columns that Spark hands over."""

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Yield window start and hashtag of each count."""

    def items(self) -> Iterable[tuple[tuple[int, str], int]]:
        """Return each count with its window start and hashtag."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The absolute counts that one micro-batch changed. Windows are named by their start, seconds since the epoch."""

    number: int
    at: float
    tweets: Tweets
    foreign: Mapping[int, int]
    rejects: tuple[Rejects, ...] = ()
    untagged: Mapping[int, int] = field(default_factory=dict)


def write(connection: Connection, checkpoint: str, batch: Batch) -> None:
    """Upsert a batch's counts. They only grow within a checkpoint, so the larger one wins in whatever order batches come."""
    _write_tweets(connection, checkpoint, batch)
    _write_records(connection, FOREIGN, checkpoint, batch.foreign)
    _write_records(connection, UNTAGGED, checkpoint, batch.untagged)


def _write_tweets(connection: Connection, checkpoint: str, batch: Batch) -> None:
    rows = ((checkpoint, start, hashtag, tweets, batch.number) for (start, hashtag), tweets in batch.tweets.items())
    while some := list(islice(rows, _ROWS)):
        upsert_larger(connection, RANKING, some)


def _write_records(connection: Connection, table: Table, checkpoint: str, windows: Mapping[int, int]) -> None:
    if not windows:
        return
    row = insert(connection, table)
    keep_larger = {"records": larger(table.c.records, row.excluded.records)}
    connection.execute(
        row.on_conflict_do_update(index_elements=["checkpoint", "window_start"], set_=keep_larger),
        [{"checkpoint": checkpoint, "window_start": start, "records": records} for start, records in windows.items()],
    )
