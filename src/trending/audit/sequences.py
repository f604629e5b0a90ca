"""Sets of sequences: those that the log has, a bit each, and those that were acknowledged, as ranges.

A set of Python's takes some 160 bytes an id, a bitmap an eighth of one where ids are dense. Ids of one run are.
"""

from __future__ import annotations

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


class SequenceSet:
    """A set of sequences that grows by whole batches; memory is a bit for each up to the next chunk's end."""

    def __init__(self) -> None:
        self._chunks: dict[int, bytes] = {}
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, sequences: Sequences) -> NDArray[np.bool_]:
        """Add the sequences, and return for each whether it was there already, or stands earlier among them."""
        repeated = np.zeros(len(sequences), np.bool_)
        chunks = sequences >> _SHIFT
        lows = (sequences & _LOW).astype(np.int64)
        touched = np.unique(chunks)
        for chunk in touched.tolist():
            rows = np.flatnonzero(chunks == np.uint64(chunk)) if len(touched) > 1 else None
            repeats = self._add_chunk(chunk, lows if rows is None else lows[rows])
            if repeats is not None:
                repeated[slice(None) if rows is None else rows] = repeats
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
        return sum(self._count_chunk(number, start, stop) for number in numbers)

    def _count_chunk(self, number: int, start: int, stop: int) -> int:
        if (known := self._chunks.get(number)) is None:
            return 0
        bits = np.frombuffer(known, np.uint8)
        begin = number * _CHUNK
        if start <= begin and begin + _CHUNK <= stop:
            return _ones(bits)
        return int(np.count_nonzero(np.unpackbits(bits)[max(0, start - begin) : stop - begin]))


def _ones(bits: NDArray[np.uint8]) -> int:
    return int(np.bitwise_count(bits.view(np.uint64)).sum())


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

    def __len__(self) -> int:
        return int((self._stops - self._starts).sum())

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

    def among(self, others: SequenceSet, below: int | None = None) -> int:
        """Return how many members, or members below a bound, are in ``others`` too."""
        return sum(others.count(start, stop if below is None else min(stop, below)) for start, stop in self)


def by_run(ranges: Iterable[tuple[str, range]]) -> dict[str, SequenceRanges]:
    """Return run → its sequences, of ranges in any order."""
    found: defaultdict[str, list[range]] = defaultdict(list)
    for run, sequences in ranges:
        found[run].append(sequences)
    return {run: SequenceRanges(each) for run, each in found.items()}
