"""A fresh count of the log, record by record, by the rule that the stream follows too."""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trending.kafka.rejects import OFFSET
from trending.tweets.record_id import identity_of
from trending.tweets.rule import Kind, classify, window_start

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trending.kafka.log_reader import Record
    from trending.settings import WindowTime


@dataclass
class Recount:
    """What a fresh read of the log holds."""

    tweets: Counter[tuple[int, str]] = field(default_factory=Counter)
    ids: Counter[tuple[str, int]] = field(default_factory=Counter)
    minutes: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    without_id: int = 0
    foreign: int = 0
    rejects: defaultdict[tuple[int, str], array[int]] = field(default_factory=lambda: defaultdict(lambda: array(OFFSET)))
    rejected_runs: set[str] = field(default_factory=set)
    first: float = math.inf
    last: float = -math.inf

    @property
    def span(self) -> float:
        """Seconds from the first append to the last; 0 without records."""
        return max(0.0, self.last - self.first)

    def add(self, record: Record, window_time: WindowTime, acknowledged: set[tuple[str, int]]) -> None:
        """Count one record of the log."""
        self.first, self.last = min(self.first, record.append_time), max(self.last, record.append_time)
        verdict = classify(record.value, record.append_time, window_time)
        identity = identity_of(record.key, record.headers)
        if identity is not None:
            self.ids[identity] += 1
        if verdict.kind is Kind.FOREIGN:
            self.foreign += 1
        elif verdict.kind is Kind.REJECT:
            self.rejects[record.partition, verdict.label].append(record.offset)
            if identity is not None:
                self.rejected_runs.add(identity[0])
        else:
            self.tweets[window_start(verdict.time), verdict.label] += 1
            if identity is None:
                self.without_id += 1
            if identity in acknowledged:
                self.minutes[identity[0], window_start(record.append_time), verdict.label] += 1


def recount(records: Iterable[Record], window_time: WindowTime, acknowledged: set[tuple[str, int]]) -> Recount:
    """Read the log once and count it with ``trending.tweets.rule.classify``."""
    result = Recount()
    for record in records:
        result.add(record, window_time, acknowledged)
    return result
