"""Reconciles producer, log and store: the batch layer's proof that the stream is right.

Each number has its own source: acknowledged comes from the producer's ledger, in log from a fresh read, counted from the store.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from trending.audit.audit_report import AuditReport, Difference, ProducersPart
from trending.audit.kept_counts import OTHER_HASHTAGS, as_kept
from trending.audit.recounting.sequences import by_run
from trending.kafka.rejects import OFFSET
from trending.settings import WindowTime

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterator, Mapping, Sequence

    from trending.audit.recounting.recount import Recount
    from trending.audit.recounting.sequences import SequenceRanges
    from trending.producer.ledger import Ledger
    from trending.serving.others import Others, Place
    from trending.serving.store import StoreView
    from trending.stream.letters import Letters

SILENT_SECONDS = 30.0
"""A producer that was not heard of for so long before the audit is told; one that works is heard of every three."""
Counted = tuple[str, int, str]
"""Checkpoint, window start, hashtag."""
Refused = tuple[str, int, str]
"""Checkpoint, partition, reason."""
Key = TypeVar("Key", Counted, tuple[int, str])


@dataclass(frozen=True)
class Ledgers:
    """The ledger before the log's ends were looked up, and after the log was read.

    The first has nothing that the log must not have, so it is compared. The second knows what became of the rest meanwhile.
    """

    before: Ledger
    after: Ledger

    def acknowledged_ranges(self, part: LogRange) -> Iterator[tuple[str, range]]:
        """Yield run and sequences of what was acknowledged within the part; some may come twice.

        Where retention went on meanwhile, the second ledger may have been pruned of what the log had when it was read.
        """
        yield from self.after.acknowledged_ranges(part.beginning(), part.ends)
        if self.after.expired != self.before.expired:
            yield from self.before.acknowledged_ranges(part.beginning(), part.ends)


@dataclass(frozen=True)
class LogRange:
    """The part of a topic's log that was read, each partition → offset: where counting began, what retention left, the end.

    ``seen_at`` is the time of the store's figures, in seconds since the epoch; by ``skew`` seconds append times may go back.
    ``sealed`` is where a seal ends, which the log reaches: what lies before was found then, and retention may have taken it.
    """

    starts: Mapping[int, int]
    firsts: Mapping[int, int]
    ends: Mapping[int, int]
    seen_at: float
    skew: float = 0.0
    sealed: Mapping[int, int] = field(default_factory=dict)

    def beginning(self) -> dict[int, int]:
        """Return partition → offset of the first record that is audited, by a seal or because it is there."""
        return {part: self.starts[part] if part in self.sealed else first for part, first in self.there().items()}

    def there(self) -> dict[int, int]:
        """Return partition → offset of the first record of the range that the log still has."""
        return {part: max(start, self.firsts.get(part, 0)) for part, start in self.starts.items()}

    def cut(self) -> set[int]:
        """Return the partitions of which retention has taken records that were counted, or should have been, and no seal has."""
        return {part for part, start in self.starts.items() if part not in self.sealed and self.firsts.get(part, 0) > start}

    def expired_sealed(self) -> int:
        """Return how many offsets retention has taken that a seal covers."""
        return sum(max(0, self.firsts.get(part, 0) - self.starts[part]) for part in self.sealed if part in self.starts)


def reconcile(ledgers: Ledgers, part: LogRange, log: Recount, store: StoreView, letters: Letters, longest: float) -> AuditReport:
    """Compare ledger, log and store of one topic by epoch, window and hashtag, since differences in totals can cancel out.

    lost = acknowledged ids absent from the log + tweets, untagged records and rejects of the log missing from the store + records
    that no epoch counts; duplicated = ids twice in the log + those counted beyond the log. Log and ledger are compared up to the
    log's stable end, store and log up to the ends that the store has with its counts. ``longest`` is the age in seconds from
    which on what lies between means that the stream stands still.

    Of a recount that goes on from a seal, what that has closed is carried over as sums, which the store's digests vouch for.
    """
    before = ledgers.before
    acknowledged = by_run(ledgers.acknowledged_ranges(part))
    names = {epoch.checkpoint for epoch in log.epochs}
    counts = _of(names, store.counts)
    rejects = {
        key: offsets[bisect_left(offsets, part.firsts.get(key[1], 0)) :]
        for key, offsets in store.rejects.items()
        if key[0] in names
    }
    expired, gone = _expired(log, part)
    horizon = log.horizon(part.cut()) + part.skew
    # By original times any window may have had records that retention took.
    ever_open = {epoch.checkpoint for epoch in log.epochs if epoch.rule.window_time is WindowTime.ORIGINAL}
    unknown = ever_open if part.cut() else set[str]()
    untagged = {key: records for key, records in store.untagged.items() if key[0] in names}
    trimmed = {place: each for place, each in store.others.items() if place[0] in names}
    tweets, others = as_kept(log.tweets, trimmed, log.epochs)
    lengths = _lengths(store)

    def differences_of(found: Mapping[Counted, int], stored: Mapping[Counted, int]) -> list[Difference]:
        whole = partial(_from, horizon, unknown)
        return _differences(whole(found), whole(stored), "store", lengths)

    differences = differences_of(tweets, counts)
    differences += differences_of(_sums(others), _sums(trimmed))
    differences += differences_of(_named(log.untagged), _named(untagged))
    missing = sum(max(0, row.in_log - row.other) for row in differences)
    beyond = sum(max(0, row.other - row.in_log) for row in differences)
    differences += differences_of(_numbers(others), _numbers(trimmed))
    unbooked, overbooked = _beyond(log.rejects, rejects), _beyond(rejects, log.rejects)
    differences += _ledger_differences(before, part, log)
    summarised = sum(each.tweets for checkpoint, each in store.summarised.items() if checkpoint in names)
    closed = (each.tweets for (checkpoint, _window), each in store.closed.items() if checkpoint in names)
    promised = sum(map(len, acknowledged.values()))
    in_log = sum(map(len, log.ids.values()))
    arrived = sum(ids.among(log.ids[run]) for run, ids in acknowledged.items() if run in log.ids)
    refused = _by_place(log.rejects).items()
    reserved = {run: ledgers.after.reserved.get(run, 0) for run in log.ids}
    attempted = sum(ids.count(0, reserved[run]) for run, ids in log.ids.items())
    known = sum(ids.among(log.ids[run], reserved[run]) for run, ids in acknowledged.items() if run in log.ids)
    return AuditReport(
        acknowledged=promised,
        in_log=in_log,
        counted=sum(counts.values()) + sum(each.tweets for each in trimmed.values()) + sum(closed) + summarised - log.without_id,
        lost=promised - arrived + missing + unbooked + log.uncounted + gone,
        duplicated=log.repeated + beyond + overbooked,
        unknown_arrived=attempted - known,
        not_attempted=in_log - attempted,
        given_up=ledgers.after.failed,
        without_id=log.without_id,
        foreign=log.foreign,
        rejected=dict(Counter(_by_reason(log.rejects)) + Counter(log.carried.rejected)),
        dead_letters=sum(letters.account_for(*place, offsets) for place, offsets in refused) + sum(log.carried.rejected.values()),
        dropped_by_spark=store.dropped,
        differences=tuple(differences),
        start=part.starts,
        behind=before.acknowledged_behind(part.ends),
        in_flight=log.in_flight,
        oldest=max(0.0, part.seen_at - log.oldest) if log.in_flight else 0.0,
        longest=longest,
        expired=expired,
        expired_sealed=part.expired_sealed(),
        untagged=log.untagged.total() + log.carried.untagged,
        read_again=log.second.records,
        disagreements=tuple(log.second.disagreements),
        disordered=sum(places for run, places in log.disordered.items() if run in ledgers.after.reserved),
        sent_back=_sent_back(ledgers.after, acknowledged),
        letters_twice=letters.twice,
        letters_expired=sum(letters.expired(*place, offsets) for place, offsets in refused),
        kept={each: (first, part.ends[each]) for each, first in part.there().items() if each in part.ends},
        acknowledged_before=ledgers.after.acknowledged - promised - ledgers.after.acknowledged_behind(part.ends),
        summarised=summarised,
        producers=_by_producer(ledgers.after, acknowledged, log, part.seen_at),
    )


def _by_producer(
    ledger: Ledger, acknowledged: Mapping[str, SequenceRanges], log: Recount, seen_at: float
) -> tuple[ProducersPart, ...]:
    """Return what the audit has of each producer, a part of the sums each; the lab's own is always among them."""
    promised: Counter[str] = Counter(dict.fromkeys({"", *ledger.producers.values()}, 0))
    unknown: Counter[str] = Counter()
    for run, ids in acknowledged.items():
        promised[ledger.producers.get(run, "")] += len(ids)
    for run, found in log.ids.items():
        reserved = ledger.reserved.get(run, 0)
        known = acknowledged[run].among(found, reserved) if run in acknowledged else 0
        unknown[ledger.producers.get(run, "")] += found.count(0, reserved) - known
    silent = {
        name: beat.seen_at for name, beat in ledger.beats.items() if not beat.ended and beat.seen_at < seen_at - SILENT_SECONDS
    }
    return tuple(ProducersPart(name, promised[name], unknown[name], silent.get(name)) for name in sorted(promised))


def _expired(log: Recount, part: LogRange) -> tuple[int, int]:
    """Return how many offsets retention took after they were counted, and how many before: the latter are lost."""
    counted: dict[int, int] = {}
    for epoch in log.epochs:
        counted |= epoch.counted_to()
    after = before = 0
    for partition in part.cut():
        start, first, end = part.starts[partition], part.firsts[partition], counted.get(partition, part.starts[partition])
        after += min(first, end) - min(start, end)
        before += max(0, first - max(start, end))
    return after, before


def _of(names: Container[str], counts: Mapping[Counted, int]) -> Mapping[Counted, int]:
    """Return the counts of these checkpoints, as a rule all of them: a copy takes 80 bytes a count."""
    if all(checkpoint in names for checkpoint, _window, _hashtag in counts):
        return counts
    return {key: tweets for key, tweets in counts.items() if key[0] in names}


def _from(horizon: float, unknown: Collection[str], counts: Mapping[Counted, int]) -> Mapping[Counted, int]:
    """Return the counts of the windows that begin at ``horizon`` or later, without those of ``unknown`` checkpoints."""
    if horizon == -math.inf and not unknown:
        return counts
    return {key: tweets for key, tweets in counts.items() if key[1] >= horizon and key[0] not in unknown}


def _named(untagged: Mapping[tuple[str, int], int]) -> dict[Counted, int]:
    """Return counts by checkpoint and window as ``_differences`` takes them; the name is only printed."""
    return {(checkpoint, window, "(untagged)"): records for (checkpoint, window), records in untagged.items()}


def _sums(others: Mapping[Place, Others]) -> dict[Counted, int]:
    """Return the tweets of hashtags that are not kept by name, as ``_differences`` takes them; the name is only printed."""
    return {(checkpoint, window, OTHER_HASHTAGS): each.tweets for (checkpoint, window), each in others.items()}


def _numbers(others: Mapping[Place, Others]) -> dict[Counted, int]:
    """Return the numbers of hashtags that are not kept by name, in the same way."""
    name = f"{OTHER_HASHTAGS}, their number"
    return {(checkpoint, window, name): each.hashtags for (checkpoint, window), each in others.items()}


def _beyond(these: Mapping[Refused, array[int]], those: Mapping[Refused, array[int]]) -> int:
    """Return the number of rejects that only the first one has, or has more often, by checkpoint, partition, reason, offset."""
    return sum(
        (Counter(offsets) - Counter(those.get(key, ()))).total() for key, offsets in these.items() if offsets != those.get(key)
    )


def _by_reason(rejects: Mapping[Refused, array[int]]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for (_checkpoint, _partition, reason), offsets in rejects.items():
        found[reason] += len(offsets)
    return dict(found)


def _by_place(rejects: Mapping[Refused, array[int]]) -> dict[tuple[int, str], Sequence[int]]:
    """Return (partition, reason) → offsets in order, over all epochs of the topic."""
    found: dict[tuple[int, str], array[int]] = {}
    for (_checkpoint, partition, reason), offsets in rejects.items():
        found.setdefault((partition, reason), array(OFFSET)).extend(offsets)
    return {key: sorted(offsets) for key, offsets in found.items()}


def _sent_back(ledger: Ledger, acknowledged: Mapping[str, SequenceRanges]) -> int:
    """Return how many of the acknowledged records are dead letters that were sent back."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for run, sequence in (each.identity for each in ledger.redriven):
        found[run].append(sequence)
    return sum(int(acknowledged[run].has(np.array(each, np.uint64)).sum()) for run, each in found.items() if run in acknowledged)


def _lengths(store: StoreView) -> dict[str, int]:
    """Return checkpoint → length of its windows in seconds, or nothing where all have the same."""
    found = {epoch.checkpoint: epoch.rule.window_seconds for epoch in store.epochs}
    return found if len(set(found.values())) > 1 else {}


def _differences(
    in_log: Mapping[Counted, int], other: Mapping[Counted, int], witness: str, lengths: Mapping[str, int]
) -> list[Difference]:
    """Return what differs by (who counted, window, hashtag); ``lengths`` are those that are named."""
    return [
        Difference(window, hashtag, logged, others, witness, lengths.get(who))
        for (who, window, hashtag), logged, others in _differing(in_log, other)
    ]


def _differing(in_log: Mapping[Key, int], other: Mapping[Key, int]) -> list[tuple[Key, int, int]]:
    """Return each key whose numbers differ, with both of them, in order. Only those are kept: there may be millions of others."""
    found = [(key, number, other.get(key, 0)) for key, number in in_log.items() if number != other.get(key, 0)]
    found += [(key, 0, number) for key, number in other.items() if number and key not in in_log]
    return sorted(found)


def _ledger_differences(ledger: Ledger, part: LogRange, log: Recount) -> list[Difference]:
    """Compare the ledger's counts by append minute with the log's, for the runs that don't go beyond the range.

    A late or future tweet is compared like any other. An id of ours on a record that is no tweet at all is a difference: it was
    sent and acknowledged as one. Where records lie before the range, minutes are compared of which it has every record; behind a
    seal those that it has left open.
    """
    horizon = max(log.horizon(ledger.begun_before(part.beginning())) + part.skew, log.carried.closing)
    cut = {row.run for row in ledger.intervals if row.end_offset > part.ends.get(row.partition, row.end_offset)}
    found: Counter[tuple[int, str]] = Counter()
    for (run, minute, hashtag), tweets in log.minutes.items():
        if run not in cut and minute >= horizon:
            found[minute, hashtag] += tweets
    expected = ledger.expected_minutes(found, cut, horizon)
    return [
        Difference(minute, hashtag, logged, booked, "ledger", None)
        for (minute, hashtag), logged, booked in _differing(found, expected)
    ]
