from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trending.tweets.record_id import parse_record_id, record_id


@given(st.from_regex(r"[0-9a-f]{12}", fullmatch=True), st.integers(0, 2**63 - 1))
def test_an_id_comes_back_from_its_header(run: str, sequence: int) -> None:
    assert parse_record_id(record_id(run, sequence)) == (run, sequence)


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


@given(st.binary(max_size=30))
def test_no_header_whatever_stops_the_audit(header: bytes) -> None:
    identity = parse_record_id(header)
    assert identity is None or identity[1] >= 0
