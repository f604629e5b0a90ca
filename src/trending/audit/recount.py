"""A fresh count of the log, record by record: each record by the rule of the epoch that counted it."""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trending.audit.second_reading import SecondReader
from trending.kafka.rejects import OFFSET
from trending.settings import WindowTime
from trending.tweets.record_id import identity_of
from trending.tweets.rule import FUTURE_AFTER, Kind, classify, window_start

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from trending.kafka.log_reader import Record
    from trending.serving.epochs import Epoch


@dataclass
class Recount:
    """What a fresh read of one topic's log holds.

    ``tweets`` are (checkpoint, window start, hashtag) → number, ``untagged`` (checkpoint, window start) → number, ``rejects``
    (checkpoint, partition, reason) → offsets: what the store must have. Records behind what the open epoch has counted are *in
    flight*: ``in_flight`` is their number, and ``oldest`` the append time of the first. ``uncounted`` are records that no epoch
    counts and none will.
    """

    epochs: Sequence[Epoch] = ()
    tweets: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    ids: Counter[tuple[str, int]] = field(default_factory=Counter)
    minutes: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    without_id: int = 0
    untagged: Counter[tuple[str, int]] = field(default_factory=Counter)
    foreign: int = 0
    rejects: defaultdict[tuple[str, int, str], array[int]] = field(default_factory=lambda: defaultdict(lambda: array(OFFSET)))
    second: SecondReader = field(default_factory=SecondReader)
    in_flight: int = 0
    oldest: float = math.inf
    uncounted: int = 0
    first: float = math.inf
    last: float = -math.inf
    first_appends: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._ranges = [(epoch, epoch.counted_to()) for epoch in self.epochs]

    @property
    def span(self) -> float:
        """Seconds from the first append to the last; 0 without records."""
        return max(0.0, self.last - self.first)

    def totals(self) -> Counter[tuple[int, str]]:
        """Return (window start, hashtag) → tweets over all epochs."""
        return over_epochs(self.tweets)

    def horizon(self, partitions: Iterable[int]) -> float:
        """Return the start of the first window of which these partitions still have every record, in epoch seconds.

        Retention takes a log's beginning. A tweet's window begins at most five seconds behind its append time.
        """
        return max((self.first_appends.get(part, math.inf) + FUTURE_AFTER for part in partitions), default=-math.inf)

    def add(self, record: Record, acknowledged: set[tuple[str, int]]) -> None:
        """Count one record of the log."""
        self.first, self.last = min(self.first, record.append_time), max(self.last, record.append_time)
        self.first_appends.setdefault(record.partition, record.append_time)
        epoch, counted = self._place(record.partition, record.offset)
        verdict = classify(record.value, record.append_time, epoch.rule.window_time)
        self.second.check(record, verdict, epoch.rule.window_time)
        identity = identity_of(record.key, record.headers)
        if identity is not None:
            self.ids[identity] += 1
        if verdict.kind is Kind.FOREIGN:
            self.foreign += 1
            return
        if identity is not None and identity in acknowledged:
            # The ledger books a tweet when it is appended, whatever becomes of it: by arrival there is no late and no future.
            kept = classify(record.value, record.append_time, WindowTime.ARRIVAL) if verdict.kind is Kind.REJECT else verdict
            if kept.kind is Kind.TWEET:
                self.minutes[identity[0], window_start(record.append_time), kept.label] += 1
        if not counted and epoch.closed:
            # Behind the last epoch of a topic that the stack has left, only its own tweets are its business.
            self.uncounted += epoch is not self.epochs[-1] or identity in acknowledged
        elif not counted:
            self.in_flight += 1
            self.oldest = min(self.oldest, record.append_time)
        elif verdict.kind is Kind.UNTAGGED:
            self.untagged[epoch.checkpoint, window_start(verdict.time)] += 1
        elif verdict.kind is Kind.REJECT:
            self.rejects[epoch.checkpoint, record.partition, verdict.label].append(record.offset)
        else:
            self.tweets[epoch.checkpoint, window_start(verdict.time), verdict.label] += 1
            self.without_id += identity is None

    def _place(self, partition: int, offset: int) -> tuple[Epoch, bool]:
        """Return the epoch of a record, and whether that has counted it; a record between two belongs to the first."""
        found = self.epochs[0]
        for epoch, counted_to in self._ranges:
            if offset < epoch.starts.get(partition, 0):
                break
            found = epoch
            if offset < counted_to.get(partition, 0):
                return epoch, True
        return found, False


def over_epochs(counts: Mapping[tuple[str, int, str], int]) -> Counter[tuple[int, str]]:
    """Return (window start, hashtag) → tweets, of counts by (checkpoint, window start, hashtag)."""
    found: Counter[tuple[int, str]] = Counter()
    for (_checkpoint, window, hashtag), tweets in counts.items():
        found[window, hashtag] += tweets
    return found


def recount(records: Iterable[Record], epochs: Sequence[Epoch], acknowledged: set[tuple[str, int]]) -> Recount:
    """Read the log of one topic once and count it with ``trending.tweets.rule.classify``; there must be an epoch."""
    result = Recount(epochs)
    for record in records:
        result.add(record, acknowledged)
    return result
