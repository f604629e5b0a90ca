"""A seal: what a clean audit found up to some offsets, so that the next one goes on from there.

It holds what a recount holds at those offsets, only smaller: ids as ranges, closed windows as sums. A digest of the store's rows
of each closed window lies beside it.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from trending.audit.recounting.sequences import SequenceRanges, by_run
from trending.producer.known import Known, KnownRun
from trending.serving.pruning import Summarised  # noqa: TC001 - read at run time by pydantic
from trending.settings import Rule, Spelling, WindowTime
from trending.tweets.rule import window_start

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator, Mapping

    from trending.producer.ledger import Ledger
    from trending.serving.epochs import Epoch
    from trending.serving.seals import StoredSeal

FORM = 2
"""Number of the document's form: raise it with every change of a field here, or of what a recount counts."""
Ranges = tuple[tuple[int, int], ...]
"""Start and stop (exclusive) of each."""
Counts = tuple[tuple[str, int, str, int], ...]
"""Checkpoint or run, window or minute, hashtag, tweets."""


class Unfit(Exception):
    """A seal can't be gone on from; its text says why. ``of_topic`` adds whose seal it is."""

    topic_id = ""


@contextmanager
def of_topic(topic_id: str) -> Iterator[None]:
    """Within, an Unfit is about the seal of this topic."""
    try:
        yield
    except Unfit as unfit:
        unfit.topic_id = topic_id
        raise


@dataclass(frozen=True, slots=True)
class SealedEpoch:
    """What a seal covers of an epoch, up to its last batch: ``starts`` and ``ends`` are partition → offset."""

    checkpoint: str
    window_time: WindowTime
    window_seconds: int
    starts: dict[int, int]
    ends: dict[int, int]
    last_batch: int
    spelling: Spelling = Spelling.EXACT

    def is_of(self, epoch: Epoch) -> bool:
        """Whether the store's epoch is this one, and has gone on from here or stands here still."""
        rule = Rule(self.window_time, self.window_seconds, self.spelling)
        same = (epoch.checkpoint, epoch.rule, dict(epoch.starts)) == (self.checkpoint, rule, self.starts)
        counted = epoch.counted_to()
        return same and all(counted.get(part, 0) >= end for part, end in self.ends.items())


@dataclass(frozen=True, slots=True)
class SealedLetters:
    """How far the dead letters were read, and those about records behind the seal: the job writes them first."""

    topic_id: str
    ends: dict[int, int]
    places: tuple[tuple[int, int], ...]
    summaries: tuple[tuple[int, str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Seal:
    """What was found of a topic from ``starts`` to ``ends`` (partition → offset), and nothing was wrong.

    ``closing`` is the start of the first append minute that is still open, and so are windows that end later: ``tweets``,
    ``untagged`` and ``minutes`` are of those. ``closed_untagged`` is the sum over the other windows, ``minutes_before`` run →
    what the ledger has counted in the other minutes. ``ids`` are those of the log, ``unproven`` those of them that were not
    acknowledged, and ``unproven_minutes`` their tweets. ``acknowledged_before`` is run → records before ``starts``, and
    ``first_appends`` partition → time of the first record that was read. ``latest`` is each sender's last sequence in a
    partition. ``booked`` is checkpoint → digest of its rejects in the store, ``summarised`` what that has kept as sums only.
    """

    topic: str
    topic_id: str
    made_at: float
    starts: dict[int, int]
    ends: dict[int, int]
    epochs: tuple[SealedEpoch, ...]
    closing: int
    tweets: Counts
    untagged: tuple[tuple[str, int, int], ...]
    minutes: Counts
    minutes_before: dict[str, int]
    ids: dict[str, Ranges]
    unproven: dict[str, Ranges]
    unproven_minutes: Counts
    latest: tuple[tuple[str, int, int], ...]
    acknowledged_before: dict[str, int]
    first_appends: dict[int, float]
    closed_untagged: int
    without_id: int
    foreign: int
    rejected: dict[str, int]
    read_again: int
    odd: tuple[tuple[str, str, int], ...]
    booked: dict[str, str]
    summarised: dict[str, Summarised]
    letters: SealedLetters

    @property
    def records(self) -> int:
        """How many offsets it covers."""
        return sum(end - self.starts.get(part, 0) for part, end in self.ends.items())

    def closed_by(self) -> dict[str, int]:
        """Return checkpoint → start of the first window that is still open."""
        return {epoch.checkpoint: window_start(self.closing, epoch.window_seconds) for epoch in self.epochs}

    def batches(self) -> dict[str, int]:
        """Return checkpoint → last batch that it covers."""
        return {epoch.checkpoint: epoch.last_batch for epoch in self.epochs}

    def known(self) -> Known:
        """Return what the ledger need not tell again."""
        runs = {}
        for run, ids in self.ids.items():
            unproven = sequence_ranges(self.unproven.get(run, ()))
            proven = tuple(range(start, stop) for start, stop in sequence_ranges(ids).without(unproven))
            runs[run] = KnownRun(proven, min((start for start, _stop in unproven), default=None))
        return Known(self.starts, self.ends, self.closing, runs)

    def require_ledger(self, ledger: Ledger) -> None:
        """Raise Unfit unless the ledger holds what was acknowledged when the seal was made, or has the number of it.

        Also where records that were acknowledged later have been summarised.
        """
        proven = {run: SequenceRanges(known.acknowledged) for run, known in ledger.known.items()}
        told = told_of(ledger, proven, self.starts)
        for run, sequences in proven.items():
            more = told[run] - len(sequences) - self.acknowledged_before.get(run, 0)
            if 0 < more <= len(sequence_ranges(self.unproven.get(run, ()))):
                # Pruned since, they are but a number: nobody can tell which of them it stands for.
                cause = f"the ledger has summarised {more} records of run {run} that were not acknowledged when it was made"
                raise Unfit(cause)
            if more:
                cause = f"the ledger's acknowledgements of run {run} before it have changed"
                raise Unfit(cause)

    def document(self) -> str:
        """Return the seal as it is stored."""
        return _ADAPTER.dump_json(self).decode()

    def covers(self, acknowledged: Mapping[str, SequenceRanges]) -> int:
        """Return how many of these ids it has found in the log."""
        return sum(ids.among(sequence_ranges(self.ids[run])) for run, ids in acknowledged.items() if run in self.ids)

    def require_epochs(self, epochs: Iterable[Epoch]) -> None:
        """Raise Unfit unless these epochs of its topic begin with those that it was made of."""
        found = list(epochs)
        if len(found) < len(self.epochs):
            cause = "the store has fewer epochs of the topic"
            raise Unfit(cause)
        for number, (sealed, epoch) in enumerate(zip(self.epochs, found, strict=False), 1):
            closed_elsewhere = number < len(self.epochs) and any(
                sealed.ends.get(part) != end for part, end in epoch.counted_to().items()
            )
            if closed_elsewhere or not sealed.is_of(epoch):
                cause = f"epoch {sealed.checkpoint} is another one, or was closed elsewhere"
                raise Unfit(cause)

    def require_log(self, log: Mapping[int, tuple[int, int]]) -> None:
        """Raise Unfit unless the log (partition → first offset, end) reaches from the seal's ends on."""
        for part, end in self.ends.items():
            if part not in log or log[part][1] < end:
                cause = f"partition {part} ends before offset {end}"
                raise Unfit(cause)
            if log[part][0] > end:
                cause = f"retention has taken records of partition {part} from offset {end} on"
                raise Unfit(cause)


def told_of(ledger: Ledger, proven: Mapping[str, SequenceRanges], starts: Mapping[int, int]) -> Counter[str]:
    """Return run → how many of its acknowledged records are ``proven`` or lie before ``starts``, by rows or by their number.

    Whatever the log has lost before a seal's end is either. So it stays as it is when the ledger is pruned.
    """
    read = by_run((each.run, range(each.first_sequence, each.last_sequence + 1)) for each in ledger.intervals)
    found = ledger.acknowledged_before(starts)
    found.update(ledger.left_out)
    for (run, _partition), records in ledger.expired.items():
        found[run] += records
    for run, sequences in proven.items():
        found[run] += sequences.among(read[run]) if run in read else 0
    return found


def sequence_ranges(ranges: Ranges) -> SequenceRanges:
    """Return stored ranges as a set."""
    return SequenceRanges(range(start, stop) for start, stop in ranges)


_ADAPTER = TypeAdapter(Seal)


def read_seal(stored: StoredSeal) -> Seal:
    """Return the seal as it was made; raises Unfit where this version does not know its form."""
    if stored.form != FORM:
        cause = f"its form {stored.form} is not known here"
        raise Unfit(cause)
    try:
        return _ADAPTER.validate_json(stored.document)
    except ValidationError as error:
        cause = f"it cannot be read: {error.error_count()} fields"
        raise Unfit(cause) from error
