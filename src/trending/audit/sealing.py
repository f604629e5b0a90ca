"""Making a seal of what was found, and going on from one.

Whatever behind a seal reaches back over its ends makes it unfit: a tweet for a closed window, an acknowledgement for some of the
records that had none, a letter about an older record. Then the log is read from its beginning. So a seal saves work, and decides
nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from trending.audit.audit_report import Change
from trending.audit.recounting.recount import Carried, Recount
from trending.audit.recounting.second_reading import SecondReader
from trending.audit.recounting.sequences import SequenceRanges, SequenceSet
from trending.audit.seal import FORM, Ranges, Seal, SealedEpoch, SealedLetters, Unfit, read_seal, sequence_ranges, told_of
from trending.serving.epochs import last_batch
from trending.serving.pruning import Summarised
from trending.serving.seals import StoredSeal, closed_window
from trending.settings import WindowTime
from trending.stream.letters import Letters, Summary
from trending.tweets.rule import Kind, minute_of, window_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from trending.audit.evidence import Evidence
    from trending.audit.seal import Counts
    from trending.kafka.log_reader import Record
    from trending.producer.ledger import Ledger
    from trending.serving.epochs import Epoch
    from trending.serving.seals import ClosedWindow, Place
    from trending.serving.store import StoreView

OPEN_SECONDS = 240
"""A window stays open until so long after its end: late tweets, partitions that are read at different speed, clocks apart."""
MOST_OPEN = 200_000
"""Counts of open windows that are worth keeping in a seal: some 15 MB. With more the next audit reads everything."""


@dataclass(frozen=True)
class Kept:
    """A seal as the store keeps it: what it says, and the windows it has closed."""

    seal: Seal
    windows: Mapping[Place, ClosedWindow]

    @classmethod
    def of(cls, stored: StoredSeal) -> Kept:
        """Return a stored seal; raises Unfit where it cannot be read."""
        return cls(read_seal(stored), stored.windows)

    def stored(self) -> StoredSeal:
        """Return the seal as it is to be stored."""
        return StoredSeal(self.seal.topic_id, FORM, self.seal.made_at, self.seal.document(), self.windows)

    def changed(self, view: StoreView, *, has_expired: bool) -> tuple[Change, ...]:
        """Return what the store holds otherwise than when it was sealed: windows, their sums, rejects.

        Of windows that were summarised since only the sums can be compared. There are none unless the log ``has_expired``.
        """
        names = self.seal.closed_by()
        now = {place: closed for place, closed in view.closed.items() if place[0] in names}
        there = self.windows_from(view.summarised)
        places = sorted(place for place in now.keys() | there.keys() if now.get(place) != there.get(place))
        sums = []
        for name in sorted(names):
            sealed, found = self.seal.summarised.get(name, Summarised()), view.summarised.get(name, Summarised())
            expected = self._sums(name, found.before) if has_expired else sealed
            if found != expected:
                sums.append(Change(name, found.before, "summarised"))
        rejects = sorted(checkpoint for checkpoint, digest in self.seal.booked.items() if view.booked.get(checkpoint) != digest)
        return (*(Change(*place) for place in places), *sums, *(Change(name, None, "rejects") for name in rejects))

    def windows_from(self, summarised: Mapping[str, Summarised]) -> dict[Place, ClosedWindow]:
        """Return the closed windows of which the store has not only the sum."""
        befores = {name: each.before for name, each in summarised.items()}
        return {place: closed for place, closed in self.windows.items() if place[1] >= befores.get(place[0], place[1])}

    def _sums(self, name: str, before: int) -> Summarised:
        """Return what the store must have as a sum, of windows that begin before ``before``."""
        gone = [closed for (checkpoint, window), closed in self.windows.items() if checkpoint == name and window < before]
        tweets = sum(number for checkpoint, window, _tag, number in self.seal.tweets if checkpoint == name and window < before)
        untagged = sum(number for checkpoint, window, number in self.seal.untagged if checkpoint == name and window < before)
        sealed = self.seal.summarised.get(name, Summarised())
        return Summarised(
            before,
            sealed.tweets + tweets + sum(each.tweets for each in gone),
            sealed.untagged + untagged + sum(each.untagged for each in gone),
        )


class _Open(NamedTuple):
    """The first append minute that is open, checkpoint → start of its first open window, and the counts of those windows."""

    closing: int
    closings: dict[str, int]
    tweets: dict[tuple[str, int, str], int]


@dataclass(frozen=True)
class Agreement:
    """The evidence, and the log recounted up to where the store has counted: of this a seal is made, if all of it agrees.

    ``acknowledged`` are run → sequences that the ledger has for the range.
    """

    evidence: Evidence
    recounted: Recount
    acknowledged: Mapping[str, SequenceRanges]

    def too_many_open(self) -> int:
        """Return how many counts are in open windows where those are too many, else 0; as of when ``seal`` was called."""
        number = len(self._open.tweets)
        return number if number > MOST_OPEN else 0

    def over_closing(self) -> int:
        """Return how many tweets lie in one of two minutes, and the last closed one is between those; as of the same moment."""
        return self.evidence.ledger.over(self._open.closing).total()

    def seal(self) -> Kept | None:
        """Return the seal, or None where too much is still open. Call it before the recount goes on to what is in flight.

        By original times every window is open for good.
        """
        if any(epoch.rule.window_time is WindowTime.ORIGINAL for epoch in self.evidence.epochs):
            return None
        evidence, log, carried = self.evidence, self.recounted, self.recounted.carried
        starts = dict(evidence.range().starts)
        closing, closings, tweets = self._open
        if self.too_many_open() or self.over_closing():
            return None
        windows = self._closed(closings)
        rejected = Counter(carried.rejected)
        for (_checkpoint, _partition, reason), offsets in log.rejects.items():
            rejected[reason] += len(offsets)
        ids = {run: found.ranges() for run, found in log.ids.items()}
        unproven = {run: found.without(self.acknowledged.get(run, SequenceRanges(()))) for run, found in ids.items()}
        proven = {run: found.without(unproven[run]) for run, found in ids.items()}
        told = told_of(evidence.ledger, proven, starts)
        ends = evidence.epochs[-1].counted_to()
        seal = Seal(
            topic=evidence.topic,
            topic_id=evidence.epochs[-1].topic_id,
            made_at=evidence.seen_at,
            starts=starts,
            ends=ends,
            epochs=tuple(_sealed(epoch) for epoch in evidence.epochs),
            closing=closing,
            tweets=_rows(tweets),
            untagged=tuple((*key, number) for key, number in log.untagged.items() if key[1] >= closings[key[0]]),
            minutes=_rows({key: number for key, number in log.minutes.items() if key[1] >= closing}),
            minutes_before=dict(+evidence.ledger.tweets_before(closing)),
            ids={run: _ranges(found) for run, found in ids.items()},
            unproven={run: _ranges(found) for run, found in unproven.items() if found},
            unproven_minutes=_rows(log.unproven),
            latest=tuple((*place, sequence) for place, sequence in log.latest.items()),
            acknowledged_before={run: told[run] - len(found) for run, found in proven.items() if told[run] != len(found)},
            first_appends=dict(log.first_appends),
            closed_untagged=carried.untagged + sum(each.untagged for each in windows.values()),
            without_id=log.without_id,
            foreign=log.foreign,
            rejected=dict(rejected),
            read_again=log.second.records,
            odd=tuple((str(kind), str(label), number) for (kind, label), number in log.second.odd.items()),
            booked={checkpoint: digest for checkpoint, digest in evidence.view.booked_now.items() if checkpoint in closings},
            summarised={checkpoint: each for checkpoint, each in evidence.view.summarised.items() if checkpoint in closings},
            letters=SealedLetters(
                evidence.letters_id,
                dict(evidence.letters_ends),
                tuple(sorted(place for place in evidence.letters.places if place[1] >= ends.get(place[0], 0))),
                tuple(
                    (each.partition, each.reason, each.first, each.last, each.records)
                    for each in sorted(evidence.letters.summaries)
                    if each.last >= ends.get(each.partition, 0)
                ),
            ),
        )
        return Kept(seal, {**(evidence.kept.windows_from(evidence.view.summarised) if evidence.kept else {}), **windows})

    @cached_property
    def _open(self) -> _Open:
        """What is still open; it is looked for once, since the recount goes on afterwards."""
        closing = self._closing()
        closings = {epoch.checkpoint: window_start(closing, epoch.rule.window_seconds) for epoch in self.evidence.epochs}
        tweets = {key: number for key, number in self.recounted.tweets.items() if key[1] >= closings[key[0]] and number}
        return _Open(closing, closings, tweets)

    def _closing(self) -> int:
        """Return the first append minute that stays open; as a rule no tweets of a spread may lie on both sides of its start."""
        carried = max(self.recounted.carried.closing, self.evidence.ledger.counted_from)
        if math.isinf(self.recounted.last):  # nothing was read
            return int(max(carried, 0))
        closing = minute_of(self.recounted.last) - OPEN_SECONDS
        for _run, first, last, _hashtag in sorted(self.evidence.ledger.spread, key=lambda key: key[2], reverse=True):
            if first < closing <= last:
                closing = first
        return int(max(carried, closing))

    def _closed(self, closings: Mapping[str, int]) -> dict[Place, ClosedWindow]:
        """Return the windows before the first open one of each checkpoint, of which the store has shown the rows."""
        view = self.evidence.view
        rows: dict[Place, list[tuple[str, int]]] = {
            place: [] for place in view.untagged.keys() | view.others.keys() if place[1] < closings.get(place[0], place[1])
        }
        for (checkpoint, window, hashtag), tweets in view.counts.items():
            if window < closings.get(checkpoint, window):
                rows.setdefault((checkpoint, window), []).append((hashtag, tweets))
        return {place: closed_window(each, view.untagged.get(place, 0), view.others.get(place)) for place, each in rows.items()}


def go_on(
    seal: Seal, epochs: Sequence[Epoch], acknowledged: Mapping[str, SequenceRanges], ledger: Ledger, view: StoreView
) -> Recount:
    """Return a recount as it was at the seal's ends; ``acknowledged`` are run → sequences as the ledger has them now.

    Windows that the store has summarised since, and minutes of which the ledger's counts have expired, are closed now.
    Raises Unfit where some of a run's records were acknowledged after they had been sealed, and others were not: nobody can tell
    the tweets of the ones from those of the others.
    """
    proven = set()
    for run, ranges in seal.unproven.items():
        open_ids = sequence_ranges(ranges)
        late = open_ids.among(acknowledged[run]) if run in acknowledged else 0
        if late == len(open_ids):
            proven.add(run)
        elif late:
            cause = f"the ledger has {late} of {len(open_ids)} records of run {run} that were not acknowledged when it was made"
            raise Unfit(cause)
    minutes, unproven = _counter(seal.minutes), _counter(seal.unproven_minutes)
    for key in [key for key in unproven if key[0] in proven]:
        minutes[key] += unproven.pop(key)
    befores = {checkpoint: each.before for checkpoint, each in view.summarised.items()}
    tweets = Counter({key: number for key, number in _counter(seal.tweets).items() if key[1] >= befores.get(key[0], key[1])})
    untagged = {(name, window): number for name, window, number in seal.untagged if window >= befores.get(name, window)}
    result = Recount(epochs, tweets=tweets, minutes=minutes, unproven=unproven, first_appends=dict(seal.first_appends))
    result.untagged.update(untagged)
    for run, ranges in seal.ids.items():
        result.ids[run] = SequenceSet(sequence_ranges(ranges))
    result.latest = {(run, part): sequence for run, part, sequence in seal.latest}
    result.without_id, result.foreign = seal.without_id, seal.foreign
    result.second = SecondReader(seal.read_again, {(Kind(kind), label): number for kind, label, number in seal.odd})
    summarised = sum(number for _name, _window, number in seal.untagged) - sum(untagged.values())
    closing = max(seal.closing, ledger.counted_from)
    result.carried = Carried(closing, seal.closed_untagged + summarised, seal.rejected)
    return result


def require_behind(seal: Seal, log: Recount, ledger: Ledger) -> None:
    """Raise Unfit where what was read behind the seal, or what the ledger has, reaches back into what the seal has closed."""
    closings = seal.closed_by()
    windows = {key[:2] for key in log.tweets} | log.untagged.keys()
    if any(window < closings.get(checkpoint, window) for checkpoint, window in windows):
        cause = "records behind it belong to windows that it has closed"
        raise Unfit(cause)
    if any(first < seal.closing <= last for _run, first, last, _hashtag in ledger.spread):
        cause = "the ledger has tweets between two minutes on both sides of its last closed one"
        raise Unfit(cause)
    expected = Counter(seal.minutes_before)
    closing = log.carried.closing
    for (run, minute, _hashtag), tweets in log.minutes.items():
        expected[run] += tweets if minute < closing else 0
    found, over = ledger.tweets_before(closing), ledger.over(closing)
    different = [run for run in expected.keys() | found.keys() if not found[run] <= expected[run] <= found[run] + over[run]]
    if different:
        cause = f"the ledger's counts of run {min(different)} before it have changed"
        raise Unfit(cause)


def letters_behind(
    seal: Seal,
    topic_id: str,
    there: Mapping[int, tuple[int, int]],
    read: Callable[[dict[int, int], dict[int, int]], Iterable[Record]],
) -> Letters:
    """Return the letters behind a seal with those it has kept; ``there`` is partition → first offset and end of their topic.

    Raises Unfit where that topic is another one, or ends before the seal.
    """
    ends = {part: end for part, (_first, end) in there.items()}
    if topic_id != seal.letters.topic_id or any(ends.get(part, 0) < end for part, end in seal.letters.ends.items()):
        cause = "the dead letters are in another topic, or fewer"
        raise Unfit(cause)
    starts = {part: max(first, seal.letters.ends.get(part, 0)) for part, (first, _end) in there.items()}
    # Retention is only of interest where it has taken letters that were not read.
    letters = Letters(set(seal.letters.places), {Summary(*each) for each in seal.letters.summaries})
    letters.begins = starts[0] if there[0][0] > seal.letters.ends.get(0, 0) else 0
    letters.add(read(starts, ends))
    return letters


def require_letters_behind(seal: Seal, letters: Letters) -> None:
    """Raise Unfit where a letter is about a record that the seal covers."""
    told = {place for place in letters.places if place[1] < seal.ends.get(place[0], 0)}
    if told or any(each.first < seal.ends.get(each.partition, 0) for each in letters.summaries):
        cause = "dead letters behind it are about records before it"
        raise Unfit(cause)


def _sealed(epoch: Epoch) -> SealedEpoch:
    rule = epoch.rule
    return SealedEpoch(
        epoch.checkpoint,
        rule.window_time,
        rule.window_seconds,
        dict(epoch.starts),
        epoch.counted_to(),
        last_batch(epoch),
        rule.spelling,
    )


def _rows(counts: Mapping[tuple[str, int, str], int]) -> Counts:
    return tuple((*key, number) for key, number in counts.items())


def _counter(rows: Counts) -> Counter[tuple[str, int, str]]:
    return Counter({(name, start, hashtag): number for name, start, hashtag, number in rows})


def _ranges(found: SequenceRanges) -> Ranges:
    return tuple(found)
