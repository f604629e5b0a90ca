from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trending.kafka.packed_offsets import pack, unpack

OFFSETS = st.lists(st.one_of(st.integers(0, 2**63 - 1), st.integers(0, 300)), max_size=300)


@pytest.mark.row(34)
@given(OFFSETS)
def test_what_was_packed_comes_back_once_and_in_order(offsets: list[int]) -> None:
    assert list(unpack(pack(offsets))) == sorted(set(offsets))


@given(OFFSETS, OFFSETS)
def test_equal_offsets_are_equal_bytes_and_others_are_not(one: list[int], other: list[int]) -> None:
    assert pack(one) == pack(reversed(one)) == pack(one + one)
    assert (pack(one) == pack(other)) == (set(one) == set(other))


@pytest.mark.row(34)
def test_a_million_offsets_take_next_to_nothing_in_a_row_and_little_when_scattered() -> None:
    assert len(pack(range(10**9, 10**9 + 1_000_000))) < 20
    assert len(pack(range(0, 200_000, 2))) < 2_000
    scattered = random.Random(7).sample(range(1_000_000), 100_000)
    assert len(pack(scattered)) < 200_000
