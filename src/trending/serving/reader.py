"""The page's access to the serving store: read-only, changes detected by one pragma, each snapshot in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import distinct, func, inspect, select

from trending.database import as_of_one_moment, open_sqlite_read_only
from trending.serving import epochs, rejects
from trending.serving.counts import metadata
from trending.serving.store import EPOCHS
from trending.settings import Rule

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import Connection

SHOWN_WINDOWS = 60
"""Windows that the page shows: at the usual length the last hour."""
TOP = 100
"""Hashtags of a window that the page shows by name; an export has all of them."""
GROWING_SECONDS = 185
"""The usual watermark. A window that ended longer ago than this before the latest one began cannot grow any more."""
LARGEST = 2**63 - 1
"""SQLite's largest integer; the driver rejects a larger one."""

_ranking = metadata.tables["ranking"]
_rejects = metadata.tables["rejected"]
_batches = metadata.tables["batches"]


@dataclass(frozen=True, slots=True)
class Window:
    """One window: the number of its tweets and hashtags, the ranking of the first ``TOP``, and the rule that it is counted by."""

    start: int
    tweets: int
    hashtags: int
    ranked: tuple[tuple[str, int], ...]
    rule: Rule = field(default_factory=Rule)

    @property
    def seconds(self) -> int:
        """The length of the window."""
        return self.rule.window_seconds

    @property
    def end(self) -> int:
        """The end of the window, where the next one starts."""
        return self.start + self.seconds


@dataclass(frozen=True, slots=True)
class StoreSnapshot:
    """The store at one moment: windows in order of time, the last batch and when it was written, the number of rejects.

    All windows are by ``rule``, that of the epoch that counts now: its ``window_seconds`` are their length.
    """

    windows: tuple[Window, ...]
    batch: int | None
    at: float
    rejects: int
    rule: Rule = field(default_factory=Rule)


class StoreReader:
    """Reads one store file. Raises SQLAlchemy's OperationalError if the file does not exist yet."""

    def __init__(self, path: Path) -> None:
        self._engine = open_sqlite_read_only(path)
        # Kept open, because the pragma compares with what the same connection saw last.
        self._watching: Connection | None = None

    def version(self) -> int:
        """Return a number that changes with every commit of another connection; for one thread only."""
        if self._watching is None:
            self._watching = self._engine.connect()
        version: int = self._watching.exec_driver_sql("PRAGMA data_version").scalar_one()
        return version

    def snapshot(self, since: int | None = None) -> StoreSnapshot:
        """Return the windows from ``since`` on, or the last ``SHOWN_WINDOWS``, with the state of the whole store."""
        with as_of_one_moment(self._engine) as connection:
            rule, checkpoints = _present(connection)
            windows = _last_windows(connection, rule, checkpoints, since)
            batch = connection.execute(select(_batches.c.batch, _batches.c.at).order_by(_batches.c.at.desc()).limit(1)).first()
            rejected = rejects.total(connection, _rejects)
        return StoreSnapshot(windows, batch.batch if batch else None, batch.at if batch else 0.0, rejected, rule)

    def earlier(self, only: Rule | None = None) -> tuple[Window, ...]:
        """Return the last ``SHOWN_WINDOWS`` windows that other rules than the present one have counted, or one of them.

        They are in order of time, and windows of their own, though they may begin where one of the present rule does.
        """
        with as_of_one_moment(self._engine) as connection:
            *others, _present_one = _by_rule(connection).items()
            chosen = [each for each in others if only in {None, each[0]}]
            found = [window for rule, checkpoints in chosen for window in _last_windows(connection, rule, checkpoints)]
        return tuple(sorted(found, key=lambda window: window.start)[-SHOWN_WINDOWS:])

    def window(self, start: int, limit: int | None = None, rule: Rule | None = None) -> Window | None:
        """Return the window that starts at ``start``, with its whole ranking unless limited; None if it has no counts.

        It is counted by the present rule unless another one is named.
        """
        if abs(start) > LARGEST:
            return None
        with as_of_one_moment(self._engine) as connection:
            known = _by_rule(connection)
            chosen = [*known][-1] if rule is None else rule
            windows = _windows(connection, chosen, known.get(chosen, ()), start, start, limit)
        return windows[0] if windows else None

    def latest(self) -> int | None:
        """Return the start of the latest window by the present rule."""
        with as_of_one_moment(self._engine) as connection:
            return _latest(connection, _present(connection)[1])

    def close(self) -> None:
        """Close the file."""
        if self._watching is not None:
            self._watching.close()
            self._watching = None
        self._engine.dispose()


def _by_rule(connection: Connection) -> dict[Rule, list[str]]:
    """Return rule → checkpoints whose counts may be added, the present rule last.

    A store made before 2026-11-29 has no epochs: all that it has was counted by the usual rule.
    """
    known = epochs.by_rule(connection, EPOCHS) if inspect(connection).has_table("epochs") else {}
    return known or {Rule(): _all_checkpoints(connection)}


def _present(connection: Connection) -> tuple[Rule, list[str]]:
    """Return the rule by which the stack counts now, and its checkpoints."""
    *_others, present = _by_rule(connection).items()
    return present


def _all_checkpoints(connection: Connection) -> list[str]:
    # Each is one seek in the key; DISTINCT would read the whole table.
    found: list[str] = []
    while True:
        first = select(func.min(_ranking.c.checkpoint))
        following: str | None = connection.execute(
            first.where(_ranking.c.checkpoint > found[-1]) if found else first
        ).scalar_one()
        if following is None:
            return found
        found.append(following)


def _latest(connection: Connection, checkpoints: Sequence[str]) -> int | None:
    starts = [
        connection.execute(select(func.max(_ranking.c.window_start)).where(_ranking.c.checkpoint == checkpoint)).scalar_one()
        for checkpoint in checkpoints
    ]
    return max((start for start in starts if start is not None), default=None)  # an epoch that has just begun has no counts


def _last_windows(connection: Connection, rule: Rule, checkpoints: Sequence[str], since: int | None = None) -> tuple[Window, ...]:
    """Return the last ``SHOWN_WINDOWS`` windows by a rule; none of those that start before ``since``."""
    latest = _latest(connection, checkpoints)
    if latest is None:
        return ()
    first = latest - (SHOWN_WINDOWS - 1) * rule.window_seconds
    return _windows(connection, rule, checkpoints, first if since is None else max(since, first))


def _windows(
    connection: Connection,
    rule: Rule,
    checkpoints: Sequence[str],
    first: int,
    last: int | None = None,
    limit: int | None = TOP,
) -> tuple[Window, ...]:
    chosen = _ranking.c.checkpoint.in_(checkpoints)
    within = [chosen, _ranking.c.window_start >= first]
    if last is not None:
        within.append(_ranking.c.window_start <= last)
    totals = select(
        _ranking.c.window_start,
        func.sum(_ranking.c.tweets).label("tweets"),
        func.count(distinct(_ranking.c.hashtag)).label("hashtags"),
    )
    found = connection.execute(totals.where(*within).group_by(_ranking.c.window_start).order_by(_ranking.c.window_start)).all()
    tweets = func.sum(_ranking.c.tweets).label("tweets")
    ranked = select(_ranking.c.hashtag, tweets).group_by(_ranking.c.hashtag).order_by(tweets.desc(), _ranking.c.hashtag)
    return tuple(
        Window(
            row.window_start,
            row.tweets,
            row.hashtags,
            tuple(
                (line.hashtag, line.tweets)
                for line in connection.execute(ranked.where(chosen, _ranking.c.window_start == row.window_start).limit(limit))
            ),
            rule,
        )
        for row in found
    )
