"""Windows of very many hashtags: once one can't grow any more, its leading hashtags stay by name, the others as one exact sum.

They lead by the sum over all epochs of the window, ties by name. A hashtag that went is not kept, which is not 0.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import BigInteger, Column, Table, func, select

from trending.dialects import Name, has_table, insert
from trending.errors import REBUILD, ConfigurationConflict
from trending.serving import epochs
from trending.serving.counts import RANKING, metadata
from trending.settings import Spelling

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import ColumnElement, Connection

    from trending.serving.epochs import Epoch, EpochTables

    Place = tuple[str, int]
    """Checkpoint, window start."""

OTHERS = Table(
    "others",
    metadata,
    Column("checkpoint", Name, primary_key=True),
    Column("window_start", BigInteger, primary_key=True),
    Column("tweets", BigInteger, nullable=False),
    Column("hashtags", BigInteger, nullable=False),
    Column("kept", BigInteger, nullable=False),
)
LOOKED_AT = Table(
    "looked_at",
    metadata,
    Column("checkpoint", Name, primary_key=True),
    Column("window_start", BigInteger, nullable=False),
)
"""The last window of which it was decided whether all of its hashtags stay."""
MOST_LOOKS = 500
"""Windows that one call looks at. A store from before has a week of them; usually it is one."""


class Others(NamedTuple):
    """What a checkpoint has counted in a window for hashtags that are not kept by name.

    ``hashtags`` are those that no earlier epoch of the window has, so that the sum over its epochs is their number. ``kept`` is
    how many of the window, over all epochs, are kept by name.
    """

    tweets: int
    hashtags: int
    kept: int


NONE = Others(0, 0, 0)
"""What an untrimmed window has."""


def trim(connection: Connection, tables: EpochTables, checkpoint: str, passed: int, kept: int) -> tuple[int, int]:
    """Trim the next window that the checkpoint's query has ``passed`` and that has more than ``kept`` hashtags.

    Passed is a window that starts at ``passed`` or before. Returns the last window that was looked at, and of how many hashtags
    only the sum is left, mostly 0: one window a call. Left whole are windows that a seal has closed, since it vouches for their
    rows, and windows that were counted from two topics: each is audited alone. Raises ConfigurationConflict where the
    checkpoint's epoch is not open.
    """
    epochs.hold_open(connection, tables, checkpoint)
    known = epochs.read(connection, tables)
    rule = next(each.rule for each in known if each.checkpoint == checkpoint)
    counting = [each for each in known if each.rule == rule]
    last, gone = _looked_at(connection, counting), 0
    windows = _windows(connection, [each.checkpoint for each in counting], last, passed)
    for last in windows:
        gone = _trim_window(connection, counting, last, kept)
        if gone:
            break
    if not gone and len(windows) < MOST_LOOKS:
        last = max(last, passed)
    row = insert(connection, LOOKED_AT).values(checkpoint=checkpoint, window_start=last)
    connection.execute(row.on_conflict_do_update(index_elements=["checkpoint"], set_={"window_start": last}))
    return last, gone


def _looked_at(connection: Connection, counting: Sequence[Epoch]) -> int:
    """Return the last window that was looked at; what the epoch before has not come to is its successor's."""
    found = {row.checkpoint: row.window_start for row in connection.execute(select(LOOKED_AT))}
    return next((found[each.checkpoint] for each in reversed(counting) if each.checkpoint in found), 0)


def _windows(connection: Connection, checkpoints: Sequence[str], after: int, passed: int) -> list[int]:
    """Return the next windows with tweets in order, ``MOST_LOOKS`` at most; a seek for each and checkpoint."""
    found: list[int] = []
    while len(found) < MOST_LOOKS:
        starts = [_next(connection, checkpoint, after, passed) for checkpoint in checkpoints]
        after = min((start for start in starts if start is not None), default=passed)
        if all(start is None for start in starts):
            break
        found.append(after)
    return found


def _next(connection: Connection, checkpoint: str, after: int, passed: int) -> int | None:
    start = RANKING.c.window_start
    query = select(start).where(RANKING.c.checkpoint == checkpoint, start > after, start <= passed).order_by(start).limit(1)
    return connection.execute(query).scalar_one_or_none()


def _trim_window(connection: Connection, counting: Sequence[Epoch], window: int, kept: int) -> int:
    """Trim one window, if it has to be; returns the number of the hashtags that went."""
    checkpoint, start = RANKING.c.checkpoint, RANKING.c.window_start
    inside = [each for each in counting if _has_rows(connection, each.checkpoint, window)]
    names = [each.checkpoint for each in inside]
    here = (checkpoint.in_(names), start == window)
    if len({each.topic_id for each in inside}) > 1 or _is_settled(connection, names, window):
        return 0
    different = select(RANKING.c.hashtag).where(*here).distinct().limit(kept + 1).subquery()
    if connection.execute(select(func.count()).select_from(different)).scalar_one() <= kept:
        return 0
    before, names_before = _sums(connection, here), _numbers(connection, names, window)
    leading = (
        select(RANKING.c.hashtag)
        .where(*here)
        .group_by(RANKING.c.hashtag)
        .order_by(func.sum(RANKING.c.tweets).desc(), RANKING.c.hashtag)
        .limit(kept)
    )
    connection.execute(RANKING.delete().where(*here, RANKING.c.hashtag.not_in(leading)))
    after, names_after = _sums(connection, here), _numbers(connection, names, window)
    gone = [had - has for had, has in zip(names_before, names_after, strict=True)]
    rows = [
        {
            "checkpoint": name,
            "window_start": window,
            "tweets": before[name] - after.get(name, 0),
            "hashtags": here_and_before - before_it,
            "kept": kept,
        }
        for name, (before_it, here_and_before) in zip(names, pairwise([0, *gone]), strict=True)
    ]
    connection.execute(insert(connection, OTHERS), rows)
    return gone[-1]


def _has_rows(connection: Connection, checkpoint: str, window: int) -> bool:
    query = select(RANKING.c.window_start).where(RANKING.c.checkpoint == checkpoint, RANKING.c.window_start == window).limit(1)
    return connection.execute(query).first() is not None


def _is_settled(connection: Connection, checkpoints: Sequence[str], window: int) -> bool:
    """Whether the window was trimmed, or a seal has closed it."""
    sealed = metadata.tables["sealed_windows"]
    return any(
        connection.execute(
            select(table.c.window_start).where(table.c.checkpoint.in_(checkpoints), table.c.window_start == window).limit(1)
        ).first()
        for table in (OTHERS, sealed)
    )


def _sums(connection: Connection, here: Collection[ColumnElement[bool]]) -> dict[str, int]:
    """Return checkpoint → tweets."""
    query = select(RANKING.c.checkpoint, func.sum(RANKING.c.tweets).label("tweets")).where(*here)
    return {row.checkpoint: int(row.tweets) for row in connection.execute(query.group_by(RANKING.c.checkpoint))}


def _numbers(connection: Connection, checkpoints: Sequence[str], window: int) -> list[int]:
    """Return the numbers of different hashtags of the first checkpoint, of the first two, and so on."""
    found = []
    for these in accumulate(([each] for each in checkpoints), lambda some, one: [*some, *one]):
        within = (RANKING.c.checkpoint.in_(these), RANKING.c.window_start == window)
        number = func.count() if len(these) == 1 else func.count(RANKING.c.hashtag.distinct())
        found.append(connection.execute(select(number).select_from(RANKING).where(*within)).scalar_one())
    return found


def require_whole(connection: Connection, tables: EpochTables, checkpoint: str, windows: Collection[int]) -> None:
    """Raise ConfigurationConflict where one of the windows was trimmed: what it grows by may be a hashtag's that was not kept."""
    if not windows:
        return
    rules = tables.epochs.c
    rule = select(rules.window_time, rules.window_seconds, rules.spelling).where(rules.checkpoint == checkpoint).subquery()
    of_rule = select(rules.checkpoint).where(
        rules.window_time == rule.c.window_time,
        rules.window_seconds == rule.c.window_seconds,
        func.coalesce(rules.spelling, Spelling.EXACT.value) == func.coalesce(rule.c.spelling, Spelling.EXACT.value),
    )
    query = select(OTHERS.c.window_start).where(OTHERS.c.checkpoint.in_(of_rule), OTHERS.c.window_start >= min(windows))
    trimmed = set(connection.execute(query).scalars()).intersection(windows)
    if trimmed:
        cause = "a window grows of which only the leading hashtags were kept, because it was over"
        evidence = f"checkpoint {checkpoint}, window {min(trimmed)}: times in the log go back further than allowed"
        raise ConfigurationConflict(cause, evidence, REBUILD)


def read(connection: Connection) -> dict[Place, Others]:
    """Return checkpoint and window start → the others, for each window that was trimmed."""
    rows = connection.execute(select(OTHERS))
    return {(row.checkpoint, row.window_start): Others(row.tweets, row.hashtags, row.kept) for row in rows}


def between(connection: Connection, checkpoints: Sequence[str], first: int, last: int) -> dict[int, Others]:
    """Return window start → the others of all these checkpoints, for the trimmed windows from ``first`` to ``last``."""
    start = OTHERS.c.window_start
    found: dict[int, Others] = {}
    if not checkpoints or not has_table(connection, OTHERS.name):  # a store made before 2026-11-29 has none
        return found
    query = select(OTHERS).where(OTHERS.c.checkpoint.in_(checkpoints), start.between(first, last))
    for row in connection.execute(query):
        so_far = found.get(row.window_start, Others(0, 0, row.kept))
        found[row.window_start] = Others(so_far.tweets + row.tweets, so_far.hashtags + row.hashtags, row.kept)
    return found
