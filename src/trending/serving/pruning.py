"""Pruning the serving store: of old windows that the log has no record of any more only the totals are kept.

While the log has a record of a window an audit compares it, so nothing of it goes. What goes leaves one row for each checkpoint
with what it was in all: the totals stay exact.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import BigInteger, Column, String, Table, func, select
from sqlalchemy.dialects.sqlite import insert

from trending.errors import REBUILD, ConfigurationConflict
from trending.serving import epochs, rejects
from trending.serving.counts import FOREIGN, RANKING, UNTAGGED, metadata
from trending.serving.others import OTHERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

    from trending.serving.epochs import Epoch, EpochTables

SUMMARIES = Table(
    "summaries",
    metadata,
    Column("checkpoint", String, primary_key=True),
    Column("before", BigInteger, nullable=False),
    Column("tweets", BigInteger, nullable=False),
    Column("untagged", BigInteger, nullable=False),
    Column("foreign", BigInteger, nullable=False),
)
"""What was counted in windows that begin before ``before``, which have no rows any more."""


class Summarised(NamedTuple):
    """What a checkpoint has counted in windows that begin before ``before`` (seconds since the epoch), and have no rows."""

    before: int = 0
    tweets: int = 0
    untagged: int = 0


MOST_ROWS = 50_000
"""Rows of the ranking that one pruning deletes, 0.3 s; a single larger window goes whole."""


def prune(
    connection: Connection, tables: EpochTables, rejected: Table, checkpoint: str, until: int, firsts: Mapping[int, int]
) -> int:
    """Summarise windows that end by ``until`` (seconds since the epoch), and rejects that lie before ``firsts``.

    It is done for all epochs of the topic that ``checkpoint`` counts, the oldest windows first, some at a time; returns the
    number of windows that went. Raises ConfigurationConflict where the checkpoint's epoch is not open.
    """
    epochs.hold_open(connection, tables, checkpoint)
    known = epochs.read(connection, tables)
    topic = next(each.topic_id for each in known if each.checkpoint == checkpoint)
    pruned = 0
    for each in known:
        if each.topic_id == topic:
            # What the last batch has written stays: it may come again, and would be counted beside its summary.
            newest = math.inf if each.closed or each.last_batch is None else each.last_batch
            pruned += _prune_windows(connection, each, until - each.rule.window_seconds, newest)
            rejects.summarise(connection, rejected, each.checkpoint, firsts, newest)
    return pruned


def _prune_windows(connection: Connection, epoch: Epoch, last: int, newest: float) -> int:
    """Summarise the windows that begin at ``last`` or before, up to ``MOST_ROWS``; returns their number."""
    windows = _going(connection, epoch.checkpoint, last, newest)
    if not windows:
        return 0
    before = max(windows) + epoch.rule.window_seconds
    sums: dict[str, int] = {"tweets": 0, "untagged": 0, "foreign": 0}
    for name, table in (("tweets", RANKING), ("tweets", OTHERS), ("untagged", UNTAGGED), ("foreign", FOREIGN)):
        going = (table.c.checkpoint == epoch.checkpoint, table.c.window_start < before)
        column = table.c["tweets" if name == "tweets" else "records"]
        sums[name] += connection.execute(select(func.coalesce(func.sum(column), 0)).where(*going)).scalar_one()
        connection.execute(table.delete().where(*going))
    row = insert(SUMMARIES).values(checkpoint=epoch.checkpoint, before=before, **sums)
    added = {name: SUMMARIES.c[name] + row.excluded[name] for name in sums}
    connection.execute(row.on_conflict_do_update(index_elements=["checkpoint"], set_={"before": row.excluded.before, **added}))
    return len(windows)


def _going(connection: Connection, checkpoint: str, last: int, newest: float) -> set[int]:
    """Return the windows that go now: the oldest, up to one that batch ``newest`` has touched."""
    found: set[int] = set()
    rows = 0
    query = (
        select(RANKING.c.window_start, func.count().label("rows"), func.max(RANKING.c.batch).label("batch"))
        .where(RANKING.c.checkpoint == checkpoint, RANKING.c.window_start <= last)
        .group_by(RANKING.c.window_start)
        .order_by(RANKING.c.window_start)
    )
    # Read as far as it is needed: with a month of windows behind, the rest is the next times' business.
    with connection.execute(query) as windows:
        for row in windows:
            if (rows and rows + row.rows > MOST_ROWS) or row.batch >= newest:
                last = row.window_start - 1
                break
            rows += row.rows
            found.add(row.window_start)
    for table in (OTHERS, UNTAGGED, FOREIGN):
        others = select(table.c.window_start).where(table.c.checkpoint == checkpoint, table.c.window_start <= last)
        found.update(connection.execute(others).scalars())
    return found


def require_kept(connection: Connection, checkpoint: str, windows: Iterable[int]) -> None:
    """Raise ConfigurationConflict where one of the windows was summarised: counted on, its first part would count twice."""
    before = connection.execute(select(SUMMARIES.c.before).where(SUMMARIES.c.checkpoint == checkpoint)).scalar_one_or_none()
    if before is not None and any(window < before for window in windows):
        cause = "a window grows that was summarised, because the log had none of its records any more"
        raise ConfigurationConflict(cause, f"checkpoint {checkpoint}, windows before {before}", REBUILD)


def summarised(connection: Connection) -> dict[str, Summarised]:
    """Return checkpoint → sums of its windows that are summarised."""
    return {row.checkpoint: Summarised(row.before, row.tweets, row.untagged) for row in connection.execute(select(SUMMARIES))}


def summarised_foreign(connection: Connection) -> int:
    """Return the foreign records in windows that are summarised."""
    return int(connection.execute(select(func.coalesce(func.sum(SUMMARIES.c.foreign), 0))).scalar_one())
