from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trending.tweets.record_id import identity_of, parse_record_id, parse_record_key, record_id, record_ids, record_keys


@given(st.from_regex(r"[0-9a-f]{12}", fullmatch=True), st.integers(0, 2**63 - 1))
def test_an_id_comes_back_from_its_header(run: str, sequence: int) -> None:
    assert parse_record_id(record_id(run, sequence)) == (run, sequence)


@given(st.from_regex(r"[0-9a-f]{12}", fullmatch=True), st.integers(0, 2**63 - 10))
def test_ids_made_together_are_those_made_one_by_one(run: str, first: int) -> None:
    sequences = range(first, first + 5)
    assert record_ids(run, sequences) == [record_id(run, each) for each in sequences]


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b":",
        b"run",
        b"run:",
        b"run:x",
        b"run:-1",
        b"run:1.0",
        b"run:1:2",
        b"run: 1",
        b"\xff\xfe",
        "run:²".encode(),
        b"run:" + b"9" * 5000,
    ],
)
def test_a_header_of_somebody_else_is_no_id(header: bytes) -> None:
    assert parse_record_id(header) is None


@pytest.mark.parametrize("sequence", [10**18, 2**63 - 1, 10**19 - 1])
def test_a_sequence_may_have_as_many_digits_as_the_ledger_holds(sequence: int) -> None:
    assert parse_record_id(record_id("run", sequence)) == ("run", sequence)
    assert parse_record_id(record_id("run", sequence) + b"00") is None


@given(st.binary(max_size=30))
def test_no_header_whatever_stops_the_audit(header: bytes) -> None:
    identity = parse_record_id(header)
    assert identity is None or identity[1] >= 0


RUN = "0123456789ab"


@given(st.from_regex(r"[0-9a-f]{12}", fullmatch=True), st.integers(0, 10**19 - 50), st.integers(0, 20))
def test_an_id_comes_back_from_its_key(run: str, first: int, count: int) -> None:
    sequences = range(first, first + count)
    assert [parse_record_key(key) for key in record_keys(run, sequences)] == [(run, sequence) for sequence in sequences]


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"orders:17",
        b"0123456789ab:17",
        b"t1:orders:17",
        b"t2:0123456789ab:17",
        b"t1:0123456789AB:17",
        b"t1:0123456789ab:",
        b"t1:0123456789ab:017",
        b"t1:0123456789ab:-1",
        b"t1:0123456789ab:17\n",
        b" t1:0123456789ab:17",
        "t1:0123456789ab:²".encode(),
        b"t1:0123456789ab:" + b"9" * 20,
        b"\xff\xfe",
    ],
)
def test_a_key_of_somebody_else_is_no_id(key: bytes) -> None:
    assert parse_record_key(key) is None


def test_an_id_is_read_from_the_header_or_else_from_the_key() -> None:
    key = record_keys(RUN, range(7, 8))[0]
    assert identity_of(key, {}) == (RUN, 7)
    assert identity_of(None, {"id": record_id(RUN, 8)}) == (RUN, 8)
    assert identity_of(b"orders:17", {"id": record_id(RUN, 8)}) == (RUN, 8)
    assert identity_of(key, {"other": b"x", "id": None}) == (RUN, 7)
    assert identity_of(b"orders:17", {}) is None
    assert identity_of(None, {}) is None
