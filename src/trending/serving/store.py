"""The serving store: absolute counts by checkpoint, window and hashtag. Upserts make a replayed batch change nothing.

Every ranking that is shown is a query on this store, never on one batch: an update-mode batch carries only changed rows.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import BigInteger, Column, Float, Table, func, select
from sqlalchemy.exc import OperationalError

from trending.database import add_column, as_of_one_moment
from trending.dialects import Name, insert, write_alone
from trending.errors import LabError
from trending.opened_store import open_store
from trending.serving import counts, epochs, others, pruning, rejects, seals
from trending.serving.counts import FOREIGN, Batch, metadata
from trending.serving.ranking_query import LATEST

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Mapping

    from sqlalchemy import ColumnElement, Connection

    from trending.opened_store import StorePlace
    from trending.serving.ranking_query import RankingQuery, Window

Found = TypeVar("Found")

logger = logging.getLogger("trending.serving")

_rejects = rejects.table_of(metadata)
_batches = Table(
    "batches",
    metadata,
    Column("checkpoint", Name, primary_key=True),
    Column("batch", BigInteger, primary_key=True),
    Column("at", Float, nullable=False),
    Column("ends", Name),
)
EPOCHS = epochs.tables_of(metadata, _batches)
_dead_letters = Table(
    "dead_letters",
    metadata,
    Column("checkpoint", Name, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
)
_dropped = Table(
    "dropped",
    metadata,
    Column("checkpoint", Name, primary_key=True),
    Column("query_run", Name, primary_key=True),
    Column("groups", BigInteger, nullable=False),
)
_seals = seals.tables_of(metadata)
KEPT_BATCHES = 1000
FORMAT = 5
"""Number of the tables' form, kept with them: raise it with every change of a table."""
WRITE_SECONDS = 60.0
"""How long a batch is tried again on a store that is locked, on a disk that is full, or on a server that is away."""
RETRY_SECONDS = 0.5


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

    def __init__(self, place: StorePlace, patience: float = 0.0) -> None:
        """Open the store, and make it where there is none.

        For ``patience`` seconds whatever is asked of it is tried again while its server is away, instead of raising LabError.
        """
        self._place, self._patience = place, patience
        self._opened = open_store(place, metadata, FORMAT, _adopt)
        self._held: epochs.Hold | None = None
        try:
            self._patiently(self._opened.prepare)
        except BaseException:
            self.close()
            raise

    def _patiently(self, work: Callable[[], Found]) -> Found:
        """Do work that changes nothing when it is done again: while the server is away it is tried as long as one has patience.

        A file has no server, and SQLite waits for its locks itself.
        """
        if not self._opened.has_server:
            return work()
        return self._try_for(self._patience, work)

    def _try_for(self, seconds: float, work: Callable[[], Found]) -> Found:
        deadline = time.monotonic() + seconds
        while True:
            try:
                return work()
            except OperationalError as error:
                if time.monotonic() > deadline:
                    raise self._opened.unusable(error, seconds) from error
                logger.debug("the serving store is tried again: %s", error.orig)
                time.sleep(RETRY_SECONDS)

    def _reading(self, work: Callable[[Connection], Found]) -> Found:
        """Do work that reads, all of it as of one moment."""

        def once() -> Found:
            with as_of_one_moment(self._opened.engine) as connection:
                return work(connection)

        return self._patiently(once)

    def _write_once(self, work: Callable[[Connection], Found]) -> Found:
        """Do work in a transaction that writes; those who read hear of its commit."""
        with self._opened.engine.begin() as connection:
            if self._held is not None:
                epochs.require_held(connection, EPOCHS, self._held)
            found = work(connection)
            self._opened.tell_change(connection)
            return found

    def _writing_new(self, work: Callable[[Connection], Found]) -> Found:
        """Do work that must not be done twice: where its commit stays unanswered, that is an error at once."""
        if not self._opened.has_server:
            return self._write_once(work)
        return self._try_for(-1.0, partial(self._write_once, work))

    def _writing(self, work: Callable[[Connection], Found]) -> Found:
        return self._patiently(partial(self._write_once, work))

    def take_over(self, fresh: epochs.Epoch) -> epochs.Epoch:
        """Open an epoch and return it as it begins; the one that was open is closed, and its job's next write refused."""
        return self._writing_new(lambda connection: epochs.take_over(connection, EPOCHS, fresh))

    def known_epochs(self) -> tuple[epochs.Epoch, ...]:
        """Return all epochs in the order in which they began."""
        return self._reading(lambda connection: epochs.read(connection, EPOCHS))

    def hold(self, checkpoint: str) -> None:
        """Take a checkpoint for the job that has this store open: whatever is written from now on is refused once another does.

        Raises ConfigurationConflict where the checkpoint's epoch is not open.
        """

        def work(connection: Connection) -> epochs.Hold:
            held = epochs.hold(connection, EPOCHS, checkpoint)
            counts.clear_staged(connection)
            return held

        self._held = None
        self._held = self._writing(work)

    def require_open(self, checkpoint: str) -> None:
        """Raise ConfigurationConflict where another checkpoint counts on: this one's job must touch nothing any more."""
        self._reading(lambda connection: epochs.require_open(connection, EPOCHS, checkpoint))

    def write(self, checkpoint: str, batch: Batch, ends: Mapping[int, int]) -> None:
        """Upsert a batch with the ends of its offsets (partition → offset). Writing a batch again leaves the same rows.

        Counts only grow within a checkpoint, so the larger count wins in whatever order batches are written. Raises
        ConfigurationConflict for a batch that does not belong here, see ``epochs.advance``, and where the file was deleted or
        replaced; LabError where rows are missing that its tasks have staged, and where it cannot be written within
        ``WRITE_SECONDS``.
        """

        def once() -> None:
            self._opened.require_same()
            self._write_once(lambda connection: _write(connection, checkpoint, batch, ends))

        self._try_for(WRITE_SECONDS, once)

    def prune(self, checkpoint: str, until: float, firsts: Mapping[int, int]) -> int:
        """Summarise windows that end by ``until``, and rejects before ``firsts``, see ``pruning.prune``; returns the windows.

        They must not be in the log any more. A store that can't be written is left for the next time: a batch says so.
        """
        self._opened.require_same()
        try:
            return self._write_once(
                lambda connection: pruning.prune(connection, EPOCHS, _rejects, checkpoint, int(until), firsts)
            )
        except OperationalError as error:
            logger.warning("nothing is pruned this time: %s", error.orig)
            return 0

    def trim(self, checkpoint: str, passed: int, kept: int) -> int:
        """Trim a window that starts at ``passed`` or before, see ``others.trim``; returns the last one that was looked at.

        A store that can't be written is left for the next time: a batch says so.
        """
        self._opened.require_same()
        try:
            last, gone = self._write_once(lambda connection: others.trim(connection, EPOCHS, checkpoint, passed, kept))
        except OperationalError as error:
            logger.warning("no window is trimmed this time: %s", error.orig)
            return 0
        if gone:
            logger.info("window %d: its first %d hashtags are kept by name, of %d others their sum", last, kept, gone)
        return last

    def ranking(self, query: RankingQuery = LATEST) -> Window | None:
        """Return the window that is asked for with its ranking; None if nothing was counted in it."""
        return self._reading(query.run)

    def view(self, closing: Mapping[str, int] | None = None, sealed_batches: Mapping[str, int] | None = None) -> StoreView:
        """Return everything that an audit compares, as of one moment.

        ``closing`` is checkpoint → start of the first window that its seal has left open, ``sealed_batches`` checkpoint → last
        batch that its seal covers.
        """
        covered = sealed_batches or {}

        def read(connection: Connection) -> StoreView:
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

        return self._reading(read)

    def known_seals(self) -> dict[str, seals.StoredSeal]:
        """Return topic id → the seal of its last clean audit."""
        return self._reading(lambda connection: seals.read(connection, _seals))

    def seal(self, seal: seals.StoredSeal, known: Mapping[seals.Place, seals.ClosedWindow]) -> None:
        """Replace a topic's seal; ``known`` are the windows of the one it goes on from. LabError where it cannot be written.

        Where one of its windows was trimmed after the audit had looked, the seal before stays.
        """

        def work(connection: Connection) -> bool:
            write_alone(connection, EPOCHS.epochs)
            return seals.write(connection, _seals, seal, known)

        try:
            if not self._write_once(work):
                logger.info("a window was trimmed while the audit ran; the seal before stays")
        except OperationalError as error:
            cause = f"the seal cannot be written to the serving store {self._place}"
            raise LabError(cause, str(error.orig), "make status") from error

    def break_seals(self) -> None:
        """Delete all seals, so that the next audit reads everything."""
        self._writing(lambda connection: seals.remove(connection, _seals))

    def foreign(self) -> int:
        """Return the number of foreign records seen."""

        def read(connection: Connection) -> int:
            kept = int(connection.execute(select(func.coalesce(func.sum(FOREIGN.c.records), 0))).scalar_one())
            return kept + pruning.summarised_foreign(connection)

        return self._reading(read)

    def written(self, checkpoint: str) -> dict[int, float]:
        """Return batch → when it was written under ``checkpoint``, seconds since the epoch; only the last ones are kept."""
        query = select(_batches.c.batch, _batches.c.at).where(_batches.c.checkpoint == checkpoint)
        return self._reading(lambda connection: {row.batch: row.at for row in connection.execute(query)})

    def dead_letter_offset(self, checkpoint: str) -> int:
        """Return the dead-letter topic's offset below which every letter belongs to a written batch."""
        query = select(_dead_letters.c.next_offset).where(_dead_letters.c.checkpoint == checkpoint)
        return self._reading(lambda connection: connection.execute(query).scalar_one_or_none() or 0)

    def note_dead_letters(self, checkpoint: str, next_offset: int) -> None:
        """Store the end of the dead-letter topic after a batch."""

        def work(connection: Connection) -> None:
            row = insert(connection, _dead_letters).values(checkpoint=checkpoint, next_offset=next_offset)
            connection.execute(row.on_conflict_do_update(index_elements=["checkpoint"], set_={"next_offset": next_offset}))

        self._writing(work)

    def note_dropped(self, checkpoint: str, query_run: str, groups: int) -> None:
        """Store how many groups Spark dropped behind the watermark in one run of the query; there should be none."""

        def work(connection: Connection) -> None:
            row = insert(connection, _dropped).values(checkpoint=checkpoint, query_run=query_run, groups=groups)
            keys = ["checkpoint", "query_run"]
            connection.execute(row.on_conflict_do_update(index_elements=keys, set_={"groups": groups}))

        self._writing(work)

    def dropped(self, checkpoint: str) -> int:
        """Return how many groups Spark dropped behind the watermark under ``checkpoint``."""
        return self._reading(lambda connection: _dropped_groups(connection, _dropped.c.checkpoint == checkpoint))

    def forget(self) -> None:
        """Delete every count, so that the log can be counted anew."""

        def work(connection: Connection) -> None:
            connection.execute(EPOCHS.holders.delete())  # first, as in a job's transaction: two orders would wait for each other
            write_alone(connection, EPOCHS.epochs)
            counts.clear_staged(connection)
            for table in metadata.sorted_tables:
                connection.execute(table.delete())

        self._writing(work)

    def close(self) -> None:
        """Close the file, or the connections."""
        self._opened.engine.dispose()


def _adopt(connection: Connection) -> None:
    """Bring what an older file has into the tables of today."""
    rejects.adopt(connection, _rejects)
    add_column(connection, "batches", "ends")  # a store made before 2026-11-29 has none
    add_column(connection, "rejected", "digest")  # nor this
    add_column(connection, "epochs", "spelling")  # nor this, one made before 2026-11-30


def _write(connection: Connection, checkpoint: str, batch: Batch, ends: Mapping[int, int]) -> None:
    written_before = epochs.advance(connection, EPOCHS, checkpoint, batch.number, ends)
    windows = batch.tweet_windows()
    others.require_whole(connection, EPOCHS, checkpoint, windows)
    pruning.require_kept(connection, checkpoint, {*windows, *batch.untagged, *batch.foreign})
    counts.write(connection, checkpoint, batch, written_before=written_before)
    rejects.book(connection, _rejects, checkpoint, batch.number, batch.rejects)
    connection.execute(
        insert(connection, _batches)
        .values(checkpoint=checkpoint, batch=batch.number, at=batch.at, ends=(packed := epochs.packed(ends)))
        .on_conflict_do_update(index_elements=["checkpoint", "batch"], set_={"ends": packed})
    )
    connection.execute(
        _batches.delete().where(_batches.c.checkpoint == checkpoint, _batches.c.batch < batch.number - KEPT_BATCHES)
    )


def _dropped_groups(connection: Connection, *where: ColumnElement[bool]) -> int:
    return int(connection.execute(select(func.coalesce(func.sum(_dropped.c.groups), 0)).where(*where)).scalar_one())
