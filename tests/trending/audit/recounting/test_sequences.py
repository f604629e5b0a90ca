from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trending.audit.recounting.sequences import SequenceRanges, SequenceSet, by_run

DENSE = st.integers(0, 3_000)
ANYWHERE = st.one_of(DENSE, st.integers(0, 2**64 - 1), st.sampled_from([1023, 1024, 10**19 - 1]))
IDS = st.one_of(DENSE, st.integers(0, 10**19 - 1))
"""As an id can have: nineteen digits."""
BATCHES = st.lists(st.lists(ANYWHERE, min_size=1, max_size=60), max_size=6)
RANGES = st.lists(st.tuples(DENSE, st.integers(0, 1_500)).map(lambda pair: range(pair[0], pair[0] + pair[1])), max_size=8)


def filled(batches: list[list[int]]) -> tuple[SequenceSet, list[bool]]:
    found = SequenceSet()
    return found, [repeated for batch in batches for repeated in found.add(np.array(batch, np.uint64)).tolist()]


@given(BATCHES, st.lists(st.tuples(ANYWHERE, ANYWHERE), max_size=5))
def test_a_bitmap_holds_what_a_set_would(batches: list[list[int]], bounds: list[tuple[int, int]]) -> None:
    found, repeated = filled(batches)
    members = {sequence for batch in batches for sequence in batch}
    assert len(found) == len(members)
    added = [sequence for batch in batches for sequence in batch]
    assert repeated == [sequence in added[:place] for place, sequence in enumerate(added)]
    for start, stop in bounds:
        assert found.count(start, stop) == sum(start <= member < stop for member in members)


@given(RANGES, BATCHES, st.none() | DENSE)
def test_ranges_hold_what_a_set_would(ranges: list[range], batches: list[list[int]], below: int | None) -> None:
    found, members = SequenceRanges(ranges), {sequence for each in ranges for sequence in each}
    assert len(found) == len(members)
    assert {sequence for start, stop in found for sequence in range(start, stop)} == members
    assert all(stop < start for (_, stop), (start, _) in zip(list(found), list(found)[1:], strict=False)), "merged, in order"
    others, _repeated = filled(batches)
    there = {sequence for batch in batches for sequence in batch}
    assert found.among(others, below) == sum(below is None or member < below for member in members & there)
    assert all(
        found.count(start, stop) == len(members & set(range(start, stop))) for start in (0, 700) for stop in (0, 900, 4_000)
    )
    asked = np.array(sorted(there), np.uint64)
    assert found.has(asked).tolist() == [sequence in members for sequence in asked.tolist()]


@given(RANGES, st.lists(st.lists(IDS, min_size=1, max_size=60), max_size=6), RANGES, st.tuples(IDS, IDS))
def test_a_set_that_begins_with_sealed_ranges_is_as_one_that_read_them(
    sealed: list[range], batches: list[list[int]], taken: list[range], bounds: tuple[int, int]
) -> None:
    found, read = SequenceSet(SequenceRanges(sealed)), SequenceSet()
    for each in sealed:
        read.add(np.arange(each.start, each.stop, dtype=np.uint64))
    for batch in batches:
        assert found.add(np.array(batch, np.uint64)).tolist() == read.add(np.array(batch, np.uint64)).tolist()
    assert len(found) == len(read)
    assert found.count(*bounds) == read.count(*bounds)
    assert list(found.ranges()) == list(read.ranges())
    members = {sequence for each in sealed for sequence in each} | {sequence for batch in batches for sequence in batch}
    assert len(found.ranges()) == len(members)
    assert found.ranges().has(np.array(sorted(members), np.uint64)).all()
    left = SequenceRanges(sealed).without(SequenceRanges(taken))
    expected = {sequence for each in sealed for sequence in each} - {sequence for each in taken for sequence in each}
    assert {sequence for start, stop in left for sequence in range(start, stop)} == expected


def test_ranges_are_kept_by_run() -> None:
    found = by_run([("a", range(2)), ("b", range(5, 6)), ("a", range(1, 4))])
    assert {run: list(each) for run, each in found.items()} == {"a": [(0, 4)], "b": [(5, 6)]}


@pytest.mark.parametrize("order", [1, -1])
def test_a_million_ids_in_whatever_order_take_some_bits_each(order: int) -> None:
    ids = np.arange(1_000_000, dtype=np.uint64)[::order]
    tracemalloc.start()
    try:
        found = SequenceSet()
        assert not any(found.add(ids[start : start + 5_000]).any() for start in range(0, len(ids), 5_000))
        held, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (len(found), found.count(0, 10**19)) == (1_000_000, 1_000_000)
    assert held < 500_000
