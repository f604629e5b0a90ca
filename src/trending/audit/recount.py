"""A fresh count of the log, record by record, by the rule that the stream follows too."""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trending.audit.second_reading import SecondReader
from trending.kafka.rejects import OFFSET
from trending.settings import WindowTime
from trending.tweets.record_id import ID_HEADER, parse_record_id
from trending.tweets.rule import Kind, classify, window_start

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trending.kafka.log_reader import Record


@dataclass
class Recount:
    """What a fresh read of the log holds."""

    tweets: Counter[tuple[int, str]] = field(default_factory=Counter)
    ids: Counter[tuple[str, int]] = field(default_factory=Counter)
    minutes: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    without_id: int = 0
    untagged: Counter[int] = field(default_factory=Counter)
    foreign: int = 0
    rejects: defaultdict[tuple[int, str], array[int]] = field(default_factory=lambda: defaultdict(lambda: array(OFFSET)))
    second: SecondReader = field(default_factory=SecondReader)
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
        self.second.check(record, verdict, window_time)
        header = record.headers.get(ID_HEADER)
        identity = parse_record_id(header) if header else None
        if identity is not None:
            self.ids[identity] += 1
        if verdict.kind is Kind.FOREIGN:
            self.foreign += 1
        elif verdict.kind is Kind.UNTAGGED:
            self.untagged[window_start(verdict.time)] += 1
        elif verdict.kind is Kind.REJECT:
            self.rejects[record.partition, verdict.label].append(record.offset)
        else:
            self.tweets[window_start(verdict.time), verdict.label] += 1
            if identity is None:
                self.without_id += 1
        if identity is not None and identity in acknowledged:
            # The ledger books a tweet when it is appended, whatever becomes of it: by arrival there is no late and no future.
            kept = classify(record.value, record.append_time, WindowTime.ARRIVAL) if verdict.kind is Kind.REJECT else verdict
            if kept.kind is Kind.TWEET:
                self.minutes[identity[0], window_start(record.append_time), kept.label] += 1


def recount(records: Iterable[Record], window_time: WindowTime, acknowledged: set[tuple[str, int]]) -> Recount:
    """Read the log once and count it with ``trending.tweets.rule.classify``."""
    result = Recount()
    for record in records:
        result.add(record, window_time, acknowledged)
    return result
