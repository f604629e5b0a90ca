"""The rejects in the serving store: one row a partition, batch and reason, with the offsets packed.

A CSV piped into the topic is a million rejects. As rows of their own they would be larger than the log that they came from.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections import Counter, defaultdict
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, func, inspect, select, text

from trending.dialects import EveryText, Name, insert
from trending.kafka.packed_offsets import pack, unpack
from trending.kafka.rejects import OFFSET, Rejects

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection, Row

_BEFORE = "rejects"
"""The table of stores made before 2026-11-28, with a row for each reject."""
_BEFORE_BATCH = -1
_SUMMARY = -2
"""The batch of the row that has the number of expired rejects, and none of their offsets."""
_MOST_ROWS = 1_000
_DIGEST_BYTES = 16


def table_of(metadata: MetaData) -> Table:
    """Return the table of rejects, declared in ``metadata``."""
    return Table(
        "rejected",
        metadata,
        Column("checkpoint", Name, primary_key=True),
        Column("partition", Integer, primary_key=True),
        Column("batch", BigInteger, primary_key=True),
        Column("reason", EveryText, primary_key=True),
        Column("records", BigInteger, nullable=False),
        Column("offsets", LargeBinary, nullable=False),
        Column("digest", Name),  # only of a summary: of the rows that were there
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
        connection.execute(insert(connection, table), rows)


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
    """Return a digest of each checkpoint's rejects up to a batch (checkpoint → batch).

    It is the sum of its rows' digests, so that a row which is summarised leaves it as it was.
    """
    found = dict.fromkeys(last_batches, 0)
    for row in connection.execute(select(table)):
        if row.checkpoint in found and row.batch <= last_batches[row.checkpoint]:
            found[row.checkpoint] += _digest(row)
    return {checkpoint: _written(digest) for checkpoint, digest in found.items()}


def _digest(row: Row[Any]) -> int:
    """Return the digest of a row; a summary has that of the rows it stands for."""
    if row.batch == _SUMMARY:
        return int(row.digest or "0", 16)
    head = f"{row.partition} {row.batch} {len(row.reason)} {row.reason} {row.records} {len(row.offsets)} "
    return int.from_bytes(hashlib.blake2b(head.encode() + row.offsets, digest_size=_DIGEST_BYTES).digest())


def _written(digest: int) -> str:
    return f"{digest % (1 << 8 * _DIGEST_BYTES):0{2 * _DIGEST_BYTES}x}"


def by_reason(connection: Connection, table: Table) -> dict[str, int]:
    """Return reason → number of rejects."""
    rows = connection.execute(select(table.c.reason, func.sum(table.c.records)).group_by(table.c.reason))
    return {row[0]: int(row[1]) for row in rows}


def reason_of(connection: Connection, table: Table, partition: int, offset: int) -> str:
    """Return why a record was refused; empty where it was not, or where it was so long ago that only a sum is left."""
    newest = select(table.c.reason, table.c.offsets).where(table.c.partition == partition, table.c.batch >= 0)
    for row in connection.execute(newest.order_by(table.c.batch.desc()).limit(_MOST_ROWS)):
        if offset in unpack(row.offsets):
            return str(row.reason)
    return ""


def summarise(connection: Connection, table: Table, checkpoint: str, firsts: Mapping[int, int], below: float) -> None:
    """Keep only the number of the rejects before ``firsts`` (partition → offset), by reason; those of batch ``below`` on stay.

    The oldest go first, some rows at a time.
    """
    for partition, first in firsts.items():
        place = (table.c.checkpoint == checkpoint, table.c.partition == partition)
        going = select(table).where(*place, table.c.batch > _SUMMARY)
        if below < math.inf:  # no integer, which PostgreSQL would want
            going = going.where(table.c.batch < below)
        numbers, digests = Counter[str](), Counter[str]()
        for row in connection.execute(going.order_by(table.c.batch, table.c.reason).limit(_MOST_ROWS)).all():
            if not _all_before(row.offsets, first):
                break
            numbers[row.reason] += row.records
            digests[row.reason] += _digest(row)
            connection.execute(table.delete().where(*place, table.c.batch == row.batch, table.c.reason == row.reason))
        for reason, records in numbers.items():
            key = {"checkpoint": checkpoint, "partition": partition, "batch": _SUMMARY, "reason": reason}
            same = (table.c[name] == value for name, value in key.items())
            before = connection.execute(select(table.c.digest).where(*same)).scalar_one_or_none()
            digest = _written(int(before or "0", 16) + digests[reason])
            summary = insert(connection, table).values(**key, records=records, offsets=pack(()), digest=digest)
            added = {"records": table.c.records + summary.excluded.records, "digest": digest}
            connection.execute(summary.on_conflict_do_update(index_elements=list(key), set_=added))


def _all_before(packed: bytes, first: int) -> bool:
    offsets = unpack(packed)
    return next(offsets) < first and all(offset < first for offset in offsets)  # as a rule the first one answers it


def adopt(connection: Connection, table: Table) -> None:
    """Bring the rejects of an older store into the table, as of one batch before all others."""
    if not inspect(connection).has_table(_BEFORE):
        return
    rows = connection.execute(text(f'SELECT checkpoint, "partition", reason, "offset" FROM {_BEFORE} ORDER BY 1, 2, 3, 4'))  # noqa: S608
    for (checkpoint, partition, reason), group in groupby(rows.all(), key=itemgetter(0, 1, 2)):
        rejects = Rejects.of(partition, reason, (row[3] for row in group))
        book(connection, table, checkpoint, _BEFORE_BATCH, [rejects])
    connection.execute(text(f"DROP TABLE {_BEFORE}"))
