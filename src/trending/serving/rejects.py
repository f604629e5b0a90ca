"""The rejects in the serving store: one row a partition, batch and reason, with the offsets packed.

A CSV piped into the topic is a million rejects. As rows of their own they would be larger than the log that they came from.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import defaultdict
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, String, Table, func, inspect, select, text
from sqlalchemy.dialects.sqlite import insert

from trending.kafka.packed_offsets import unpack
from trending.kafka.rejects import OFFSET, Rejects

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

_BEFORE = "rejects"
"""The table of stores made before 2026-11-28, with a row for each reject."""
_BEFORE_BATCH = -1


def table_of(metadata: MetaData) -> Table:
    """Return the table of rejects, declared in ``metadata``."""
    return Table(
        "rejected",
        metadata,
        Column("checkpoint", String, primary_key=True),
        Column("partition", Integer, primary_key=True),
        Column("batch", BigInteger, primary_key=True),
        Column("reason", String, primary_key=True),
        Column("records", BigInteger, nullable=False),
        Column("offsets", LargeBinary, nullable=False),
    )


def book(connection: Connection, table: Table, checkpoint: str, batch: int, rejects: Iterable[Rejects]) -> None:
    """Write the rejects of a batch; a batch that runs again replaces what it wrote."""
    connection.execute(table.delete().where(table.c.checkpoint == checkpoint, table.c.batch == batch))
    rows = [
        {
            "checkpoint": checkpoint,
            "partition": each.partition,
            "batch": batch,
            "reason": each.reason,
            "records": len(each),
            "offsets": each.packed,
        }
        for each in rejects
    ]
    if rows:
        connection.execute(insert(table), rows)


def by_checkpoint(
    connection: Connection, table: Table, sealed_batches: Mapping[str, int] | None = None
) -> dict[tuple[str, int, str], array[int]]:
    """Return (checkpoint, partition, reason) → offsets in order; an offset that two batches booked is there twice.

    Those up to the last batch that a seal covers (checkpoint → batch) are left out.
    """
    covered = sealed_batches or {}
    found: defaultdict[tuple[str, int, str], array[int]] = defaultdict(lambda: array(OFFSET))
    for row in connection.execute(select(table).order_by(table.c.checkpoint, table.c.partition, table.c.reason, table.c.batch)):
        if row.batch > covered.get(row.checkpoint, row.batch - 1):
            found[row.checkpoint, row.partition, row.reason].extend(unpack(row.offsets))
    return {key: array(OFFSET, sorted(offsets)) for key, offsets in found.items()}


def digests(connection: Connection, table: Table, last_batches: Mapping[str, int]) -> dict[str, str]:
    """Return a digest of each checkpoint's rejects up to a batch (checkpoint → batch)."""
    found = {checkpoint: hashlib.blake2b(digest_size=16) for checkpoint in last_batches}
    columns = table.c
    for row in connection.execute(select(table).order_by(columns.checkpoint, columns.partition, columns.batch, columns.reason)):
        if row.checkpoint in found and row.batch <= last_batches[row.checkpoint]:
            head = f"{row.partition} {row.batch} {len(row.reason)} {row.reason} {row.records} {len(row.offsets)} "
            found[row.checkpoint].update(head.encode() + row.offsets)
    return {checkpoint: digest.hexdigest() for checkpoint, digest in found.items()}


def total(connection: Connection, table: Table) -> int:
    """Return the number of rejects."""
    return int(connection.execute(select(func.coalesce(func.sum(table.c.records), 0))).scalar_one())


def adopt(connection: Connection, table: Table) -> None:
    """Bring the rejects of an older store into the table, as of one batch before all others."""
    if not inspect(connection).has_table(_BEFORE):
        return
    rows = connection.execute(text(f'SELECT checkpoint, "partition", reason, "offset" FROM {_BEFORE} ORDER BY 1, 2, 3, 4'))  # noqa: S608
    for (checkpoint, partition, reason), group in groupby(rows.all(), key=itemgetter(0, 1, 2)):
        rejects = Rejects.of(partition, reason, (row[3] for row in group))
        book(connection, table, checkpoint, _BEFORE_BATCH, [rejects])
    connection.execute(text(f"DROP TABLE {_BEFORE}"))
