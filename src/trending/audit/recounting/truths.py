"""What a log has of scenarios, against the truth of their seeds: every record by its number, and its fate by when it arrived.

The record of a number must be the scenario's, byte for byte. Whether one is late is resolved by its append time. The store is
compared with the log by the audit itself, so where both hold, it has what the seed says.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from trending.settings import WindowTime
from trending.simulator.draws import BLOCK
from trending.simulator.mischief import CORRUPTIONS, Fate
from trending.simulator.records import Encoder
from trending.simulator.truth import sorted_out, spelled
from trending.text import printable
from trending.tweets.rule import FUTURE_AFTER, LATE_AFTER, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from trending.audit.recounting.sequences import Sequences, SequenceSet
    from trending.kafka.record_columns import RecordColumns
    from trending.producer.sources.booked import Booked
    from trending.settings import Rule
    from trending.simulator.draws import Integers
    from trending.simulator.records import Block

SHOWN = 5
"""At most so many differences of a run are named, and of a reason so many hashtags."""
_TEXT = 120
_KEPT_BLOCKS = 64
"""Blocks that are kept drawn, some 0.4 MB each: partitions that are read in turn stand apart by a few."""
_FARTHEST = 10**15
"""No producer has sent so many: a number beyond is nobody's."""


@dataclass
class Found:
    """What was read of a run's records: their number by what became of them, and the first differences."""

    as_intended: int = 0
    in_time: int = 0
    late: int = 0
    future: int = 0
    differing: int = 0
    examples: list[str] = field(default_factory=list)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, other: Found) -> None:
        """Add what was found elsewhere in the log."""
        for name in ("as_intended", "in_time", "late", "future", "differing"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.examples += other.examples[: SHOWN - len(self.examples)]
        self.refused.update(other.refused)

    def differs(self, line: str) -> None:
        """Note a difference, and keep the first ones."""
        self.differing += 1
        if len(self.examples) < SHOWN:
            self.examples.append(line)


@dataclass(frozen=True)
class TruthPart:
    """What the audit says of one run of a scenario.

    ``absent`` are numbers below the last ones of all partitions that the log does not have.
    """

    run: str
    seed: int
    scenario: str
    found: Found
    absent: int = 0

    @property
    def holds(self) -> bool:
        """Whether the log is what the seed says."""
        return not (self.found.differing or self.absent)

    def lines(self) -> Iterator[str]:
        """Yield what is said of it: a line, one for each reason why records were refused, and the differences."""
        found = self.found
        future = f", resolved future {found.future}" if found.future else ""
        yield (
            f"truth: as intended {found.as_intended}, resolved in time {found.in_time}, resolved late {found.late}{future}, "
            f"differences {found.differing + self.absent}; scenario {self.scenario}, seed {self.seed}, run {self.run}"
        )
        for reason in sorted({reason for reason, _hashtag in found.refused}):
            hashtags = Counter({hashtag: number for (why, hashtag), number in found.refused.items() if why == reason})
            named = [f"{printable(hashtag)} {number}" for hashtag, number in hashtags.most_common(SHOWN) if hashtag]
            more = ", …" if len(hashtags) > SHOWN else ""
            of = f", of {', '.join(named)}{more}" if named else ""
            yield f"  refused of the scenario, {reason}: {hashtags.total()}{of}"
        yield from (f"  differs from the scenario: {line}" for line in found.examples)
        if found.differing > len(found.examples):
            yield f"  differs from the scenario: and {found.differing - len(found.examples)} more"
        if self.absent:
            yield f"  records of the scenario that are not in the log: {self.absent}"


@dataclass
class Truths:
    """The scenarios that a topic's log was played, and what was found of each: run → its."""

    plays: Mapping[str, Booked] = field(default_factory=dict)
    found: dict[str, Found] = field(default_factory=dict)

    def join(self, other: Truths) -> None:
        """Add what another process has found."""
        for run, found in other.found.items():
            self.found.setdefault(run, Found()).add(found)

    def compare(self, run: str, records: RecordColumns, rows: NDArray[np.int64], sequences: Sequences, rule: Rule) -> None:
        """Compare records of a run, which stand at these rows; those of a run that plays no scenario are passed over."""
        play = self.plays.get(run)
        if play is None:
            return
        found, made = self.found.setdefault(run, Found()), _made(play)
        count = _FARTHEST if made.records.count is None else made.records.count
        there = sequences < np.uint64(count)
        for row in rows[~there].tolist():
            found.differs(f"{_place(records, row)}: the scenario has {count} records")
        numbers, rows = sequences[there].astype(np.int64), rows[there]
        blocks = numbers // BLOCK
        for number in np.unique(blocks).tolist():
            here = blocks == number
            _compare(found, made, play, made.block(number), numbers[here] % BLOCK, _Rows(records, rows[here], rule))

    def parts(self, ids: Mapping[str, SequenceSet], latest: Mapping[tuple[str, int], int]) -> tuple[TruthPart, ...]:
        """Return what is said of each scenario that something was read of.

        ``ids`` are run → sequences that the log has, ``latest`` the last one of a run in a partition. Without them nothing is
        said of absent ones, as where the log has lost its beginning.
        """
        return tuple(
            TruthPart(
                run,
                _made(self.plays[run]).records.scenario.seed,
                self.plays[run].scenario,
                found,
                _absent(self.plays[run], ids, latest),
            )
            for run, found in self.found.items()
        )


class _Made:
    """Makes a scenario's records again."""

    def __init__(self, play: Booked) -> None:
        self.records = play.records()
        self.encoder = Encoder(self.records)
        self.block = lru_cache(_KEPT_BLOCKS)(self.records.block)
        self.lengths = lru_cache(2)(lambda spelling: [*map(len, spelled(self.records.names, spelling))])


@lru_cache(4)
def _made(play: Booked) -> _Made:
    return _Made(play)


@dataclass(frozen=True)
class _Rows:
    """Records of a batch that stand at some rows, and the rule that counts them."""

    records: RecordColumns
    rows: NDArray[np.int64]
    rule: Rule

    def values(self) -> list[bytes | None]:
        return [self.records.values[row] for row in self.rows.tolist()]

    def fates(self, stamps: Integers) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which tweets with these timestamps, in milliseconds, are late, and which are of the future."""
        if self.rule.window_time is not WindowTime.EVENT:
            never = np.zeros(len(stamps), np.bool_)
            return never, never
        appended = np.round(self.records.append_times[self.rows] * 1000).astype(np.int64)
        length = self.rule.window_seconds * 1000
        late = stamps // length * length + length + round(LATE_AFTER * 1000) <= appended
        return late, stamps > appended + round(FUTURE_AFTER * 1000)


def _compare(found: Found, made: _Made, play: Booked, block: Block, places: Integers, there: _Rows) -> None:
    """Compare records of one block, at these places, with those of the log."""
    begins = play.begins(block.first + places)
    values, logged = made.encoder.values_at(block, places, begins), there.values()
    same = np.fromiter((one == other for one, other in zip(values, logged, strict=True)), np.bool_, len(values))
    for place in np.flatnonzero(~same).tolist():
        number = block.first + int(places[place])
        row = int(there.rows[place])
        told = f"log {_shown(logged[place])}, truth {_shown(values[place])}"
        found.differs(f"record {number}, {_place(there.records, row)}: {told}")
    parts = sorted_out(block, places, made.lengths(there.rule.spelling))
    tagged, fates = parts.tagged & same, block.fates[places]
    late, future = (tagged & each for each in there.fates(begins + block.stamps[places]))
    open_ones = tagged & (fates == Fate.BORDERLINE)
    meant_late, meant_future = tagged & (fates == Fate.LATE), tagged & (fates == Fate.FUTURE)
    intended = same & ~open_ones & (late == meant_late) & (future == meant_future)
    found.as_intended += int(np.count_nonzero(intended))
    found.late += int(np.count_nonzero(late & ~intended))
    found.future += int(np.count_nonzero(future & ~intended))
    found.in_time += int(np.count_nonzero(same & ~late & ~future & ~intended))
    hashtags = block.hashtags[places]
    names = made.records.names
    for reason, chosen in ((Reason.LATE, late), (Reason.FUTURE, future), (Reason.LONG_HASHTAG, parts.too_long & same)):
        for hashtag, number in Counter(hashtags[chosen].tolist()).items():
            found.refused[reason, names[hashtag][:_TEXT]] += number
    for corruption, number in Counter(block.corruptions[places][parts.corrupt & same].tolist()).items():
        found.refused[CORRUPTIONS[corruption].reason, ""] += number


def _absent(play: Booked, ids: Mapping[str, SequenceSet], latest: Mapping[tuple[str, int], int]) -> int:
    """Return how many numbers are not there below the last one of each partition, where all of them have one."""
    lasts = [latest.get((play.run, partition)) for partition in range(play.partitions)]
    bound = min((each for each in lasts if each is not None), default=0) if None not in lasts else 0
    return bound - ids[play.run].count(0, bound) if bound else 0


def _place(records: RecordColumns, row: int) -> str:
    return f"partition {records.partition}, offset {records.offsets[row].item()}"


def _shown(value: bytes | None) -> str:
    """Return a value in a few characters."""
    if value is None:
        return "nothing"
    text = printable(value.decode(errors="replace"))
    return text if len(text) <= _TEXT else f"{text[:_TEXT]}…"
