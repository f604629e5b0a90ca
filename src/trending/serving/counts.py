"""The counts in the serving store: absolute, by checkpoint and window; upserts make a replayed batch change nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import BigInteger, Column, MetaData, Table

from trending.dialects import EveryText, Name, insert, is_postgresql, larger, upsert_larger
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
    """The absolute counts that one micro-batch changed. Windows are named by their start, seconds since the epoch.

    ``staged`` are (attempt, window) → rows that Spark's tasks have written to the server themselves, see ``postgresql.staging``.
    """

    number: int
    at: float
    tweets: Tweets
    foreign: Mapping[int, int]
    rejects: tuple[Rejects, ...] = ()
    untagged: Mapping[int, int] = field(default_factory=dict)
    staged: Mapping[tuple[str, int], int] = field(default_factory=dict)

    def tweet_windows(self) -> set[int]:
        """Return the windows whose tweets the batch has counted."""
        return {window for window, _hashtag in self.tweets} | {window for _attempt, window in self.staged}


def write(connection: Connection, checkpoint: str, batch: Batch, *, written_before: bool) -> None:
    """Upsert a batch's counts. They only grow within a checkpoint, so the larger one wins in whatever order batches come.

    Raises LabError where rows are missing that tasks have staged; ``written_before`` is whether the store has the batch already.
    """
    _write_tweets(connection, checkpoint, batch)
    _merge_staged(connection, checkpoint, batch, written_before=written_before)
    _write_records(connection, FOREIGN, checkpoint, batch.foreign)
    _write_records(connection, UNTAGGED, checkpoint, batch.untagged)


def _write_tweets(connection: Connection, checkpoint: str, batch: Batch) -> None:
    rows = ((checkpoint, start, hashtag, tweets, batch.number) for (start, hashtag), tweets in batch.tweets.items())
    while some := list(islice(rows, _ROWS)):
        upsert_larger(connection, RANKING, some)


def _merge_staged(connection: Connection, checkpoint: str, batch: Batch, *, written_before: bool) -> None:
    if not is_postgresql(connection):
        assert not batch.staged, "a file is nothing that tasks write to"  # noqa: S101 - nobody could have staged them
        return
    from trending.postgresql import staging  # noqa: PLC0415 - libpq, which a store in a file need not load

    rows: Counter[str] = Counter()
    for (attempt, _window), number in batch.staged.items():
        rows[attempt] += number
    staging.merge(connection, RANKING, checkpoint, batch.number, rows, written_before=written_before)
    staging.clear(connection)


def clear_staged(connection: Connection) -> None:
    """Delete what tasks have staged and no batch has taken, where there can be any."""
    if is_postgresql(connection):
        from trending.postgresql import staging  # noqa: PLC0415 - as above

        staging.clear(connection)


def _write_records(connection: Connection, table: Table, checkpoint: str, windows: Mapping[int, int]) -> None:
    if not windows:
        return
    row = insert(connection, table)
    keep_larger = {"records": larger(table.c.records, row.excluded.records)}
    connection.execute(
        row.on_conflict_do_update(index_elements=["checkpoint", "window_start"], set_=keep_larger),
        [{"checkpoint": checkpoint, "window_start": start, "records": records} for start, records in windows.items()],
    )
