"""The streaming job's sink: writes a micro-batch to the dead letters and the serving store, then prints the ranking."""

from __future__ import annotations

import time
from array import array
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trending.kafka.packed_offsets import unpack
from trending.kafka.rejects import OFFSET, Rejects
from trending.serving.counts import Batch
from trending.serving.printed_ranking import SHOWN_ROWS, render_block
from trending.serving.ranking_query import RankingQuery
from trending.tweets.rule import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from zoneinfo import ZoneInfo

    from pyspark.sql import DataFrame

    from trending.kafka.log_start import LogStart
    from trending.serving.ranking_query import Window
    from trending.serving.store import Store
    from trending.stream.dead_letters import DeadLetters

Row = tuple[str, int, str, int, bytes, int]
"""A row of the aggregation: kind, window start in seconds, label, partition, packed offsets, number of records."""


DAY_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Pruning:
    """For how many days windows are kept, and how the job learns, seldom enough, where the log begins now."""

    days: int
    look: Callable[[float], LogStart | None]


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
    ) -> None:
        self._store = store
        self._checkpoint_id = checkpoint_id
        self._dead_letters = dead_letters
        self._ends_of = ends_of
        self._show_ends = show_ends
        self._pruning = pruning
        self._zone = zone
        self._show = show
        self._shown: Window | None = store.ranking(RankingQuery(as_of=time.time(), limit=SHOWN_ROWS))

    def __call__(self, frame: DataFrame, number: int) -> None:
        """Write the micro-batch that Spark passes: the rows that changed, as in update mode."""
        table = frame.toArrow()
        self.write(number, zip(*(column.to_pylist() for column in table.columns), strict=True))

    def write(self, number: int, rows: Iterable[Row]) -> None:
        """Write the rows of batch ``number`` with its ends, then print the latest window if that changed its ranking."""
        batch = to_batch(number, time.time(), rows)
        ends = self._ends_of(number)
        if batch.rejects:
            # A job that wakes up late would take the dead letters from the one that counts on, before the store refused it.
            self._store.require_open(self._checkpoint_id)
            self._dead_letters.write(number, batch.rejects)
        self._store.write(self._checkpoint_id, batch, ends)
        if batch.rejects:
            self._store.note_dead_letters(self._checkpoint_id, self._dead_letters.read_back_from)
        self._show_ends(ends)
        ranking = self._store.ranking(RankingQuery(as_of=batch.at, limit=SHOWN_ROWS))
        # Counts only grow: a change below the rows that are shown is one of the window's sum.
        if ranking and ranking != self._shown:
            self._show(render_block(number, batch.at, ranking, self._zone))
            self._shown = ranking
        self._prune(batch.at)

    def _prune(self, now: float) -> None:
        """Now and then summarise what is older than the days for which windows are kept, and not in the log any more."""
        start = self._pruning.look(now)
        if start is not None:
            until = min(start.gone_until, now - self._pruning.days * DAY_SECONDS)
            self._store.prune(self._checkpoint_id, until, start.firsts)


def to_batch(number: int, at: float, rows: Iterable[Row]) -> Batch:
    """Split the aggregation's rows into tweets, untagged and foreign records, and rejects."""
    tweets: dict[tuple[int, str], int] = {}
    untagged: dict[int, int] = {}
    foreign: dict[int, int] = {}
    rejects: defaultdict[tuple[int, str], array[int]] = defaultdict(lambda: array(OFFSET))
    for kind, window, label, partition, offsets, records in rows:
        if kind == Kind.TWEET:
            tweets[window, label] = records
        elif kind == Kind.UNTAGGED:
            untagged[window] = records
        elif kind == Kind.FOREIGN:
            foreign[window] = records
        else:
            rejects[partition, label].extend(unpack(offsets))
    packed = (Rejects.of(partition, reason, offsets) for (partition, reason), offsets in sorted(rejects.items()))
    return Batch(number, at, tweets, foreign, tuple(packed), untagged)
