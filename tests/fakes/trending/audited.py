"""A log with its witnesses in agreement, for tests that plant a fault in one of them."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fakes.trending.counting import epoch

from trending.audit.reconciliation import Ledgers, LogRange, reconcile
from trending.audit.recount import recount
from trending.audit.sequences import by_run
from trending.kafka.log_reader import Record
from trending.kafka.record_columns import by_columns
from trending.producer.ledger import Interval, Ledger
from trending.serving.store import StoreView
from trending.settings import Rule, WindowTime
from trending.stream.letters import Letters
from trending.tweets.rule import Kind, classify, minute_of, window_start

if TYPE_CHECKING:
    from trending.audit.audit_report import AuditReport
    from trending.producer.redriven import Redriven
    from trending.serving.epochs import Epoch

MINUTE = 1765845060
TAGS = ("#a", "#b", "#c")
BEYOND = 1000
"""An end of the log behind whatever a test makes up."""


def tweet(hashtag: str, timestamp: float = MINUTE) -> bytes:
    return json.dumps({"usuario": "u", "texto": "t", "hashtag_principal": hashtag, "timestamp": timestamp}).encode()


@dataclass
class Lab:
    """A log with its three witnesses: what producers sent, what the stream counted, what lies with the dead letters.

    ``send`` keeps all of them in agreement; a test then takes something away from one of them, or adds something.
    """

    mode: WindowTime = WindowTime.ARRIVAL
    window_seconds: int = 60
    log: list[Record] = field(default_factory=list)
    acknowledged: list[Interval] = field(default_factory=list)
    ledger_counts: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    spread: Counter[tuple[str, int, int, str]] = field(default_factory=Counter)
    reserved: dict[str, int] = field(default_factory=dict)
    failed: int = 0
    counts: Counter[tuple[int, str]] = field(default_factory=Counter)
    rejects: dict[tuple[int, str], array[int]] = field(default_factory=dict)
    letters: Letters = field(default_factory=Letters)
    untagged: Counter[int] = field(default_factory=Counter)
    dropped: int = 0
    start: dict[int, int] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    firsts: dict[int, int] = field(default_factory=dict)
    counted_to: dict[int, int] = field(default_factory=dict)
    epochs: tuple[Epoch, ...] = ()
    epoch_counts: dict[tuple[str, int, str], int] = field(default_factory=dict)
    redriven: tuple[Redriven, ...] = ()
    later: Ledger | None = None
    seen_at: float = MINUTE + 300
    longest: float = 0.0

    @property
    def rule(self) -> Rule:
        return Rule(self.mode, self.window_seconds)

    def window(self, moment: float) -> int:
        """Return the start of the moment's window."""
        return window_start(moment, self.window_seconds)

    def send(self, value: bytes | None, at: float = MINUTE, run: str | None = "run", *, acknowledge: bool = True) -> Record:
        offset = len(self.log)
        headers: dict[str, bytes | None] = {}
        if run is not None:
            sequence = sum(record.headers.get("id", b"").startswith(f"{run}:".encode()) for record in self.log)
            headers["id"] = f"{run}:{sequence}".encode()
            self.reserved[run] = max(self.reserved.get(run, 0), sequence + 60)
        record = Record(0, offset, at, value, headers)
        self.log.append(record)
        verdict = classify(value, at, self.rule)
        if run is not None and acknowledge:
            self.acknowledged.append(Interval(run, 0, sequence, sequence, offset))
            sent = classify(value, at, Rule())
            self.ledger_counts[run, minute_of(at), sent.label if sent.kind is Kind.TWEET else "#sent"] += 1
        if verdict.kind is Kind.TWEET:
            self.counts[self.window(verdict.time), verdict.label] += 1
        elif verdict.kind is Kind.UNTAGGED:
            self.untagged[self.window(verdict.time)] += 1
        elif verdict.kind is Kind.REJECT:
            self.book(offset, verdict.label)
            self.letters.places.add((0, offset))
        return record

    def book(self, offset: int, reason: str) -> None:
        self.rejects.setdefault((0, reason), array("q")).append(offset)

    def send_tweets(self, number: int, run: str | None = "run") -> None:
        for place in range(number):
            self.send(tweet(TAGS[place % 3], MINUTE + 7 * place), MINUTE + 7 * place, run)

    def audit(self) -> AuditReport:
        spread = dict(self.spread)
        ledger = Ledger(
            tuple(self.acknowledged), dict(self.ledger_counts), self.reserved, self.failed, spread, redriven=self.redriven
        )
        later = self.later or ledger
        starts = self.start or {0: 0}
        ends = self.ends or {part: max(BEYOND, *(record.offset + 1 for record in self.log), 0) for part in starts}
        epochs = self.epochs or (epoch("c", starts=starts, ends=self.counted_to or ends, rule=self.rule),)
        part = LogRange(starts, self.firsts, ends, self.seen_at)
        log = recount(by_columns(self.log), epochs, by_run(ledger.acknowledged_ranges(starts, ends)))
        counts = self.epoch_counts or {("c", *key): tweets for key, tweets in self.counts.items() if tweets}
        rejects = {("c", *key): offsets for key, offsets in self.rejects.items()}
        untagged = {("c", window): records for window, records in self.untagged.items()}
        view = StoreView(tuple(epochs), counts, rejects, self.dropped, untagged)
        return reconcile(Ledgers(ledger, later), part, log, view, self.letters, self.longest)
