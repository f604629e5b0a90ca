"""Sets of sequences: those that the log has, a bit each, and those that were acknowledged, as ranges.

A set of Python's takes some 160 bytes an id, a bitmap an eighth of one where ids are dense. Ids of one run are. Those that a seal
covers are ranges too, since there is nothing left to add between them but what came late.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    Sequences = NDArray[np.uint64]
    """Nineteen digits, as an id may have, are more than a signed integer holds."""

_SHIFT = np.uint64(10)
_CHUNK = 1 << 10
"""Sequences of one chunk. A chunk takes 128 bytes and its place in a dictionary: ids without any order cost what they did."""
_LOW = np.uint64(_CHUNK - 1)
_NONE = bytes(_CHUNK // 8)


class SequenceRanges:
    """A set of sequences given by ranges, which may overlap and come in any order."""

    def __init__(self, ranges: Iterable[range]) -> None:
        merged: list[list[int]] = []
        for start, stop in sorted((each.start, each.stop) for each in ranges if each):
            if merged and start <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], stop)
            else:
                merged.append([start, stop])
        self._starts = np.array([start for start, _stop in merged], np.uint64)
        self._stops = np.array([stop for _start, stop in merged], np.uint64)
        self._before: list[int] = [0, *np.cumsum(self._stops - self._starts).tolist()]

    def __len__(self) -> int:
        return self._before[-1]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield start and stop (exclusive) of each range; between two of them something is missing."""
        return zip(self._starts.tolist(), self._stops.tolist(), strict=True)

    def has(self, sequences: Sequences) -> NDArray[np.bool_]:
        """Return for each sequence whether it is a member."""
        if not len(self._starts):
            return np.zeros(len(sequences), np.bool_)
        places = np.searchsorted(self._starts, sequences, side="right")
        found: NDArray[np.bool_] = (places > 0) & (sequences < self._stops[np.maximum(places, 1) - 1])
        return found

    def count(self, start: int, stop: int) -> int:
        """Return how many members lie from ``start`` to ``stop`` (exclusive)."""
        return max(0, self._below(stop) - self._below(start))

    def _below(self, bound: int) -> int:
        place = bisect_left(self._starts, bound)
        beyond: int = max(0, self._stops[place - 1].item() - bound) if place else 0
        return self._before[place] - beyond

    def among(self, others: SequenceSet | SequenceRanges, below: int | None = None) -> int:
        """Return how many members, or members below a bound, are in ``others`` too."""
        return sum(others.count(start, stop if below is None else min(stop, below)) for start, stop in self)

    def without(self, others: SequenceRanges) -> SequenceRanges:
        """Return the members that ``others`` does not have."""
        return SequenceRanges(self._left(others))

    def _left(self, others: SequenceRanges) -> Iterator[range]:
        taken = list(others)
        place = 0
        for start, stop in self:
            while place < len(taken) and taken[place][1] <= start:
                place += 1
            following, left = place, start
            while following < len(taken) and taken[following][0] < stop:
                yield range(left, taken[following][0])
                left = taken[following][1]
                following += 1
            yield range(left, stop)


class SequenceSet:
    """A set of sequences that grows by whole batches; memory is a bit for each up to the next chunk's end.

    It may begin with ``sealed`` ones.
    """

    def __init__(self, sealed: SequenceRanges | None = None) -> None:
        self._sealed = sealed or SequenceRanges(())
        self._chunks: dict[int, bytes] = {}
        self._length = len(self._sealed)

    def __len__(self) -> int:
        return self._length

    def add(self, sequences: Sequences) -> NDArray[np.bool_]:
        """Add the sequences, and return for each whether it was there already, or stands earlier among them."""
        repeated = self._sealed.has(sequences)
        if repeated.any():
            repeated[~repeated] = self._add(sequences[~repeated])
            return repeated
        return self._add(sequences)

    def _add(self, sequences: Sequences) -> NDArray[np.bool_]:
        repeated = np.zeros(len(sequences), np.bool_)
        chunks = sequences >> _SHIFT
        lows = (sequences & _LOW).astype(np.int64)
        touched = np.unique(chunks)
        for chunk in touched.tolist():
            rows = chunks == np.uint64(chunk) if len(touched) > 1 else slice(None)
            repeats = self._add_chunk(chunk, lows[rows])
            if repeats is not None:
                repeated[rows] = repeats
        return repeated

    def _add_chunk(self, chunk: int, lows: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Add sequences of one chunk; returns which of them are repeated, or None where none is."""
        flags = np.zeros(_CHUNK, np.bool_)
        flags[lows] = True
        bits = np.packbits(flags)
        there = np.frombuffer(self._chunks.get(chunk, _NONE), np.uint8)
        bits |= there
        added = _ones(bits) - _ones(there)
        self._length += added
        self._chunks[chunk] = bits.tobytes()
        if added == len(lows):
            return None
        repeated = np.unpackbits(there)[lows].astype(np.bool_)
        _members, firsts = np.unique(lows, return_index=True)
        again = np.ones(len(lows), np.bool_)
        again[firsts] = False
        return repeated | again

    def count(self, start: int, stop: int) -> int:
        """Return how many members lie from ``start`` to ``stop`` (exclusive)."""
        if start >= stop:
            return 0
        first, last = start // _CHUNK, (stop - 1) // _CHUNK
        numbers: Iterable[int] = range(first, last + 1)
        if len(self._chunks) < last + 1 - first:
            numbers = (number for number in self._chunks if first <= number <= last)
        return self._sealed.count(start, stop) + sum(self._count_chunk(number, start, stop) for number in numbers)

    def _count_chunk(self, number: int, start: int, stop: int) -> int:
        if (known := self._chunks.get(number)) is None:
            return 0
        bits = np.frombuffer(known, np.uint8)
        begin = number * _CHUNK
        if start <= begin and begin + _CHUNK <= stop:
            return _ones(bits)
        return int(np.count_nonzero(np.unpackbits(bits)[max(0, start - begin) : stop - begin]))

    def ranges(self) -> SequenceRanges:
        """Return the members as ranges."""
        return SequenceRanges(self._ranges())

    def _ranges(self) -> Iterator[range]:
        yield from (range(start, stop) for start, stop in self._sealed)
        for number, bits in self._chunks.items():
            flags = np.unpackbits(np.frombuffer(bits, np.uint8)).astype(np.int8)
            edges = np.flatnonzero(np.diff(flags, prepend=0, append=0))
            begin = number * _CHUNK
            for start, stop in edges.reshape(-1, 2).tolist():
                yield range(begin + start, begin + stop)


def _ones(bits: NDArray[np.uint8]) -> int:
    return int(np.bitwise_count(bits.view(np.uint64)).sum())


def by_run(ranges: Iterable[tuple[str, range]]) -> dict[str, SequenceRanges]:
    """Return run → its sequences, of ranges in any order."""
    found: defaultdict[str, list[range]] = defaultdict(list)
    for run, sequences in ranges:
        found[run].append(sequences)
    return {run: SequenceRanges(each) for run, each in found.items()}
