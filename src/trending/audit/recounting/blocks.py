"""A log cut into blocks, which several processes count: what each of them finds, and how it is put together.

Whatever depends on what came before is left to the one who puts them together: ids that come again, the order of one sender,
which records are read a second time. So the whole is what one process would find, record by record.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trending.audit.recounting.recount import Recount
from trending.audit.recounting.second_reading import SecondReader
from trending.tweets.rule import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from trending.audit.recounting.second_reading import Disagreement
    from trending.audit.recounting.sequences import SequenceRanges
    from trending.kafka.connection import KafkaConnection
    from trending.producer.sources.booked import Booked
    from trending.serving.epochs import Epoch


@dataclass(frozen=True, slots=True)
class Block:
    """Offsets of one partition, from ``start`` to ``stop`` (exclusive)."""

    partition: int
    start: int
    stop: int


def cut(start: Mapping[int, int], end: Mapping[int, int], most: int) -> list[Block]:
    """Return blocks of at most so many offsets that cover each partition from ``start`` to ``end``, a partition's in order."""
    return [
        Block(partition, begin, min(begin + most, stop))
        for partition, stop in sorted(end.items())
        for begin in range(start.get(partition, 0), stop, most)
    ]


@dataclass(frozen=True)
class Job:
    """What a process is to count: blocks of a topic, by these epochs, with the run → sequences that were acknowledged."""

    connection: KafkaConnection
    topic: str
    epochs: Sequence[Epoch]
    acknowledged: Mapping[str, SequenceRanges]
    blocks: Sequence[Block]
    plays: Mapping[str, Booked] = field(default_factory=dict)
    """Run → the scenario that it plays."""


class _Candidates(SecondReader):
    """Reads again what the whole's sample may hold; plain tweets on which both readings agree are only a number."""

    def __init__(self) -> None:
        super().__init__()
        self.others: list[tuple[Kind, str, bool, Disagreement | None]] = []

    def note(self, kind: Kind, label: str, *, by_offset: bool, disagreement: Disagreement | None) -> None:
        """Keep a record that was read again; of its kind, more than the whole may want are not."""
        if kind is Kind.TWEET and disagreement is None:
            self.records += 1
            return
        self.odd[kind, label] += 1
        self.others.append((kind, label, by_offset, disagreement))


@dataclass
class BlockCount(Recount):
    """What one block holds. ``noted`` are its ids by run and partition, in the order of their offsets."""

    noted: list[tuple[str, int, NDArray[np.uint64]]] = field(default_factory=list)
    second: _Candidates = field(default_factory=_Candidates)

    def note_ids(self, run: str, partition: int, sequences: NDArray[np.uint64]) -> None:
        """Keep the ids for the one who knows those of the blocks before."""
        self.noted.append((run, partition, sequences))


def join(whole: Recount, block: BlockCount) -> None:
    """Add the next block of its partition to what is counted."""
    for run, partition, sequences in block.noted:
        whole.note_ids(run, partition, sequences)
    whole.tweets.update(block.tweets)
    whole.minutes.update(block.minutes)
    whole.unproven.update(block.unproven)
    whole.untagged.update(block.untagged)
    whole.truth.join(block.truth)
    for key, offsets in block.rejects.items():
        whole.rejects[key].extend(offsets)
    whole.without_id += block.without_id
    whole.foreign += block.foreign
    whole.in_flight += block.in_flight
    whole.uncounted += block.uncounted
    whole.oldest = min(whole.oldest, block.oldest)
    whole.first, whole.last = min(whole.first, block.first), max(whole.last, block.last)
    for partition, append_time in block.first_appends.items():
        whole.first_appends.setdefault(partition, append_time)
    whole.second.records += block.second.records
    for kind, label, by_offset, disagreement in block.second.others:
        if whole.second.wants(kind, label, by_offset=by_offset):
            whole.second.note(kind, label, by_offset=by_offset, disagreement=disagreement)
