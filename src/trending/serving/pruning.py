"""Pruning the serving store: of old windows that the log has no record of any more only the totals are kept.

While the log has a record of a window an audit compares it, so nothing of it goes. What goes leaves one row for each checkpoint
with what it was in all: the totals stay exact.
"""

from __future__ import annotations

import math
from contextlib import ExitStack, closing
from heapq import merge
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import BigInteger, Column, Table, func, select

from trending.dialects import Name, insert
from trending.errors import REBUILD, ConfigurationConflict
from trending.serving import epochs, rejects
from trending.serving.counts import FOREIGN, RANKING, UNTAGGED, metadata
from trending.serving.others import OTHERS
from trending.settings import WindowTime

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from trending.serving.epochs import Epoch, EpochTables

SUMMARIES = Table(
    "summaries",
    metadata,
    Column("checkpoint", Name, primary_key=True),
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
    number of windows that went, each for every epoch that had it. Raises ConfigurationConflict where the checkpoint's epoch is
    not open.
    """
    epochs.hold_open(connection, tables, checkpoint)
    known = epochs.read(connection, tables)
    topic = next(each.topic_id for each in known if each.checkpoint == checkpoint)
    pruned = 0
    counting = [each for each in known if each.topic_id == topic]
    # By original times a window says nothing about when its tweets were appended, and the log may have all of them.
    for rule in {each.rule: None for each in counting if each.rule.window_time is not WindowTime.ORIGINAL}:
        pruned += _prune_windows(connection, [each for each in counting if each.rule == rule], until - rule.window_seconds)
    for each in counting:
        rejects.summarise(connection, rejected, each.checkpoint, firsts, _newest(each))
    return pruned


def _newest(epoch: Epoch) -> float:
    """Return the batch that may come again: what it has written stays, it would be counted beside its summary."""
    return math.inf if epoch.closed or epoch.last_batch is None else epoch.last_batch


def _prune_windows(connection: Connection, epochs_of_rule: Sequence[Epoch], last: int) -> int:
    """Summarise the windows that begin at ``last`` or before, up to ``MOST_ROWS``; returns their number, for each epoch.

    A window goes for all epochs of its rule at once. Which hashtags of it are kept by name depends on the sum over them, so an
    audit since a seal could not tell any more from the epochs that are left.
    """
    going = _going(connection, epochs_of_rule, last)
    if not any(going.values()):
        return 0
    before = max(max(windows) for windows in going.values() if windows) + epochs_of_rule[0].rule.window_seconds
    for checkpoint, windows in going.items():
        if windows:
            _summarise(connection, checkpoint, before)
    return sum(map(len, going.values()))


def _summarise(connection: Connection, checkpoint: str, before: int) -> None:
    sums: dict[str, int] = {"tweets": 0, "untagged": 0, "foreign": 0}
    for name, table in (("tweets", RANKING), ("tweets", OTHERS), ("untagged", UNTAGGED), ("foreign", FOREIGN)):
        gone = (table.c.checkpoint == checkpoint, table.c.window_start < before)
        column = table.c["tweets" if name == "tweets" else "records"]
        sums[name] += int(connection.execute(select(func.coalesce(func.sum(column), 0)).where(*gone)).scalar_one())
        connection.execute(table.delete().where(*gone))
    row = insert(connection, SUMMARIES).values(checkpoint=checkpoint, before=before, **sums)
    added = {name: SUMMARIES.c[name] + row.excluded[name] for name in sums}
    connection.execute(row.on_conflict_do_update(index_elements=["checkpoint"], set_={"before": row.excluded.before, **added}))


def _going(connection: Connection, epochs_of_rule: Sequence[Epoch], last: int) -> dict[str, set[int]]:
    """Return checkpoint → its windows that go now: the oldest of all, up to one that a newest batch has touched."""
    found: dict[str, set[int]] = {each.checkpoint: set() for each in epochs_of_rule}
    rows = 0
    # Read as far as it is needed: with a month of windows behind, the rest is the next times' business.
    with ExitStack() as open_queries:
        ranked = [open_queries.enter_context(closing(_ranked(connection, each, last))) for each in epochs_of_rule]
        for window, of_epochs in groupby(merge(*ranked), key=attrgetter("window_start")):
            here = list(of_epochs)
            number = sum(each.rows for each in here)
            if (rows and rows + number > MOST_ROWS) or any(each.may_come_again for each in here):
                last = window - 1
                break
            rows += number
            for each in here:
                found[each.checkpoint].add(window)
    for checkpoint, windows in found.items():
        for table in (OTHERS, UNTAGGED, FOREIGN):
            beside = select(table.c.window_start).where(table.c.checkpoint == checkpoint, table.c.window_start <= last)
            windows.update(connection.execute(beside).scalars())
    return found


class _Ranked(NamedTuple):
    """How many rows an epoch has in a window, and whether the last batch that has written some of them may come again."""

    window_start: int
    checkpoint: str
    rows: int
    may_come_again: bool


def _ranked(connection: Connection, epoch: Epoch, last: int) -> Generator[_Ranked]:
    """Yield the epoch's windows in their order."""
    newest = _newest(epoch)
    query = (
        select(RANKING.c.window_start, func.count().label("rows"), func.max(RANKING.c.batch).label("batch"))
        .where(RANKING.c.checkpoint == epoch.checkpoint, RANKING.c.window_start <= last)
        .group_by(RANKING.c.window_start)
        .order_by(RANKING.c.window_start)
    )
    with connection.execute(query) as windows:
        for row in windows:
            yield _Ranked(row.window_start, epoch.checkpoint, row.rows, row.batch >= newest)


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
