"""The page's access to the serving store: read-only, changes detected by one pragma, each snapshot in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import distinct, func, inspect, select

from trending.database import as_of_one_moment, open_sqlite_read_only
from trending.serving import epochs, rejects
from trending.serving.counts import metadata
from trending.serving.store import EPOCHS
from trending.settings import WINDOW_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import Connection

SHOWN_WINDOWS = 60
"""Windows that the page shows: the last hour."""
TOP = 100
"""Hashtags of a window that the page shows by name; an export has all of them."""
OPEN_WINDOWS = 5
"""Windows that are read again at each change, at least: with the usual watermark of 185 s no older one can grow."""
LARGEST = 2**63 - 1
"""SQLite's largest integer; the driver rejects a larger one."""

_ranking = metadata.tables["ranking"]
_rejects = metadata.tables["rejected"]
_batches = metadata.tables["batches"]


@dataclass(frozen=True, slots=True)
class Window:
    """One window: the number of its tweets and hashtags, and the ranking of the first ``TOP``."""

    start: int
    tweets: int
    hashtags: int
    ranked: tuple[tuple[str, int], ...]

    @property
    def end(self) -> int:
        """The end of the window, where the next one starts."""
        return self.start + WINDOW_SECONDS


@dataclass(frozen=True, slots=True)
class StoreSnapshot:
    """The store at one moment: windows in order of time, the last batch and when it was written, the number of rejects."""

    windows: tuple[Window, ...]
    batch: int | None
    at: float
    rejects: int


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
        """Return the windows from ``since`` on, or the last hour's, with the state of the whole store."""
        with as_of_one_moment(self._engine) as connection:
            checkpoints = _checkpoints(connection)
            latest = _latest(connection, checkpoints)
            if latest is None:
                windows: tuple[Window, ...] = ()
            else:
                first = latest - (SHOWN_WINDOWS - 1) * WINDOW_SECONDS
                windows = _windows(connection, checkpoints, first if since is None else max(since, first))
            batch = connection.execute(select(_batches.c.batch, _batches.c.at).order_by(_batches.c.at.desc()).limit(1)).first()
            rejected = rejects.total(connection, _rejects)
        return StoreSnapshot(windows, batch.batch if batch else None, batch.at if batch else 0.0, rejected)

    def window(self, start: int, limit: int | None = None) -> Window | None:
        """Return the window that starts at ``start``, with its whole ranking unless limited; None if it has no counts."""
        if abs(start) > LARGEST:
            return None
        with as_of_one_moment(self._engine) as connection:
            checkpoints = _checkpoints(connection)
            windows = _windows(connection, checkpoints, start, start, limit)
        return windows[0] if windows else None

    def latest(self) -> int | None:
        """Return the start of the latest window."""
        with as_of_one_moment(self._engine) as connection:
            return _latest(connection, _checkpoints(connection))

    def close(self) -> None:
        """Close the file."""
        if self._watching is not None:
            self._watching.close()
            self._watching = None
        self._engine.dispose()


def _checkpoints(connection: Connection) -> list[str]:
    """Return the checkpoints whose counts may be added: those of the newest epoch's rule, or all in a store without epochs."""
    if inspect(connection).has_table("epochs"):  # a store made before 2026-11-29 has none
        return epochs.of_newest_rule(connection, EPOCHS)
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
    return max(starts, default=None)


def _windows(
    connection: Connection, checkpoints: Sequence[str], first: int, last: int | None = None, limit: int | None = TOP
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
        )
        for row in found
    )
