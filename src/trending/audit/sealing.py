"""Making a seal of what was found, and going on from one.

Whatever behind a seal reaches back over its ends makes it unfit: a tweet for a closed window, an acknowledgement for some of the
records that had none, a letter about an older record. Then the log is read from its beginning. So a seal saves work, and decides
nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trending.audit.recount import Carried, Recount
from trending.audit.seal import FORM, Ranges, Seal, SealedEpoch, SealedLetters, Unfit, read_seal, sequence_ranges
from trending.audit.second_reading import SecondReader
from trending.audit.sequences import SequenceRanges, SequenceSet
from trending.serving.epochs import last_batch
from trending.serving.seals import StoredSeal, closed_window
from trending.settings import WINDOW_SECONDS
from trending.stream.letters import Letters, Summary
from trending.tweets.rule import Kind, window_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from trending.audit.seal import Counts
    from trending.kafka.log_reader import Record
    from trending.producer.ledger import Ledger
    from trending.serving.epochs import Epoch
    from trending.serving.seals import ClosedWindow, Place
    from trending.serving.store import StoreView

OPEN_SECONDS = 2 * WINDOW_SECONDS + 120
"""Windows stay open so long behind the newest append: late tweets, partitions that are read at different speed, clocks apart."""
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

    def changed(self, view: StoreView) -> tuple[Place | str, ...]:
        """Return what the store holds otherwise than when it was sealed: windows, and checkpoints whose rejects differ."""
        names = self.seal.closed_by()
        now = {place: closed for place, closed in view.closed.items() if place[0] in names}
        places = sorted(place for place in now.keys() | self.windows.keys() if now.get(place) != self.windows.get(place))
        rejects = (checkpoint for checkpoint, digest in self.seal.booked.items() if view.booked.get(checkpoint) != digest)
        return (*places, *sorted(rejects))


@dataclass(frozen=True)
class Finding:
    """What was found up to where the store has counted, in full agreement: of this a seal is made."""

    topic: str
    epochs: Sequence[Epoch]
    starts: Mapping[int, int]
    recounted: Recount
    ledger: Ledger
    acknowledged: Mapping[str, SequenceRanges]
    view: StoreView
    letters: Letters
    letters_id: str
    letters_ends: Mapping[int, int]

    def seal(self, made_at: float, before: Kept | None) -> Kept | None:
        """Return the seal, or None where too much is still open. Call it before the recount goes on to what is in flight."""
        log, carried = self.recounted, self.recounted.carried
        closing = self._closing()
        names = {epoch.checkpoint for epoch in self.epochs}
        tweets = {key: number for key, number in log.tweets.items() if key[1] >= closing and number}
        if len(tweets) > MOST_OPEN:
            return None
        windows = self._closed(names, closing)
        rejected = Counter(carried.rejected)
        for (_checkpoint, _partition, reason), offsets in log.rejects.items():
            rejected[reason] += len(offsets)
        before_closing = Counter(dict(before.seal.minutes_before) if before else {})
        for (run, minute, _hashtag), number in log.minutes.items():
            if minute < closing:
                before_closing[run] += number
        ids = {run: found.ranges() for run, found in log.ids.items()}
        unproven = {run: found.without(self.acknowledged.get(run, SequenceRanges(()))) for run, found in ids.items()}
        ends = self.epochs[-1].counted_to()
        seal = Seal(
            topic=self.topic,
            topic_id=self.epochs[-1].topic_id,
            made_at=made_at,
            starts=dict(self.starts),
            ends=ends,
            epochs=tuple(_sealed(epoch) for epoch in self.epochs),
            closing=closing,
            tweets=_rows(tweets),
            untagged=tuple((*key, number) for key, number in log.untagged.items() if key[1] >= closing),
            minutes=_rows({key: number for key, number in log.minutes.items() if key[1] >= closing}),
            minutes_before=dict(before_closing),
            ids={run: _ranges(found) for run, found in ids.items()},
            unproven={run: _ranges(found) for run, found in unproven.items() if found},
            unproven_minutes=_rows(log.unproven),
            latest=tuple((*place, sequence) for place, sequence in log.latest.items()),
            closed_tweets=carried.tweets + sum(each.tweets for each in windows.values()),
            closed_untagged=carried.untagged + sum(each.untagged for each in windows.values()),
            without_id=log.without_id,
            foreign=log.foreign,
            rejected=dict(rejected),
            read_again=log.second.records,
            odd=tuple((str(kind), str(label), number) for (kind, label), number in log.second.odd.items()),
            booked={checkpoint: digest for checkpoint, digest in self.view.booked_now.items() if checkpoint in names},
            letters=SealedLetters(
                self.letters_id,
                dict(self.letters_ends),
                tuple(sorted(place for place in self.letters.places if place[1] >= ends.get(place[0], 0))),
                tuple(
                    (each.partition, each.reason, each.first, each.last, each.records)
                    for each in sorted(self.letters.summaries)
                    if each.last >= ends.get(each.partition, 0)
                ),
            ),
        )
        return Kept(seal, {**(before.windows if before else {}), **windows})

    def _closing(self) -> int:
        """Return the start of the first window that stays open; no tweets of the ledger's lie between minutes on both sides."""
        carried = self.recounted.carried.closing
        if math.isinf(self.recounted.last):  # nothing was read
            return int(max(carried, 0))
        closing = window_start(self.recounted.last) - OPEN_SECONDS
        for _run, first, last, _hashtag in sorted(self.ledger.spread, key=lambda key: key[2], reverse=True):
            if first < closing <= last:
                closing = first
        return int(max(carried, closing))

    def _closed(self, names: set[str], closing: int) -> dict[Place, ClosedWindow]:
        """Return the windows before ``closing`` of which the store has shown the rows."""
        rows: dict[Place, list[tuple[str, int]]] = {
            place: [] for place in self.view.untagged if place[0] in names and place[1] < closing
        }
        for (checkpoint, window, hashtag), tweets in self.view.counts.items():
            if checkpoint in names and window < closing:
                rows.setdefault((checkpoint, window), []).append((hashtag, tweets))
        return {place: closed_window(each, self.view.untagged.get(place, 0)) for place, each in rows.items()}


def go_on(seal: Seal, epochs: Sequence[Epoch], acknowledged: Mapping[str, SequenceRanges]) -> Recount:
    """Return a recount as it was at the seal's ends; ``acknowledged`` are run → sequences as the ledger has them now.

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
    result = Recount(epochs, tweets=_counter(seal.tweets), minutes=minutes, unproven=unproven)
    result.untagged.update({(checkpoint, window): number for checkpoint, window, number in seal.untagged})
    for run, ranges in seal.ids.items():
        result.ids[run] = SequenceSet(sequence_ranges(ranges))
    result.latest = {(run, part): sequence for run, part, sequence in seal.latest}
    result.without_id, result.foreign = seal.without_id, seal.foreign
    result.second = SecondReader(seal.read_again, {(Kind(kind), label): number for kind, label, number in seal.odd})
    result.carried = Carried(seal.closing, seal.closed_tweets, seal.closed_untagged, seal.rejected)
    return result


def require_behind(seal: Seal, log: Recount, ledger: Ledger, cut: set[str]) -> None:
    """Raise Unfit where what was read behind the seal, or what the ledger has, reaches back into what the seal has closed.

    ``cut`` are the runs of which the ledger's counts are about more than the audited range.
    """
    names = {epoch.checkpoint for epoch in seal.epochs}
    windows = {key[:2] for key in log.tweets} | log.untagged.keys()
    if any(checkpoint in names and window < seal.closing for checkpoint, window in windows):
        cause = "records behind it belong to windows that it has closed"
        raise Unfit(cause)
    if any(first < seal.closing <= last for _run, first, last, _hashtag in ledger.spread):
        cause = "the ledger has tweets between two minutes on both sides of its last closed one"
        raise Unfit(cause)
    expected = Counter(seal.minutes_before)
    found = Counter(ledger.left_out_tweets)
    for (run, minute, _hashtag), tweets in log.minutes.items():
        expected[run] += tweets if minute < seal.closing else 0
    for (run, minute, _hashtag), tweets in ledger.counts.items():
        found[run] += tweets if minute < seal.closing else 0
    for (run, _first, last, _hashtag), tweets in ledger.spread.items():
        found[run] += tweets if last < seal.closing else 0
    different = [run for run in expected.keys() | found.keys() if run not in cut and expected[run] != found[run]]
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
        epoch.checkpoint, rule.window_time, rule.window_seconds, dict(epoch.starts), epoch.counted_to(), last_batch(epoch)
    )


def _rows(counts: Mapping[tuple[str, int, str], int]) -> Counts:
    return tuple((*key, number) for key, number in counts.items())


def _counter(rows: Counts) -> Counter[tuple[str, int, str]]:
    return Counter({(name, start, hashtag): number for name, start, hashtag, number in rows})


def _ranges(found: SequenceRanges) -> Ranges:
    return tuple(found)
