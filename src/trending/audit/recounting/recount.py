"""A fresh count of the log: each record by the rule of the epoch that counted it.

Records come by columns, and plain tweets are counted so. Everything else goes record by record through the rule itself.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import compress, pairwise
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from trending.audit.recounting.identities import NOBODY, identities_of, rows_by_run
from trending.audit.recounting.second_reading import EVERY, SecondReader
from trending.audit.recounting.sequences import SequenceSet
from trending.audit.recounting.truths import Truths
from trending.kafka.rejects import OFFSET
from trending.settings import MINUTE_SECONDS, Rule, Spelling
from trending.tweets.columns import judge, labels, plain_tweets, readable_only, window_starts
from trending.tweets.fates import label_of
from trending.tweets.rule import FUTURE_AFTER, MAX_DEPTH, Kind, Verdict, classify, minute_of, window_start
from trending.tweets.spelling import folded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from trending.audit.recounting.identities import Identities
    from trending.audit.recounting.sequences import SequenceRanges
    from trending.kafka.record_columns import RecordColumns
    from trending.serving.epochs import Epoch


def _no_offsets() -> array[int]:
    """Return what a reject's key begins with; by its name a recount can be pickled."""
    return array(OFFSET)


@dataclass(frozen=True)
class Carried:
    """What a recount goes on from, as sums: the untagged records and rejects of what a seal has closed.

    ``closing`` is the first append minute of which it has the tweets by minute and hashtag.
    """

    closing: float = -math.inf
    untagged: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Recount:
    """What a fresh read of one topic's log holds.

    ``tweets`` are (checkpoint, window start, hashtag) → number, ``untagged`` (checkpoint, window start) → number, ``rejects``
    (checkpoint, partition, reason) → offsets: what the store must have. Records behind what the open epoch has counted are *in
    flight*: ``in_flight`` is their number, and ``oldest`` the append time of the first. ``uncounted`` are records that no epoch
    counts and none will. ``ids`` are run → sequences, ``repeated`` how many came again. ``disordered`` are run → places of a
    partition where an id is followed by a smaller one, those that came again left out; ``latest`` is a run's last sequence in a
    partition. ``minutes`` are acknowledged tweets by run and append minute, ``unproven`` the others that have an id of ours.
    ``truth`` compares what scenarios have sent with what they mean.
    """

    epochs: Sequence[Epoch] = ()
    tweets: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    ids: defaultdict[str, SequenceSet] = field(default_factory=lambda: defaultdict(SequenceSet))
    repeated: int = 0
    disordered: Counter[str] = field(default_factory=Counter)
    latest: dict[tuple[str, int], int] = field(default_factory=dict)
    minutes: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    unproven: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    without_id: int = 0
    untagged: Counter[tuple[str, int]] = field(default_factory=Counter)
    foreign: int = 0
    rejects: defaultdict[tuple[str, int, str], array[int]] = field(default_factory=lambda: defaultdict(_no_offsets))
    second: SecondReader = field(default_factory=SecondReader)
    in_flight: int = 0
    oldest: float = math.inf
    uncounted: int = 0
    first: float = math.inf
    last: float = -math.inf
    first_appends: dict[int, float] = field(default_factory=dict)
    carried: Carried = field(default_factory=Carried)
    truth: Truths = field(default_factory=Truths)

    @property
    def span(self) -> float:
        """Seconds from the first append to the last; 0 without records."""
        return max(0.0, self.last - self.first)

    def horizon(self, partitions: Iterable[int]) -> float:
        """Return the start of the first window of which these partitions still have every record, in epoch seconds.

        Retention takes a log's beginning. A tweet's window begins at most five seconds behind its append time.
        """
        return max((self.first_appends.get(part, math.inf) + FUTURE_AFTER for part in partitions), default=-math.inf)

    def add(self, records: RecordColumns, acknowledged: Mapping[str, SequenceRanges]) -> None:
        """Count consecutive records of one partition; ``acknowledged`` are run → sequences that the ledger has for the log."""
        times = records.append_times
        self.first, self.last = min(self.first, times.min().item()), max(self.last, times.max().item())
        self.first_appends.setdefault(records.partition, times[0].item())
        # Between two of these offsets all records have the same fate: they belong to one epoch, which has counted them or not.
        bounds = {each.get(records.partition, 0) for epoch in self.epochs for each in (epoch.starts, epoch.counted_to())}
        cuts = np.searchsorted(records.offsets, sorted(bounds)).tolist()
        for start, stop in pairwise(sorted({0, *cuts, len(records)})):
            part = records.rows(start, stop)
            epoch, counted = self._place(part.partition, part.offsets[0].item())
            identities, told = self._identify(part, acknowledged)
            self._add(_Part(part, epoch, counted, identities, told))
            if self.truth.plays:
                for run, rows in rows_by_run(identities):
                    self.truth.compare(run, part, rows, identities.sequences[rows], epoch.rule)

    def _identify(
        self, records: RecordColumns, acknowledged: Mapping[str, SequenceRanges]
    ) -> tuple[Identities, NDArray[np.bool_]]:
        """Note the ids of the records; returns them, and whether each one was acknowledged."""
        identities = identities_of(records)
        told = np.zeros(len(records), np.bool_)
        for run, rows in rows_by_run(identities):
            sequences = identities.sequences[rows]
            self.note_ids(run, records.partition, sequences)
            if run in acknowledged:
                told[rows] = acknowledged[run].has(sequences)
        return identities, told

    def note_ids(self, run: str, partition: int, sequences: NDArray[np.uint64]) -> None:
        """Note ids of a run in the order of their offsets in a partition: which come again, and where the order is broken."""
        repeated = self.ids[run].add(sequences)
        number = int(np.count_nonzero(repeated))
        self.repeated += number
        self._follow(run, partition, sequences[~repeated] if number else sequences)

    def _follow(self, run: str, partition: int, sequences: NDArray[np.uint64]) -> None:
        """Look whether these ids of one sender, in the order of their offsets, go on where its last one of the partition was."""
        if not len(sequences):
            return
        disordered = int(np.count_nonzero(sequences[1:] < sequences[:-1]))
        disordered += int(sequences[0] < np.uint64(self.latest.get((run, partition), 0)))
        if disordered:
            self.disordered[run] += disordered
        self.latest[run, partition] = sequences[-1].item()

    def _add(self, part: _Part) -> None:
        """Count the plain tweets by columns, and everything else record by record."""
        records, rule = part.records, part.epoch.rule
        tweets, doubtful = plain_tweets(_readable(records.values))
        times, plain = judge(tweets, doubtful, records.append_times, rule)
        hashtags, plain = labels(tweets, plain, rule)
        self._add_tweets(part, [tweet.hashtag_principal for tweet in tweets], times, plain)
        for row in np.flatnonzero(plain & (records.offsets % EVERY == 0)).tolist():
            verdict = Verdict(Kind.TWEET, hashtags[row], times[row].item())
            self.second.check(records.record(row), verdict, rule)
        for row in np.flatnonzero(~plain).tolist():
            self._add_odd(part, row)

    def _add_tweets(self, part: _Part, hashtags: Sequence[str], times: NDArray[np.float64], plain: NDArray[np.bool_]) -> None:
        numbers, told = part.identities.numbers, part.acknowledged
        windows, window_of = np.unique(window_starts(times, part.epoch.rule.window_seconds), return_inverse=True)
        minutes, minute_of = np.unique(window_starts(part.records.append_times, MINUTE_SECONDS), return_inverse=True)
        runs = len(part.identities.runs) + 1
        # One number for each combination: of a batch that has only one, the hashtags alone are counted.
        groups = ((window_of * len(minutes) + minute_of) * runs + numbers + 1) * 2 + told
        counted: Mapping[tuple[int, str], int]
        if plain.all() and (groups == groups[0]).all():
            only = groups[0].item()
            counted = {(only, hashtag): tweets for hashtag, tweets in Counter(hashtags).items()}
        else:
            counted = Counter(compress(zip(groups.tolist(), hashtags, strict=True), plain.tolist()))
        for (group, hashtag), tweets in counted.items():
            rest, is_told = divmod(group, 2)
            rest, number = divmod(rest, runs)
            window, minute = divmod(rest, len(minutes))
            if number:
                proven = self.minutes if is_told else self.unproven
                proven[part.identities.runs[number - 1], minutes[minute].item(), hashtag] += tweets
            if part.counted:
                label = folded(hashtag) if part.epoch.rule.spelling is Spelling.FOLDED else hashtag
                self.tweets[part.epoch.checkpoint, windows[window].item(), label] += tweets
        if part.counted:
            self.without_id += int(np.count_nonzero(plain & (numbers == NOBODY)))
        else:
            self._miss(part, np.flatnonzero(plain))

    def _add_odd(self, part: _Part, row: int) -> None:
        """Count what is no plain tweet."""
        record, rule = part.records.record(row), part.epoch.rule
        verdict = classify(record.value, record.append_time, rule)
        self.second.check(record, verdict, rule)
        if verdict.kind is Kind.FOREIGN:
            self.foreign += 1
            return
        number = part.identities.numbers[row].item()
        if number != NOBODY:
            # The ledger books a record when it is appended and as it is spelled, whatever becomes of it: by arrival there is no
            # late and no future.
            other = verdict.kind is Kind.REJECT or rule.spelling is Spelling.FOLDED
            kept = classify(record.value, record.append_time, Rule()) if other else verdict
            proven = self.minutes if part.acknowledged[row] else self.unproven
            proven[part.identities.runs[number], minute_of(record.append_time), label_of(kept)] += 1
        if not part.counted:
            self._miss(part, np.array([row]))
        elif verdict.kind is Kind.UNTAGGED:
            self.untagged[part.epoch.checkpoint, window_start(verdict.time, rule.window_seconds)] += 1
        elif verdict.kind is Kind.REJECT:
            self.rejects[part.epoch.checkpoint, record.partition, verdict.label].append(record.offset)
        else:
            self.tweets[part.epoch.checkpoint, window_start(verdict.time, rule.window_seconds), verdict.label] += 1
            self.without_id += number == NOBODY

    def _miss(self, part: _Part, rows: NDArray[np.int64]) -> None:
        """Note records that no epoch has counted."""
        if not len(rows):
            return
        if part.epoch.closed:
            # Behind the last epoch of a topic that the stack has left, only its own tweets are its business.
            last = part.epoch is self.epochs[-1]
            self.uncounted += int(np.count_nonzero(part.acknowledged[rows])) if last else len(rows)
        else:
            self.in_flight += len(rows)
            self.oldest = min(self.oldest, part.records.append_times[rows].min().item())

    def _place(self, partition: int, offset: int) -> tuple[Epoch, bool]:
        """Return the epoch of a record, and whether that has counted it; a record between two belongs to the first."""
        found = self.epochs[0]
        for epoch in self.epochs:
            if offset < epoch.starts.get(partition, 0):
                break
            found = epoch
            if offset < epoch.counted_to().get(partition, 0):
                return epoch, True
        return found, False


class _Part(NamedTuple):
    """Records of one fate, with their ids and whether each of those was acknowledged."""

    records: RecordColumns
    epoch: Epoch
    counted: bool
    identities: Identities
    acknowledged: NDArray[np.bool_]


def _readable(values: Sequence[bytes | None]) -> Sequence[bytes | None]:
    """Return the values, None for each that must not be decoded; as a rule one look at all of them finds none of those."""
    there = values if None not in values else [value or b"" for value in values]
    whole = cast("Sequence[bytes]", there)
    if max(map(len, whole)) <= MAX_DEPTH:
        try:
            # A line feed stands in no character of several bytes, so that what is cut off is not mended by what follows.
            b"\n".join(whole).decode()
        except UnicodeDecodeError:
            pass
        else:
            return values
    return readable_only(values)


def by_rule(counts: Mapping[tuple[str, int, str], int], epochs: Sequence[Epoch]) -> dict[Rule, Counter[tuple[int, str]]]:
    """Return rule → (window start, hashtag) → tweets: the epochs of one rule are added up, those of two never."""
    found: dict[Rule, Counter[tuple[int, str]]] = {epoch.rule: Counter() for epoch in epochs}
    rules = {epoch.checkpoint: epoch.rule for epoch in epochs}
    for (checkpoint, window, hashtag), tweets in counts.items():
        if checkpoint in rules:
            found[rules[checkpoint]][window, hashtag] += tweets
    return found


def recount(
    records: Iterable[RecordColumns],
    epochs: Sequence[Epoch],
    acknowledged: Mapping[str, SequenceRanges],
    result: Recount | None = None,
) -> Recount:
    """Read the log of one topic once and count it by ``trending.tweets.rule``; there must be an epoch.

    With a ``result`` it goes on from there.
    """
    result = result or Recount(epochs)
    for each in records:
        result.add(each, acknowledged)
    return result
