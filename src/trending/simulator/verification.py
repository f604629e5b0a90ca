"""Whether a log is a scenario's: each record with an id of ours against the one that the scenario has under its number.

A record's timestamp tells when its scenario began, and is the only thing in it that the scenario does not decide. So nothing but
the log is needed: no ledger, and no clock. Only what changed a run while it was played must be known from elsewhere.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from trending.simulator.draws import BLOCK
from trending.simulator.records import Encoder, Records
from trending.tweets.record_id import identity_of
from trending.tweets.rule import decode_plain, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from trending.kafka.log_reader import Record
    from trending.simulator.live.changes import Change
    from trending.simulator.records import Block
    from trending.simulator.scenario import Scenario

KEPT_BLOCKS = 16
"""Partitions that are read in turn stand apart by a few blocks."""
OFTEN = 8
"""So many records with the same start make it worth to make a whole block with it: 1 µs a record, not 40."""
TRIED = 16
"""So many starts, the most frequent ones, are tried for a record without a timestamp. A run whose rate was changed unknown to us
seems to have one for each record."""
SHOWN = 5
"""At most so many differences of a run are kept with their place."""


class Differing(NamedTuple):
    """A record that is not the scenario's."""

    number: int
    partition: int
    offset: int


@dataclass
class FoundRun:
    """What a log has of one run. ``begins`` are the starts that its timestamps tell, in milliseconds since the epoch.

    ``same`` records are byte for byte the scenario's; ``differing`` others are not, the first of them in ``examples``.
    """

    run: str
    last: int = -1
    same: int = 0
    differing: int = 0
    repeated: int = 0
    examples: list[Differing] = field(default_factory=list)
    begins: Counter[int] = field(default_factory=Counter)
    _seen: set[int] = field(default_factory=set)

    def note(self, number: int) -> None:
        """Note that a record is there."""
        self.repeated += number in self._seen
        self._seen.add(number)
        self.last = max(self.last, number)

    @property
    def records(self) -> int:
        """How many different records are there."""
        return len(self._seen)

    @property
    def missing(self) -> int:
        """How many records before the last one are not there."""
        return self.last + 1 - len(self._seen)

    def is_whole(self, count: int | None) -> bool:
        """Whether all records are there, each once and as the scenario has it; one without an end has them up to the last."""
        return not (self.missing or self.differing or self.repeated) and (count is None or self.records == count)


class Verification:
    """Compares a log with a scenario, record by record."""

    def __init__(self, scenario: Scenario, changes: Mapping[str, Sequence[Change]] | None = None) -> None:
        """Compare with a scenario; ``changes`` are run → what changed it while it was played."""
        self.runs: dict[str, FoundRun] = {}
        self.others = 0
        self._scenario = scenario
        self._changes = changes or {}
        self._plain = _Player(Records(scenario))
        self._players: dict[str, _Player] = {}

    def count(self, run: str) -> int | None:
        """Return how many records a run of the scenario has; None where it never ends."""
        return self._player(run).records.count

    def read(self, log: Iterable[Record]) -> None:
        """Compare a whole log; records without an id of ours are ``others``."""
        waiting: list[tuple[FoundRun, int, Record]] = []
        for record in log:
            identity = identity_of(record.key, record.headers)
            if identity is None:
                self.others += 1
                continue
            run, number = identity
            found = self.runs.setdefault(run, FoundRun(run))
            found.note(number)
            began = self._player(run).begin(record, number)
            if began is not None:
                self._compare(found, number, record, (began,))
            else:
                # A corrupt record may have no timestamp: the others of its run tell when that began.
                waiting.append((found, number, record))
        for found, number, record in waiting:
            self._compare(found, number, record, [begin for begin, _often in found.begins.most_common(TRIED)])

    def _compare(self, found: FoundRun, number: int, record: Record, begins: Iterable[int]) -> None:
        player = self._player(found.run)
        beyond = player.records.count is not None and number >= player.records.count
        for begin in () if beyond else begins:
            if player.value(number, begin, often=found.begins[begin] >= OFTEN) == record.value:
                found.same += 1
                found.begins[begin] += 1
                return
        found.differing += 1
        if len(found.examples) < SHOWN:
            found.examples.append(Differing(number, record.partition, record.offset))

    def _player(self, run: str) -> _Player:
        if not self._changes.get(run):
            return self._plain
        if run not in self._players:
            self._players[run] = _Player(Records(self._scenario, self._changes[run]))
        return self._players[run]


class _Player:
    """Makes the records of a run again."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self._encoder = Encoder(records)
        self._blocks: dict[int, Block] = {}
        self._made: dict[tuple[int, int], list[bytes | None]] = {}

    def value(self, number: int, begin: int, *, often: bool) -> bytes | None:
        """Return the scenario's record; of a start that comes ``often``, a whole block is made at once: 1 µs each, not 40."""
        block, place = self._block(number // BLOCK), number % BLOCK
        if not often:
            return self._encoder.values(block, place, place + 1, np.array([begin]))[0]
        made = self._made.get((block.number, begin))
        if made is None:
            if len(self._made) >= KEPT_BLOCKS:
                self._made.pop(next(iter(self._made)))
            made = self._made[block.number, begin] = self._encoder.values(block, 0, BLOCK, np.full(BLOCK, begin))
        return made[place]

    def begin(self, record: Record, number: int) -> int | None:
        """Return the start that a record's timestamp tells, in milliseconds since the epoch; None where it has none."""
        if record.value is None or unreadable(record.value):
            return None
        try:
            timestamp = decode_plain(record.value).timestamp
        except msgspec.DecodeError:
            return None
        return round(timestamp * 1000) - int(self._block(number // BLOCK).stamps[number % BLOCK])

    def _block(self, number: int) -> Block:
        block = self._blocks.get(number)
        if block is None:
            if len(self._blocks) >= KEPT_BLOCKS:
                self._blocks.pop(next(iter(self._blocks)))
            block = self._blocks[number] = self.records.block(number)
        return block
