"""A log with its witnesses in agreement, for tests that plant a fault in one of them."""

from __future__ import annotations

import json
import math
from array import array
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fakes.trending.counting import epoch

from trending.audit.evidence import Evidence
from trending.audit.examination import Examination, examine_topic
from trending.audit.recounting.recount import recount
from trending.audit.sealing import Kept
from trending.kafka.log_reader import Record
from trending.kafka.record_columns import by_columns
from trending.producer.ledger import Beat, Interval, Ledger
from trending.serving.others import Others
from trending.serving.pruning import Summarised
from trending.serving.seals import closed_window
from trending.serving.store import StoreView
from trending.settings import Rule, WindowTime
from trending.stream.letters import Letters
from trending.tweets.rule import Kind, classify, minute_of, window_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from trending.audit.audit_report import AuditReport
    from trending.audit.examination import Count
    from trending.audit.recounting.recount import Recount
    from trending.audit.recounting.sequences import SequenceRanges
    from trending.audit.seal import Seal
    from trending.kafka.record_columns import RecordColumns
    from trending.producer.known import Known
    from trending.producer.redriven import Redriven
    from trending.producer.sources.booked import Booked
    from trending.serving.epochs import Epoch

MINUTE = 1765845060
TAGS = ("#a", "#b", "#c")
BEYOND = 1000
"""An end of the log behind whatever a test makes up."""


def tweet(hashtag: str, timestamp: float = MINUTE) -> bytes:
    return json.dumps({"usuario": "u", "texto": "t", "hashtag_principal": hashtag, "timestamp": timestamp}).encode()


def without_known(ledger: Ledger, known: Known) -> Ledger:
    """Return a ledger as it is read by somebody who knows that already."""
    left_out, tweets, rest = Counter[str](), Counter[str](), []
    for each in ledger.intervals:
        sequences = range(each.first_sequence, each.last_sequence + 1)
        if known.has(each.run, each.partition, sequences, each.first_offset, each.end_offset):
            left_out[each.run] += len(each)
        else:
            rest.append(each)
    counts = {key: number for key, number in ledger.counts.items() if key[0] not in known.runs or key[1] >= known.minute}
    for key in ledger.counts.keys() - counts.keys():
        tweets[key[0]] += ledger.counts[key]
    return replace(
        ledger,
        intervals=tuple(rest),
        counts=counts,
        known=dict(known.runs),
        left_out=dict(left_out),
        left_out_tweets=dict(tweets),
    )


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
    producers: dict[str, str] = field(default_factory=dict)
    beats: dict[str, Beat] = field(default_factory=dict)
    later: Ledger | None = None
    seen_at: float = MINUTE + 300
    longest: float = 0.0
    records_read: int = 0
    sealed_to: int = 0
    summarised: Summarised = field(default_factory=Summarised)
    others: dict[int, Others] = field(default_factory=dict)
    plays: dict[str, Booked] = field(default_factory=dict)

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

    def send_tweets(self, number: int, run: str | None = "run", seconds: int = 7) -> None:
        begin = len(self.log)
        for place in range(begin, begin + number):
            self.send(tweet(TAGS[place % 3], MINUTE + seconds * place), MINUTE + seconds * place, run)

    def count_all(self) -> None:
        """Let the store have counted the log up to its end, which is where it ends."""
        self.counted_to = self.ends = {0: len(self.log)}

    def trim(self, kept: int, until: float, since: float = -math.inf) -> None:
        """Let the store keep the first hashtags by name of windows from ``since`` on that have ended by ``until``."""
        for window in sorted({window for window, _hashtag in self.counts} - self.others.keys()):
            ranked = sorted((-tweets, hashtag) for (start, hashtag), tweets in self.counts.items() if start == window and tweets)
            if since <= window <= until - self.window_seconds and len(ranked) > kept:
                gone = [(window, hashtag) for _tweets, hashtag in ranked[kept:]]
                self.others[window] = Others(sum(self.counts.pop(each) for each in gone), len(gone), kept)

    def seal(self) -> Kept:
        """Audit everything, which must be clean, and return the seal."""
        self.count_all()
        found = self.examine()
        assert found.report.clean, found.report.lines(None)
        assert found.seal is not None
        self.sealed_to, self.records_read = len(self.log), 0
        return Kept.of(found.seal.stored())

    def audit(self, kept: Kept | None = None) -> AuditReport:
        return self.examine(kept).report

    def ledger(self, seal: Seal | None = None) -> Ledger:
        """Return the ledger, without what a seal knows, as ``read_ledger`` does."""
        counts = dict(self.ledger_counts)
        whole = Ledger(
            tuple(self.acknowledged),
            counts,
            dict(self.reserved),
            self.failed,
            dict(self.spread),
            redriven=self.redriven,
            producers=self.producers,
            beats=self.beats,
        )
        return without_known(whole, seal.known()) if seal else whole

    def examine(self, kept: Kept | None = None) -> Examination:
        """Audit the lab, from a seal on if there is one."""
        seal = kept.seal if kept else None
        ledger = self.ledger(seal)
        starts = self.start or {0: 0}
        ends = self.ends or {part: max(BEYOND, *(record.offset + 1 for record in self.log), 0) for part in starts}
        epochs = self.epochs or (epoch("c", starts=starts, ends=self.counted_to or ends, rule=self.rule),)
        letters = replace(self.letters, places=set(self.letters.places), summaries=set(self.letters.summaries))
        if seal:
            # The letters behind the seal's: in this lab they lie in the order of their records.
            behind = {place for place in letters.places if place[1] >= seal.ends.get(place[0], 0)}
            letters = replace(letters, places=behind | set(seal.letters.places))
        evidence = Evidence(
            ledger,
            self.view(epochs, seal),
            self.seen_at,
            "tweets",
            epochs,
            kept,
            {part: (self.firsts.get(part, 0), end) for part, end in ends.items()},
            letters,
            "letters-1",
            {0: 0},
            0.0,
            self.plays,
        )
        return examine_topic(evidence, by_reading(self.read), lambda: self.later or ledger, self.longest)

    def read(self, start: Mapping[int, int], end: Mapping[int, int]) -> Iterator[RecordColumns]:
        """Yield the records from some offsets to others, as they lie in the log."""
        there = [each for each in self.log if start.get(each.partition, 0) <= each.offset < end.get(each.partition, 0)]
        self.records_read += len(there)
        return by_columns(there)

    def view(self, epochs: Sequence[Epoch], seal: Seal | None) -> StoreView:
        """Return what the store of the lab shows, as ``Store.view`` does."""
        closing = seal.closed_by() if seal else {}
        counts = self.epoch_counts or {("c", *key): tweets for key, tweets in self.counts.items() if tweets}
        untagged = {("c", window): records for window, records in self.untagged.items() if records}
        others = {("c", window): each for window, each in self.others.items()}
        rows: dict[tuple[str, int], list[tuple[str, int]]] = {place: [] for place in untagged.keys() | others.keys()}
        for (checkpoint, window, hashtag), tweets in counts.items():
            rows.setdefault((checkpoint, window), []).append((hashtag, tweets))
        closed = {
            place: closed_window(each, untagged.get(place, 0), others.get(place))
            for place, each in rows.items()
            if place[1] < closing.get(place[0], -math.inf)
        }
        sealed = seal.ends if seal else {}
        return StoreView(
            tuple(epochs),
            {key: tweets for key, tweets in counts.items() if key[:2] not in closed},
            {
                ("c", part, reason): array("q", [each for each in offsets if each >= sealed.get(part, 0)])
                for (part, reason), offsets in self.rejects.items()
            },
            self.dropped,
            {place: records for place, records in untagged.items() if place not in closed},
            {"c": self.summarised} if self.summarised.before else {},
            closed,
            {"c": self.booked_up_to(sealed)},
            {"c": self.booked_up_to(epochs[-1].counted_to())},
            {place: each for place, each in others.items() if place not in closed},
        )

    def booked_up_to(self, ends: Mapping[int, int]) -> str:
        """Return a text for the rejects before some offsets, in place of a digest."""
        before = {key: [each for each in offsets if each < ends.get(key[0], 0)] for key, offsets in self.rejects.items()}
        return str(sorted((key, offsets) for key, offsets in before.items() if offsets))


def by_reading(
    read: Callable[[Mapping[int, int], Mapping[int, int]], Iterable[RecordColumns]],
) -> Count:
    """Return a function that goes on counting what ``read`` brings from some offsets to others."""

    def count(
        start: Mapping[int, int], end: Mapping[int, int], acknowledged: Mapping[str, SequenceRanges], whole: Recount
    ) -> None:
        recount(read(start, end), whole.epochs, acknowledged, whole)

    return count
