"""The page's access to the serving store: read-only, each snapshot in one transaction.

Changes are told by one pragma of SQLite's, or by PostgreSQL's notices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import select

from trending.database import as_of_one_moment
from trending.opened_store import watched_store
from trending.serving import rejects
from trending.serving.counts import metadata
from trending.serving.ranking_query import LATEST, RuleCounts
from trending.serving.slide import read_slide
from trending.serving.store import EPOCHS
from trending.serving.trends import NO_HISTORY
from trending.settings import Rule

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from trending.opened_store import StorePlace
    from trending.serving.ranking_query import RankingQuery, Window
    from trending.serving.slide import Slide
    from trending.serving.trends import History

SHOWN_WINDOWS = 60
"""Windows that the page shows: at the usual length the last hour."""
TOP = 100
"""Hashtags of a window that the page shows by name; an export has all of them."""
SLIDE_TOP = 20
"""Hashtags of the sliding view. With fewer than ``TOP``, those of each window mostly decide which they are."""
GROWING_SECONDS = 185
"""The usual watermark. A window that ended longer ago than this before the latest one began cannot grow any more."""

_rejects = metadata.tables["rejected"]
_batches = EPOCHS.batches


@dataclass(frozen=True, slots=True)
class StoreSnapshot:
    """The store at one moment: windows in order of time, the last batch and when it was written, the number of rejects.

    ``reasons`` are reason → rejects. ``history`` is that of the last window, ``slide`` the sum of the windows up to it. All of it
    is by ``rule``, that of the epoch that counts now: its ``window_seconds`` are the windows' length.
    """

    windows: tuple[Window, ...]
    batch: int | None
    at: float
    rejects: int
    rule: Rule = field(default_factory=Rule)
    history: History = NO_HISTORY
    slide: Slide | None = None
    reasons: Mapping[str, int] = field(default_factory=dict)


class StoreReader:
    """Reads one store. Raises SQLAlchemy's OperationalError if it does not exist yet, or its server is away."""

    def __init__(self, place: StorePlace) -> None:
        self._watched = watched_store(place)
        self._engine = self._watched.engine

    def version(self) -> int:
        """Return a number that changes with every commit of another connection; for one thread only."""
        return self._watched.version()

    def size(self) -> int:
        """Return how many bytes the store takes."""
        return self._watched.size()

    def snapshot(self, since: int | None = None, as_of: float = math.inf) -> StoreSnapshot:
        """Return the windows from ``since`` on, or the last ``SHOWN_WINDOWS``, with the state of the whole store.

        Windows that begin after ``as_of``, seconds since the epoch, are another clock's and left out.
        """
        with as_of_one_moment(self._engine) as connection:
            counts = RuleCounts(connection)
            latest = counts.latest(as_of)
            windows: tuple[Window, ...] = ()
            history, slide = NO_HISTORY, None
            if latest is not None:
                windows = _last_windows(counts, latest, since)
                history = counts.history(windows[-1]) if windows else NO_HISTORY
                slide = read_slide(counts, latest, SLIDE_TOP, windows)
            batch = connection.execute(select(_batches.c.batch, _batches.c.at).order_by(_batches.c.at.desc()).limit(1)).first()
            reasons = rejects.by_reason(connection, _rejects)
        number, at = (batch.batch, batch.at) if batch else (None, 0.0)
        return StoreSnapshot(windows, number, at, sum(reasons.values()), counts.rule, history, slide, reasons)

    def windows(self, first: int, last: int, rule: Rule) -> tuple[Window, ...]:
        """Return the windows by a rule from ``first`` to ``last`` that have tweets, in order of time."""
        with as_of_one_moment(self._engine) as connection:
            return RuleCounts(connection, rule).windows(first, last, TOP)

    def earlier(self, as_of: float = math.inf) -> tuple[Window, ...]:
        """Return the last ``SHOWN_WINDOWS`` windows begun at ``as_of`` that other rules than the present one have counted.

        They are in order of time, and windows of their own, though they may begin where one of the present rule does.
        """
        found: list[Window] = []
        with as_of_one_moment(self._engine) as connection:
            for rule in RuleCounts(connection).other_rules:
                counts = RuleCounts(connection, rule)
                latest = counts.latest(as_of)
                found += () if latest is None else _last_windows(counts, latest)
        return tuple(sorted(found, key=lambda window: window.start)[-SHOWN_WINDOWS:])

    def slide(self, as_of: float = math.inf) -> Slide | None:
        """Return the whole sliding view up to the latest window that has begun at ``as_of``; None without counts."""
        with as_of_one_moment(self._engine) as connection:
            counts = RuleCounts(connection)
            latest = counts.latest(as_of)
            return None if latest is None else read_slide(counts, latest)

    def ranking(self, query: RankingQuery = LATEST) -> Window | None:
        """Return the window that is asked for with its ranking; None if nothing was counted in it."""
        with as_of_one_moment(self._engine) as connection:
            return query.run(connection)

    def with_history(self, query: RankingQuery) -> tuple[Window, History] | None:
        """Return the window that is asked for, and what is known of its hashtags in the windows of its rule before it."""
        with as_of_one_moment(self._engine) as connection:
            window = query.run(connection)
            return None if window is None else (window, RuleCounts(connection, window.rule).history(window))

    def latest(self, as_of: float = math.inf) -> int | None:
        """Return the start of the latest window by the present rule that has begun at ``as_of``."""
        with as_of_one_moment(self._engine) as connection:
            return RuleCounts(connection).latest(as_of)

    def reasons(self) -> Mapping[str, int]:
        """Return reason → number of refused records."""
        with as_of_one_moment(self._engine) as connection:
            return rejects.by_reason(connection, _rejects)

    def reason_of(self, partition: int, offset: int) -> str:
        """Return why a record was refused; empty where it was not."""
        with as_of_one_moment(self._engine) as connection:
            return rejects.reason_of(connection, _rejects, partition, offset)

    def as_of_one_moment(self) -> AbstractContextManager[Connection]:
        """Return a connection for what else a view asks of the store, all of it as of one moment."""
        return as_of_one_moment(self._engine)

    def close(self) -> None:
        """Close the file, or the connections."""
        self._watched.close()


def _last_windows(counts: RuleCounts, latest: int, since: int | None = None) -> tuple[Window, ...]:
    """Return the last ``SHOWN_WINDOWS`` windows up to ``latest``; none of those that start before ``since``."""
    first = latest - (SHOWN_WINDOWS - 1) * counts.seconds
    return counts.windows(first if since is None else max(since, first), latest, TOP)
