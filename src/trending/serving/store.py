"""The serving store: absolute counts by checkpoint, window and hashtag. Upserts make a replayed batch change nothing.

Every ranking that is shown is a query on this store, never on one batch: an update-mode batch carries only changed rows.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Column, Float, String, Table, func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DatabaseError, OperationalError

from trending.database import add_column, as_of_one_moment, make_tables, open_sqlite
from trending.errors import REBUILD, ConfigurationConflict, DamagedFile, LabError
from trending.serving import counts, epochs, others, pruning, rejects, seals
from trending.serving.counts import FOREIGN, Batch, metadata
from trending.serving.ranking_query import LATEST

if TYPE_CHECKING:
    from array import array
    from collections.abc import Mapping
    from pathlib import Path

    from sqlalchemy import ColumnElement, Connection

    from trending.serving.ranking_query import RankingQuery, Window

logger = logging.getLogger("trending.serving")

_rejects = rejects.table_of(metadata)
_batches = Table(
    "batches",
    metadata,
    Column("checkpoint", String, primary_key=True),
    Column("batch", BigInteger, primary_key=True),
    Column("at", Float, nullable=False),
    Column("ends", String),
)
EPOCHS = epochs.tables_of(metadata, _batches)
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
_seals = seals.tables_of(metadata)
KEPT_BATCHES = 1000
FORMAT = 4
"""Number of the tables' form, kept in the file: raise it with every change of a table."""
WRITE_SECONDS = 60.0
"""How long a batch is tried again on a store that is locked, or on a disk that is full."""
RETRY_SECONDS = 0.5
CACHE_KIB = 65_536
"""A batch of many hashtags touches its window all over. With SQLite's usual 2 MiB it took two and a half times as long."""


@dataclass(frozen=True, slots=True)
class StoreView:
    """What the store holds at one moment, by checkpoint.

    ``counts`` are (checkpoint, window start, hashtag) → tweets, ``untagged`` (checkpoint, window start) → records, ``rejects``
    (checkpoint, partition, reason) → their offsets in order, ``dropped`` the groups that Spark dropped behind its watermark,
    ``summarised`` checkpoint → sums of the windows whose counts are not kept any more, ``others`` (checkpoint, window start) →
    what is left of hashtags that are not kept by name.

    Of windows that a seal has closed it has ``closed``, and no counts; of batches that a seal covers no rejects. ``booked`` are
    checkpoint → digest of the rejects of the batches that a seal covers, ``booked_now`` of all of them.
    """

    epochs: tuple[epochs.Epoch, ...]
    counts: Mapping[tuple[str, int, str], int]
    rejects: Mapping[tuple[str, int, str], array[int]]
    dropped: int
    untagged: Mapping[tuple[str, int], int] = field(default_factory=dict)
    summarised: Mapping[str, pruning.Summarised] = field(default_factory=dict)
    closed: Mapping[seals.Place, seals.ClosedWindow] = field(default_factory=dict)
    booked: Mapping[str, str] = field(default_factory=dict)
    booked_now: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[seals.Place, others.Others] = field(default_factory=dict)


class Store:
    """The SQL store of one stack; every method is one transaction."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = open_sqlite(path, REBUILD, CACHE_KIB)
        try:
            self._make_tables()
        except DamagedFile:
            self._engine.dispose()
            raise
        except DatabaseError as error:
            self._engine.dispose()
            cause = f"the serving store {path} cannot be opened"
            raise LabError(cause, str(error.orig), REBUILD) from error
        self._file = _identity(path)

    def _make_tables(self) -> None:
        """Make what the file lacks, once: looking at each of its tables takes 25 ms, which every command would wait for."""
        with self._engine.connect() as connection:
            if connection.exec_driver_sql("PRAGMA user_version").scalar_one() == FORMAT:
                return
        make_tables(self._engine, metadata)
        with self._engine.begin() as connection:
            rejects.adopt(connection, _rejects)
            add_column(connection, "batches", "ends")  # a store made before 2026-11-29 has none
            add_column(connection, "rejected", "digest")  # nor this
            connection.exec_driver_sql(f"PRAGMA user_version = {FORMAT}")

    def take_over(self, fresh: epochs.Epoch) -> epochs.Epoch:
        """Open an epoch and return it as it begins; the one that was open is closed, and its job's next write refused."""
        with self._engine.begin() as connection:
            return epochs.take_over(connection, EPOCHS, fresh)

    def known_epochs(self) -> tuple[epochs.Epoch, ...]:
        """Return all epochs in the order in which they began."""
        with self._engine.connect() as connection:
            return epochs.read(connection, EPOCHS)

    def require_open(self, checkpoint: str) -> None:
        """Raise ConfigurationConflict where another checkpoint counts on: this one's job must touch nothing any more."""
        with self._engine.connect() as connection:
            epochs.require_open(connection, EPOCHS, checkpoint)

    def write(self, checkpoint: str, batch: Batch, ends: Mapping[int, int]) -> None:
        """Upsert a batch with the ends of its offsets (partition → offset). Writing a batch again leaves the same rows.

        Counts only grow within a checkpoint, so the larger count wins in whatever order batches are written. Raises
        ConfigurationConflict for a batch that does not belong here, see ``epochs.advance``, and where the file was deleted or
        replaced; LabError where it cannot be written within ``WRITE_SECONDS``.
        """
        deadline = time.monotonic() + WRITE_SECONDS
        while True:
            self._require_same_file()
            try:
                self._write(checkpoint, batch, ends)
            except OperationalError as error:
                if time.monotonic() > deadline:
                    cause = f"the serving store {self._path} cannot be written for {WRITE_SECONDS:.0f} s"
                    raise LabError(cause, str(error.orig), "make status") from error
                time.sleep(RETRY_SECONDS)
            else:
                return

    def _write(self, checkpoint: str, batch: Batch, ends: Mapping[int, int]) -> None:
        with self._engine.begin() as connection:
            epochs.advance(connection, EPOCHS, checkpoint, batch.number, ends)
            windows = {window for window, _hashtag in batch.tweets}
            others.require_whole(connection, EPOCHS, checkpoint, windows)
            pruning.require_kept(connection, checkpoint, {*windows, *batch.untagged, *batch.foreign})
            counts.write(connection, checkpoint, batch)
            rejects.book(connection, _rejects, checkpoint, batch.number, batch.rejects)
            connection.execute(
                insert(_batches)
                .values(checkpoint=checkpoint, batch=batch.number, at=batch.at, ends=(packed := epochs.packed(ends)))
                .on_conflict_do_update(index_elements=["checkpoint", "batch"], set_={"ends": packed})
            )
            connection.execute(
                _batches.delete().where(_batches.c.checkpoint == checkpoint, _batches.c.batch < batch.number - KEPT_BATCHES)
            )

    def prune(self, checkpoint: str, until: float, firsts: Mapping[int, int]) -> int:
        """Summarise windows that end by ``until``, and rejects before ``firsts``, see ``pruning.prune``; returns the windows.

        They must not be in the log any more. A store that can't be written is left for the next time: a batch says so.
        """
        self._require_same_file()
        try:
            with self._engine.begin() as connection:
                return pruning.prune(connection, EPOCHS, _rejects, checkpoint, int(until), firsts)
        except OperationalError as error:
            logger.warning("nothing is pruned this time: %s", error.orig)
            return 0

    def trim(self, checkpoint: str, passed: int, kept: int) -> int:
        """Trim a window that starts at ``passed`` or before, see ``others.trim``; returns the last one that was looked at.

        A store that can't be written is left for the next time: a batch says so.
        """
        self._require_same_file()
        try:
            with self._engine.begin() as connection:
                last, gone = others.trim(connection, EPOCHS, checkpoint, passed, kept)
        except OperationalError as error:
            logger.warning("no window is trimmed this time: %s", error.orig)
            return 0
        if gone:
            logger.info("window %d: its first %d hashtags are kept by name, of %d others their sum", last, kept, gone)
        return last

    def _require_same_file(self) -> None:
        """Raise ConfigurationConflict where the file was deleted or replaced: nobody would read the open one."""
        try:
            found: tuple[int, int] | None = _identity(self._path)
        except FileNotFoundError:
            found = None
        if found != self._file:
            cause = f"the serving store {self._path} was {'replaced' if found else 'deleted'} while the stream ran"
            raise ConfigurationConflict(cause, "its counts up to now are gone; the log has the records", REBUILD)

    def ranking(self, query: RankingQuery = LATEST) -> Window | None:
        """Return the window that is asked for with its ranking; None if nothing was counted in it."""
        with as_of_one_moment(self._engine) as connection:
            return query.run(connection)

    def view(self, closing: Mapping[str, int] | None = None, sealed_batches: Mapping[str, int] | None = None) -> StoreView:
        """Return everything that an audit compares, as of one moment.

        ``closing`` is checkpoint → start of the first window that its seal has left open, ``sealed_batches`` checkpoint → last
        batch that its seal covers.
        """
        covered = sealed_batches or {}
        with as_of_one_moment(self._engine) as connection:
            counted = seals.read_counts(connection, closing or {})
            found = epochs.read(connection, EPOCHS)
            now = {epoch.checkpoint: epochs.last_batch(epoch) for epoch in found}
            return StoreView(
                found,
                counted.tweets,
                rejects.by_checkpoint(connection, _rejects, covered),
                _dropped_groups(connection),
                counted.untagged,
                pruning.summarised(connection),
                counted.closed,
                rejects.digests(connection, _rejects, covered),
                rejects.digests(connection, _rejects, now),
                counted.others,
            )

    def known_seals(self) -> dict[str, seals.StoredSeal]:
        """Return topic id → the seal of its last clean audit."""
        with as_of_one_moment(self._engine) as connection:
            return seals.read(connection, _seals)

    def seal(self, seal: seals.StoredSeal, known: Mapping[seals.Place, seals.ClosedWindow]) -> None:
        """Replace a topic's seal; ``known`` are the windows of the one it goes on from. LabError where it cannot be written.

        Where one of its windows was trimmed after the audit had looked, the seal before stays.
        """
        try:
            with self._engine.begin() as connection:
                if not seals.write(connection, _seals, seal, known):
                    logger.info("a window was trimmed while the audit ran; the seal before stays")
        except OperationalError as error:
            cause = f"the seal cannot be written to the serving store {self._path}"
            raise LabError(cause, str(error.orig), "make status") from error

    def break_seals(self) -> None:
        """Delete all seals, so that the next audit reads everything."""
        with self._engine.begin() as connection:
            seals.remove(connection, _seals)

    def foreign(self) -> int:
        """Return the number of foreign records seen."""
        with self._engine.connect() as connection:
            kept = int(connection.execute(select(func.coalesce(func.sum(FOREIGN.c.records), 0))).scalar_one())
            return kept + pruning.summarised_foreign(connection)

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

    def dropped(self, checkpoint: str) -> int:
        """Return how many groups Spark dropped behind the watermark under ``checkpoint``."""
        with self._engine.connect() as connection:
            return _dropped_groups(connection, _dropped.c.checkpoint == checkpoint)

    def forget(self) -> None:
        """Delete every count, so that the log can be counted anew."""
        with self._engine.begin() as connection:
            for table in metadata.sorted_tables:
                connection.execute(table.delete())

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _dropped_groups(connection: Connection, *where: ColumnElement[bool]) -> int:
    return int(connection.execute(select(func.coalesce(func.sum(_dropped.c.groups), 0)).where(*where)).scalar_one())
