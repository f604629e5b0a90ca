"""Epochs in the serving store: which checkpoint counts which part of a topic, by which rule, and how far it has come.

One epoch is open at a time. A job with another checkpoint takes over where the store says that the one before has counted to, in
one transaction: Spark's own files may be a batch ahead of the store or behind it. Each batch writes the ends of its offsets
with its counts, so that an audit has both as of the same moment.

A job holds its checkpoint by a fencing token, which its start raises and each of its transactions looks at: a lock of a session
would be lost with the server's restart, and an object store has none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, Table, func, select

from trending.dialects import Name, insert, write_alone
from trending.errors import REBUILD, ConfigurationConflict
from trending.settings import Rule, Spelling, WindowTime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Row


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one checkpoint counts: ``starts`` and ``ends`` are partition → offset, the ends exclusive.

    ``key`` holds everything that makes a checkpoint unusable for another query. ``last_batch`` is None before the first one.
    """

    checkpoint: str
    key: str
    topic: str
    topic_id: str
    starts: Mapping[int, int]
    ends: Mapping[int, int] = field(default_factory=dict)
    rule: Rule = field(default_factory=Rule)
    last_batch: int | None = None
    closed: bool = False

    def counted_to(self) -> dict[int, int]:
        """Return partition → offset behind the last record that is counted: where the next epoch takes over."""
        return {**self.starts, **self.ends}


@dataclass(frozen=True, slots=True)
class EpochTables:
    """The epochs, their offsets, the batches with their ends, and the token of the job that holds each checkpoint."""

    epochs: Table
    offsets: Table
    batches: Table
    holders: Table


def tables_of(metadata: MetaData, batches: Table) -> EpochTables:
    """Return the tables, declared in ``metadata`` beside those of the batches."""
    epochs = Table(
        "epochs",
        metadata,
        Column("number", Integer, primary_key=True),
        Column("checkpoint", Name, nullable=False, unique=True),
        Column("key", Name, nullable=False),
        Column("topic", Name, nullable=False),
        Column("topic_id", Name, nullable=False),
        Column("window_time", Name, nullable=False),
        Column("window_seconds", Integer, nullable=False),
        Column("spelling", Name),
        Column("closed", Boolean, nullable=False),
    )
    offsets = Table(
        "epoch_offsets",
        metadata,
        Column("checkpoint", Name, primary_key=True),
        Column("partition", Integer, primary_key=True),
        Column("first_offset", BigInteger),
        Column("end_offset", BigInteger),
    )
    holders = Table(
        "holders",
        metadata,
        Column("checkpoint", Name, primary_key=True),
        Column("token", BigInteger, nullable=False),
    )
    return EpochTables(epochs, offsets, batches, holders)


def rule_of(row: Row[Any]) -> Rule:
    """Return the rule of an epoch's row; one of a store made before 2026-11-30 has no spelling, or no such column."""
    spelling = row._mapping.get("spelling")  # noqa: SLF001 - SQLAlchemy's public name, as its documentation has it
    return Rule(WindowTime(row.window_time), row.window_seconds, Spelling(spelling or Spelling.EXACT))


def read(connection: Connection, tables: EpochTables) -> tuple[Epoch, ...]:
    """Return all epochs in the order in which they began."""
    starts: dict[str, dict[int, int]] = {}
    ends: dict[str, dict[int, int]] = {}
    for row in connection.execute(select(tables.offsets)):
        for found, offset in ((starts, row.first_offset), (ends, row.end_offset)):
            if offset is not None:
                found.setdefault(row.checkpoint, {})[row.partition] = offset
    batches = tables.batches.c
    newest = select(batches.checkpoint, func.max(batches.batch).label("batch")).group_by(batches.checkpoint)
    last = {row.checkpoint: row.batch for row in connection.execute(newest)}
    return tuple(
        Epoch(
            row.checkpoint,
            row.key,
            row.topic,
            row.topic_id,
            starts.get(row.checkpoint, {}),
            ends.get(row.checkpoint, {}),
            rule_of(row),
            last.get(row.checkpoint),
            row.closed,
        )
        for row in connection.execute(select(tables.epochs).order_by(tables.epochs.c.number))
    )


def last_batch(epoch: Epoch) -> int:
    """Return the number of an epoch's last batch; below every batch's of a job where there was none."""
    return -1 if epoch.last_batch is None else epoch.last_batch


def take_over(connection: Connection, tables: EpochTables, fresh: Epoch) -> Epoch:
    """Close the epoch that is open, if any, and open ``fresh``; returns it as it begins.

    On the topic of the one before it begins where that has counted to, whatever starts it was given.
    """
    epochs = tables.epochs.c
    write_alone(connection, tables.epochs)
    connection.execute(tables.epochs.update().where(~epochs.closed).values(closed=True))  # takes the write lock, then looks
    before = next((each for each in reversed(read(connection, tables)) if each.topic_id == fresh.topic_id), None)
    if before is not None:
        fresh = replace(fresh, starts={**fresh.starts, **before.counted_to()})
    connection.execute(
        insert(connection, tables.epochs).values(
            checkpoint=fresh.checkpoint,
            key=fresh.key,
            topic=fresh.topic,
            topic_id=fresh.topic_id,
            window_time=fresh.rule.window_time.value,
            window_seconds=fresh.rule.window_seconds,
            spelling=fresh.rule.spelling.value,
            closed=False,
        )
    )
    rows = [
        {
            "checkpoint": fresh.checkpoint,
            "partition": part,
            "first_offset": fresh.starts.get(part),
            "end_offset": fresh.ends.get(part),
        }
        for part in fresh.starts.keys() | fresh.ends.keys()
    ]
    if rows:
        connection.execute(insert(connection, tables.offsets), rows)
    return fresh


def advance(connection: Connection, tables: EpochTables, checkpoint: str, batch: int, ends: Mapping[int, int]) -> bool:
    """Move an epoch's ends to those of a batch, and return whether it had been written before; call it before all else.

    Raises ConfigurationConflict where the epoch is not open, where a batch comes again with other ends, and where a batch does
    not follow the last one. In each case its counts would be of other records than the store takes them for.
    """
    batches = tables.batches.c
    hold_open(connection, tables, checkpoint)
    written = connection.execute(
        select(batches.ends).where(batches.checkpoint == checkpoint, batches.batch == batch)
    ).one_or_none()
    if written is not None and written.ends is not None:
        if written.ends == packed(ends):
            return True
        cause = f"batch {batch} comes again with other records: the checkpoint has lost its offsets"
        raise ConfigurationConflict(cause, f"it ended at {written.ends} and ends at {packed(ends)} now", REBUILD)
    last = connection.execute(select(func.max(batches.batch)).where(batches.checkpoint == checkpoint)).scalar_one()
    # A batch of a store made before 2026-11-29 has no ends.
    if written is None and batch != (0 if last is None else last + 1):
        cause = f"batch {batch} does not follow on batch {last} of the store: one of them is an older copy"
        raise ConfigurationConflict(cause, f"checkpoint {checkpoint}", REBUILD)
    if ends:
        row = insert(connection, tables.offsets)
        connection.execute(
            row.on_conflict_do_update(index_elements=["checkpoint", "partition"], set_={"end_offset": row.excluded.end_offset}),
            [{"checkpoint": checkpoint, "partition": part, "end_offset": end} for part, end in ends.items()],
        )
    return written is not None


def hold_open(connection: Connection, tables: EpochTables, checkpoint: str) -> None:
    """Raise ConfigurationConflict where the checkpoint's epoch is not open; where it is, it stays so until the commit."""
    epochs = tables.epochs.c
    # An update and no query: it takes SQLite's write lock, or PostgreSQL's on the row, so that nobody closes the epoch between
    # this look and the commit.
    found = connection.execute(tables.epochs.update().where(epochs.checkpoint == checkpoint, ~epochs.closed).values(closed=False))
    if not found.rowcount:
        raise _not_open(checkpoint)


@dataclass(frozen=True, slots=True)
class Hold:
    """A job's hold on its checkpoint: nobody else has started a job on it as long as the token is the newest."""

    checkpoint: str
    token: int


def hold(connection: Connection, tables: EpochTables, checkpoint: str) -> Hold:
    """Take a checkpoint from the job that holds it, if any, whose next transaction is refused then.

    Raises ConfigurationConflict where the checkpoint's epoch is not open.
    """
    holders = tables.holders.c
    row = insert(connection, tables.holders).values(checkpoint=checkpoint, token=1)
    connection.execute(row.on_conflict_do_update(index_elements=["checkpoint"], set_={"token": holders.token + 1}))
    require_open(connection, tables, checkpoint)
    return Hold(checkpoint, connection.execute(select(holders.token).where(holders.checkpoint == checkpoint)).scalar_one())


def require_held(connection: Connection, tables: EpochTables, held: Hold) -> None:
    """Raise ConfigurationConflict where another job holds the checkpoint; where none does, it stays so until the commit."""
    holders = tables.holders.c
    mine = tables.holders.update().where(holders.checkpoint == held.checkpoint, holders.token == held.token)
    if connection.execute(mine.values(token=held.token)).rowcount:
        return
    require_open(connection, tables, held.checkpoint)
    cause = f"another job has taken the checkpoint {held.checkpoint}: this one counts no more"
    raise ConfigurationConflict(cause, f"its fencing token is not {held.token} any more", "make status")


def require_open(connection: Connection, tables: EpochTables, checkpoint: str) -> None:
    """Raise ConfigurationConflict where the checkpoint's epoch is not open. It takes no lock: only ``advance`` is proof."""
    epochs = tables.epochs.c
    found = connection.execute(select(epochs.number).where(epochs.checkpoint == checkpoint, ~epochs.closed)).one_or_none()
    if found is None:
        raise _not_open(checkpoint)


def _not_open(checkpoint: str) -> ConfigurationConflict:
    cause = "this job's counts are not wanted any more: another checkpoint counts on, or the store was emptied"
    return ConfigurationConflict(cause, f"{checkpoint} has no open epoch in the store", "make up")


def packed(ends: Mapping[int, int]) -> str:
    """Return a batch's ends as they are kept with it."""
    return json.dumps({str(part): end for part, end in sorted(ends.items())})
