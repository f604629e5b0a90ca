"""The one query for rankings: the sink's printed block, the page, the notebook and the flows' artifacts all read by it.

Each window is a range of the table's key (checkpoint, window start, hashtag), so a ranking costs as much as its own window,
however many others there are. Docs/decisions/0117 says why there is no index by count.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import dropwhile, takewhile
from typing import TYPE_CHECKING, Any

from sqlalchemy import column, func, literal_column, select, table

from trending.dialects import has_table
from trending.serving import others
from trending.serving.counts import RANKING
from trending.serving.epochs import rule_of
from trending.serving.trends import HISTORY_WINDOWS, NO_HISTORY, History
from trending.settings import Rule, WindowTime
from trending.tweets.rule import FUTURE_AFTER, LATE_AFTER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, Result

LARGEST = 2**63 - 1
"""The largest integer of SQLite and of PostgreSQL's BIGINT; the driver rejects a larger one."""
COMPARED = 100
"""Places of a window whose trend is told, and places of the window before that a change of rank is told from."""
_CHUNK = 500
"""Hashtags looked up in one statement; SQLite takes 32,766 variables."""
# Declared as a table by store.py, which imports this module.
_EPOCHS = table("epochs", column("number"))


@dataclass(frozen=True, slots=True)
class Window:
    """One window: the number of its tweets and hashtags, its ranking as far as it was asked for, and its rule.

    Of ``other_hashtags`` of them only the sum of their tweets is kept, ``other_tweets``: they are in no ranking.
    """

    start: int
    tweets: int
    hashtags: int
    ranked: tuple[tuple[str, int], ...]
    rule: Rule = field(default_factory=Rule)
    other_tweets: int = 0
    other_hashtags: int = 0

    @property
    def is_cut(self) -> bool:
        """Whether the store has more hashtags of it by name than the ranking shows."""
        return len(self.ranked) < self.hashtags - self.other_hashtags

    @property
    def seconds(self) -> int:
        """The length of the window."""
        return self.rule.window_seconds

    @property
    def end(self) -> int:
        """The end of the window, where the next one starts."""
        return self.start + self.seconds


@dataclass(frozen=True, slots=True)
class RankingQuery:
    """Asks for the ranking of one window: highest count first, ties by name.

    ``start`` None is the latest window that has begun at ``as_of``: one of the future is another clock's, and would hide the
    present one. ``limit`` None is the whole ranking. ``rule`` None is the newest epoch's: counts by two rules are never added.
    """

    start: int | None = None
    as_of: float = math.inf
    limit: int | None = None
    rule: Rule | None = None

    def run(self, connection: Connection) -> Window | None:
        """Return the window, or None if nothing was counted in it."""
        counts = RuleCounts(connection, self.rule)
        start = counts.latest(self.as_of) if self.start is None else self.start
        return None if start is None or abs(start) > LARGEST else counts.window(start, self.limit)


LATEST = RankingQuery()


@dataclass(frozen=True, slots=True)
class _Range:
    """Windows from ``first`` to ``last`` under the checkpoints that have rows in them, mostly one."""

    checkpoints: Sequence[str]
    first: int
    last: int

    @property
    def is_plain(self) -> bool:
        """Whether each hashtag has one row, which need not be grouped."""
        return self.first == self.last and len(self.checkpoints) == 1

    @property
    def condition(self) -> tuple[ColumnElement[bool], ...]:
        """The condition on rows."""
        start, checkpoint = RANKING.c.window_start, RANKING.c.checkpoint
        under = checkpoint == self.checkpoints[0] if len(self.checkpoints) == 1 else checkpoint.in_(self.checkpoints)
        return (under, start == self.first) if self.first == self.last else (under, start.between(self.first, self.last))


class RuleCounts:
    """The counts by one rule, as one connection sees them; ``other_rules`` are those by which the store has counted besides."""

    def __init__(self, connection: Connection, rule: Rule | None = None) -> None:
        self._connection = connection
        epochs = _epochs(connection)
        present = epochs[-1][2] if epochs else Rule()
        self.rule = rule or present
        self.other_rules = [found for found in dict.fromkeys(found for *_epoch, found in epochs) if found != self.rule]
        self.counts_on = self.rule == present
        if not epochs:  # all that such a store has was counted by the usual rule
            self._checkpoints = self._last_run = list(_checkpoints(connection)) if self.counts_on else []
            return
        self._checkpoints = [checkpoint for checkpoint, _topic, found in epochs if found == self.rule]
        backwards = list(dropwhile(lambda epoch: epoch[2] != self.rule, reversed(epochs)))
        # The next epoch of a topic begins where the one before has counted to; that of another topic, or behind one by another
        # rule, leaves a gap.
        run = takewhile(lambda epoch: epoch[1:] == backwards[0][1:], backwards)
        self._last_run = [checkpoint for checkpoint, _topic, _rule in run]

    @property
    def checkpoints(self) -> Sequence[str]:
        """Those that count by the rule, in the order in which their epochs began."""
        return self._checkpoints

    @property
    def seconds(self) -> int:
        """Length of a window."""
        return self.rule.window_seconds

    def latest(self, as_of: float = math.inf) -> int | None:
        """Return the start of the latest window with tweets that has begun at ``as_of``."""
        return self._edge(self._checkpoints, as_of, newest=True)

    def first(self) -> int | None:
        """Return the start of the first window of the newest run of epochs without a gap."""
        return self._edge(self._last_run, math.inf, newest=False)

    def known_from(self) -> int | None:
        """Return the start of the window from which on a missing count is 0; None without counts in the newest run of epochs.

        The first window may have been counted in part. By event time so may the ones behind it, for as many seconds as the rule
        lets timestamps and append times differ.
        """
        first = self.first()
        return None if first is None else first + self.seconds + self._apart()

    def partial_from(self) -> int | None:
        """Return the start of the window from which on each may lack what another rule has counted; None while this one counts.

        The last window may have been counted in part. By event time so may the ones before it, see ``known_from``.
        """
        last = None if self.counts_on else self._edge(self._last_run, math.inf, newest=True)
        return None if last is None else last - self._apart()

    def window(self, start: int, limit: int | None = None) -> Window | None:
        """Return a window, with its whole ranking unless limited; None if it has no counts."""
        return next(iter(self.windows(start, start, limit)), None)

    def windows(self, first: int, last: int, limit: int | None = None) -> tuple[Window, ...]:
        """Return the windows from ``first`` to ``last`` that have tweets, in order of time; a statement each and one for all."""
        range_ = _Range(self._checkpoints_between(first, last), first, last)
        if not range_.checkpoints:
            return ()
        start = RANKING.c.window_start
        hashtags = func.count() if len(range_.checkpoints) == 1 else func.count(RANKING.c.hashtag.distinct())
        totals = select(start, func.sum(RANKING.c.tweets).label("tweets"), hashtags.label("hashtags"))
        found = self._connection.execute(totals.where(*range_.condition).group_by(start).order_by(start)).all()
        trimmed = others.between(self._connection, self._checkpoints, first, last)
        windows = []
        for row in found:
            other = trimmed.get(row.window_start, others.NONE)
            tweets, hashtags = int(row.tweets) + other.tweets, row.hashtags + other.hashtags
            ranked = self._ranked(replace(range_, first=row.window_start, last=row.window_start), limit)
            windows.append(Window(row.window_start, tweets, hashtags, ranked, self.rule, other.tweets, other.hashtags))
        return tuple(windows)

    def trimmed(self, first: int, last: int) -> frozenset[int]:
        """Return the windows from ``first`` to ``last`` of which only the leading hashtags are kept by name."""
        return frozenset(others.between(self._connection, self._checkpoints, first, last))

    def history(self, window: Window) -> History:
        """Return what is known of the first ``COMPARED`` hashtags of the window in the windows before it."""
        preceding = self.latest(window.start - 1)
        if preceding is None:
            return NO_HISTORY
        starts = [window.start - nth * self.seconds for nth in range(1, HISTORY_WINDOWS + 1)]
        counts = self.counts([hashtag for hashtag, _tweets in window.ranked[:COMPARED]], {*starts, preceding})
        before = self.window(preceding, COMPARED)
        trimmed = self.trimmed(min(*starts, preceding), window.start)
        return History(self.known_from(), counts, trimmed, before, self.partial_from())

    def counts(self, hashtags: Sequence[str], starts: Collection[int]) -> dict[tuple[int, str], int]:
        """Return (window start, hashtag) → tweets for those of the hashtags that have any; each is a seek."""
        found: dict[tuple[int, str], int] = {}
        if not starts:
            return found
        here = self._checkpoints_between(min(starts), max(starts))
        for first in range(0, len(hashtags), _CHUNK):
            query = select(RANKING.c.window_start, RANKING.c.hashtag, RANKING.c.tweets).where(
                RANKING.c.checkpoint.in_(here),
                RANKING.c.window_start.in_(sorted(starts)),
                RANKING.c.hashtag.in_(hashtags[first : first + _CHUNK]),
            )
            for start, hashtag, tweets in self._connection.execute(query):
                found[start, hashtag] = found.get((start, hashtag), 0) + tweets
        return found

    def ranked(self, first: int, last: int, limit: int | None = None) -> tuple[tuple[str, int], ...]:
        """Return (hashtag, tweets) over the windows from ``first`` to ``last``: highest sum first, ties by name."""
        return self._ranked(_Range(self._checkpoints_between(first, last), first, last), limit)

    def _apart(self) -> int:
        """Return the seconds, in whole windows, by which records of one moment may lie in different windows: 0 by arrival."""
        apart = LATE_AFTER + FUTURE_AFTER if self.rule.window_time is WindowTime.EVENT else 0.0
        return self.seconds * math.ceil(apart / self.seconds)

    def _edge(self, checkpoints: Sequence[str], as_of: float, *, newest: bool) -> int | None:
        """Return the newest or oldest window of some checkpoints: one seek each."""
        start = RANKING.c.window_start
        begun = () if as_of > LARGEST else (start <= math.floor(as_of),)
        query = select(start).order_by(start.desc() if newest else start).limit(1)
        found = [
            self._connection.execute(query.where(RANKING.c.checkpoint == checkpoint, *begun)).scalar_one_or_none()
            for checkpoint in checkpoints
        ]
        known = [each for each in found if each is not None]
        return (max if newest else min)(known, default=None)

    def _checkpoints_between(self, first: int, last: int) -> list[str]:
        """Return the checkpoints that have rows between two windows: one seek each."""
        start = RANKING.c.window_start
        return [each for each in self._checkpoints if self._has_rows(RANKING.c.checkpoint == each, start >= first, start <= last)]

    def _has_rows(self, *within: ColumnElement[bool]) -> bool:
        return self._connection.execute(select(RANKING.c.window_start).where(*within).limit(1)).first() is not None

    def _ranked(self, range_: _Range, limit: int | None) -> tuple[tuple[str, int], ...]:
        tweets = (RANKING.c.tweets if range_.is_plain else func.sum(RANKING.c.tweets)).label("tweets")
        query = select(RANKING.c.hashtag, tweets).where(*range_.condition).order_by(tweets.desc(), RANKING.c.hashtag).limit(limit)
        rows = self._connection.execute(query if range_.is_plain else query.group_by(RANKING.c.hashtag))
        return tuple((hashtag, int(counted)) for hashtag, counted in rows)


def _epochs(connection: Connection) -> list[tuple[str, str, Rule]]:
    """Return (checkpoint, topic id, rule) in the order in which the epochs began."""
    if not has_table(connection, "epochs"):  # a store made before 2026-11-29 has none
        return []
    rows: Result[Any] = connection.execute(select(literal_column("*")).select_from(_EPOCHS).order_by(_EPOCHS.c.number))
    return [(row.checkpoint, row.topic_id, rule_of(row)) for row in rows]


def _checkpoints(connection: Connection) -> Iterator[str]:
    """Yield every checkpoint with counts. Each is one seek in the key; DISTINCT would read the whole table."""
    first = select(func.min(RANKING.c.checkpoint))
    following: str | None = connection.execute(first).scalar_one()
    while following is not None:
        yield following
        following = connection.execute(first.where(RANKING.c.checkpoint > following)).scalar_one()
