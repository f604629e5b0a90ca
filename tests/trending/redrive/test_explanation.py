from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trending.redrive.explanation import explained
from trending.settings import Rule
from trending.tweets.rule import Kind, classify, ill_typed_field

TWITTERS = "; it has Twitter's shape: write such records into a file, one a line, and make replay FILE=… sends them as tweets"
NAMED = ": make replay FILE=… COLUMNS=time=…,text=… sends a file of such records as tweets"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"created_at":"x","text":"a"}', "hashtag_principal is missing" + TWITTERS),
        (b'{"data":[],"usuario":1}', "a field has the wrong type: usuario is a number and would be a text or null" + TWITTERS),
        (b'{"who":1,"body":"a"}', "hashtag_principal is missing; its fields are body, who" + NAMED),
        (b'{"\\u202e":1}', "hashtag_principal is missing; its fields are \\u202e" + NAMED),
        (b"[1]", "a field has the wrong type: the record is a list and would be an object"),
        (
            b'{"hashtag_principal":"#a","timestamp":"5"}',
            "a field has the wrong type: timestamp is a text and would be a number or null",
        ),
        (b'{"hashtag_principal":[]}', "a field has the wrong type: hashtag_principal is a list and would be a text or null"),
        (b'{"hashtag_principal":"#a","timestamp":1e400}', "a field has the wrong type: timestamp: Number out of range"),
        (b'{"hashtag_principal":"#a"}', "timestamp is missing"),
        (b"{", "not valid JSON"),
    ],
)
def test_a_reason_names_the_field_and_what_to_do(body: bytes, why: str) -> None:
    assert explained(classify(body, 0.0, Rule()).label, body) == why


values = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.none(), max_size=1)
names = st.sampled_from(["usuario", "texto", "hashtag_principal", "timestamp", "created_at", "x"])


@given(st.dictionaries(names, values).map(lambda body: json.dumps(body).encode()) | st.binary(max_size=30))
def test_whatever_is_rejected_keeps_its_reason_in_front(body: bytes) -> None:
    verdict = classify(body, 0.0, Rule())
    if verdict.kind is Kind.REJECT:
        assert explained(verdict.label, body).startswith(verdict.label)
    else:
        assert ill_typed_field(body) == ""
