"""The streaming job's sink: writes a micro-batch to the dead letters and the serving store, then prints the ranking."""

from __future__ import annotations

import time
from array import array
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from trending.kafka.packed_offsets import unpack
from trending.kafka.rejects import OFFSET, Rejects
from trending.programs.refused import lines_of_batch
from trending.serving.counts import Batch
from trending.serving.printed_ranking import SHOWN_ROWS, render_block
from trending.serving.ranking_query import RankingQuery
from trending.stream.staging.rows import STAGED
from trending.tweets.rule import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from zoneinfo import ZoneInfo

    import pyarrow as pa
    from pyspark.sql import DataFrame

    from trending.kafka.log_start import LogStart
    from trending.serving.ranking_query import Window
    from trending.serving.store import Store
    from trending.stream.dead_letters import DeadLetters

_ROWS = 10_000
"""Rows of the aggregation that are Python objects at a time, 0.3 kB each; in Arrow's columns one takes 46 bytes."""
DAY_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Pruning:
    """What of the store goes, and when.

    Windows are kept for ``days``; ``look`` tells, seldom enough, where the log begins now. Of a window that starts at
    ``passed(batch)`` or before, and can't grow from that batch on, ``hashtags`` are kept by name.
    """

    days: int
    look: Callable[[float], LogStart | None]
    hashtags: int
    passed: Callable[[int], int]


def collect_whole(frame: DataFrame, _number: int) -> pa.Table:
    """Return all rows of a batch."""
    return frame.toArrow()


class RankingSink:
    """Called with every micro-batch. Both writes are idempotent, because Spark may repeat a batch."""

    def __init__(
        self,
        store: Store,
        checkpoint_id: str,
        dead_letters: DeadLetters,
        zone: ZoneInfo | None,
        show: Callable[[str], None],
        ends_of: Callable[[int], Mapping[int, int]],
        show_ends: Callable[[Mapping[int, int]], None],
        pruning: Pruning,
        collect: Callable[[DataFrame, int], pa.Table] = collect_whole,
    ) -> None:
        """``collect`` returns the rows of a batch that the driver has to see."""
        self._store = store
        self._checkpoint_id = checkpoint_id
        self._dead_letters = dead_letters
        self._ends_of = ends_of
        self._show_ends = show_ends
        self._pruning = pruning
        self._collect = collect
        self._looked_at = 0
        self._zone = zone
        self._show = show
        self._shown: Window | None = store.ranking(RankingQuery(as_of=time.time(), limit=SHOWN_ROWS))

    def __call__(self, frame: DataFrame, number: int) -> None:
        """Write the micro-batch that Spark passes: the rows that changed, as in update mode.

        All that the driver has to see come at once, as columns. There are no more than records in a batch, which ``most_offsets``
        bounds.
        """
        self.write(number, self._collect(frame, number))

    def write(self, number: int, table: pa.Table) -> None:
        """Write the rows of batch ``number`` with its ends, then print the latest window if that changed its ranking."""
        batch = to_batch(number, time.time(), table)
        ends = self._ends_of(number)
        fresh = 0
        if batch.rejects:
            # A job that wakes up late would take the dead letters from the one that counts on, before the store refused it.
            self._store.require_open(self._checkpoint_id)
            fresh = self._dead_letters.write(number, batch.rejects)
        self._store.write(self._checkpoint_id, batch, ends)
        if batch.rejects:
            self._store.note_dead_letters(self._checkpoint_id, self._dead_letters.read_back_from)
        if fresh:
            self._show("\n".join(lines_of_batch(number, batch.rejects, self._dead_letters.latest)))
        self._show_ends(ends)
        ranking = self._store.ranking(RankingQuery(as_of=batch.at, limit=SHOWN_ROWS))
        # Counts only grow: a change below the rows that are shown is one of the window's sum.
        if ranking and ranking != self._shown:
            self._show(render_block(number, batch.at, ranking, self._zone))
            self._shown = ranking
        self._trim(number)
        self._prune(batch.at)

    def _trim(self, number: int) -> None:
        """Trim the next window that is over, if there is one."""
        passed = self._pruning.passed(number)
        if passed > self._looked_at:
            self._looked_at = self._store.trim(self._checkpoint_id, passed, self._pruning.hashtags)

    def _prune(self, now: float) -> None:
        """Now and then summarise what is older than the days for which windows are kept, and not in the log any more."""
        start = self._pruning.look(now)
        if start is not None:
            until = min(start.gone_until, now - self._pruning.days * DAY_SECONDS)
            self._store.prune(self._checkpoint_id, until, start.firsts)


class TweetColumns:
    """The tweets among the rows of a micro-batch as Spark's columns, which become Python objects ``_ROWS`` at a time."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table.select(["kind", "window_start", "label", "records"])

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Yield window start and hashtag of each count."""
        return (place for place, _tweets in self.items())

    def items(self) -> Iterator[tuple[tuple[int, str], int]]:
        """Yield each count with its window start and hashtag."""
        for some in self._table.to_batches(max_chunksize=_ROWS):
            # Some at a time, too: all of them at once were a second copy of what may lie on the disk.
            tweets_alone = some.filter(pc.equal(some.column("kind"), Kind.TWEET.value))
            windows, hashtags, tweets = (tweets_alone.column(name).to_pylist() for name in ("window_start", "label", "records"))
            yield from zip(zip(windows, hashtags, strict=True), tweets, strict=True)


def to_batch(number: int, at: float, table: pa.Table) -> Batch:
    """Split the aggregation's rows into tweets, untagged and foreign records, and rejects.

    The columns are kind, window_start in seconds, label, partition, offsets (packed) and records. All but the tweets are few: a
    row a window, or a row a group of rejects. Tweets that a task has staged are a row a window too, with the attempt.
    """
    staged: dict[tuple[str, int], int] = {}
    untagged: dict[int, int] = {}
    foreign: dict[int, int] = {}
    rejects: defaultdict[tuple[int, str], array[int]] = defaultdict(lambda: array(OFFSET))
    others = table.filter(pc.not_equal(table["kind"], Kind.TWEET.value))
    for kind, window, label, partition, offsets, records in zip(*(column.to_pylist() for column in others.columns), strict=True):
        if kind == Kind.UNTAGGED:
            untagged[window] = records
        elif kind == Kind.FOREIGN:
            foreign[window] = records
        elif kind == STAGED:
            staged[label, window] = records
        else:
            rejects[partition, label].extend(unpack(offsets))
    packed = (Rejects.of(partition, reason, offsets) for (partition, reason), offsets in sorted(rejects.items()))
    return Batch(number, at, TweetColumns(table), foreign, tuple(packed), untagged, staged)
