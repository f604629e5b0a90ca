from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING

import pytest
from examples import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trending.audit.recounting.second_reading import EVERY, OF_A_KIND, SecondReader, read_again
from trending.kafka.log_reader import Record
from trending.settings import WINDOW_LENGTHS, Rule, Spelling, WindowTime
from trending.tweets.rule import Kind, Reason, Verdict, classify

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE = 1765845060
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
RULES = st.builds(Rule, st.sampled_from(WindowTime), st.sampled_from(WINDOW_LENGTHS), st.sampled_from(Spelling))
WRITTEN = ["0", "-0", "1.0", "1e0", "-1", "1e400", "-1e400", "1e-400", "01", "1.", "+1", "NaN", "Infinity"]
NUMBERS = st.sampled_from([*WRITTEN, "9" * 30, "9" * 400, "9" * 5000])
ESCAPES = st.sampled_from(
    ['"\\ud800"', '"\\ud83d\\ude00"', '"\\udc00\\ud83d"', '"\\q"', '"\\u00e1"', '"\\u12"', '"a\\"', '"\x01"']
)
EDGES = [MINUTE - 120.0, MINUTE - 60.0, math.nextafter(MINUTE - 60, 0), MINUTE + 5.0, sys.float_info.max, -sys.float_info.max]
MOMENTS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.floats(MINUTE - 200, MINUTE + 70), st.sampled_from(EDGES)
)
LEAVES = st.one_of(
    st.none().map(json.dumps),
    st.booleans().map(json.dumps),
    TEXT.map(json.dumps),
    TEXT.map(lambda text: json.dumps(text, ensure_ascii=False)),
    MOMENTS.map(repr),
    NUMBERS,
    ESCAPES,
)


def _nested(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arrays = st.lists(children, max_size=3).map(lambda each: f"[{','.join(each)}]")
    objects = st.lists(st.tuples(TEXT.map(json.dumps), children), max_size=3)
    return arrays | objects.map(lambda pairs: "{" + ",".join(f"{key}:{value}" for key, value in pairs) + "}")


VALUES = st.recursive(LEAVES, _nested, max_leaves=6)
RIGHT: dict[str, st.SearchStrategy[str]] = {
    "usuario": TEXT.map(json.dumps),
    "texto": TEXT.map(json.dumps),
    "hashtag_principal": st.sampled_from(
        ['"#a"', '"#A "', '"\\u00a0"', '"#ñ😀"', '"#N\u0303"', '""', "null", json.dumps("x" * 280), json.dumps("x" * 281)]
    ),
    "timestamp": MOMENTS.map(repr),
    "mensaje": st.just('"Hola Kafka"'),
    "contador": st.sampled_from(["1", "-3", "1.0"]),
    "version_esquema": st.sampled_from(["1", "2", "1.0"]),
}
FIELDS = st.one_of(
    st.sampled_from(sorted(RIGHT)).flatmap(lambda key: st.tuples(st.just(json.dumps(key)), RIGHT[key])),
    st.sampled_from(["hashtag_principal", "timestamp"]).flatmap(lambda key: st.tuples(st.just(json.dumps(key)), RIGHT[key])),
    st.tuples(st.sampled_from(sorted(RIGHT)).map(json.dumps), VALUES),
    st.tuples(st.one_of(TEXT.map(json.dumps), ESCAPES), VALUES),
)


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """Return a record, whole or cut off or with bytes changed; its keys may come twice."""
    start = [('"hashtag_principal"', '"#a"'), ('"timestamp"', repr(draw(MOMENTS)))] if draw(st.booleans()) else []
    fields = start + draw(st.lists(FIELDS, max_size=6))
    value = bytearray(("{" + ",".join(f"{key}:{content}" for key, content in fields) + "}").encode())
    damage = draw(st.sampled_from(["none", "none", "cut", "flip"]))
    if damage == "cut":
        del value[draw(st.integers(0, len(value) - 1)) :]
    for _ in range(draw(st.integers(1, 3)) if damage == "flip" else 0):
        value[draw(st.integers(0, len(value) - 1))] = draw(st.integers(0, 255))
    return bytes(value)


@pytest.mark.row(22)
@settings(max_examples=examples(400))
@given(records() | st.binary(max_size=30), RULES)
@example(b'{"hashtag_principal":"#a","hashtag_principal":7,"timestamp":1,"hashtag_principal":"#b"}', Rule())
@example(b'{"x":"\xff","hashtag_principal":"#a","timestamp":1}', Rule())
@example(b'{"usuario":7,"x":', Rule())
@example(b'{"timestamp":"x","version_esquema":2}', Rule())
@example(b'{"version_esquema":2,"version_esquema":1,"hashtag_principal":"#a","timestamp":1}', Rule())
@example(b'{"hashtag_principal":"#a","timestamp":-1.7976931348623157e308}', Rule(WindowTime.EVENT))
def test_both_readings_of_any_record_agree(value: bytes, rule: Rule) -> None:
    append_time = MINUTE + 0.25
    assert read_again(value, append_time, rule) == classify(value, append_time, rule)


@given(MOMENTS, st.integers(0, 119_999))
def test_both_readings_agree_on_late_and_future(timestamp: float, append_ms: int) -> None:
    value = json.dumps({"hashtag_principal": "#a", "timestamp": timestamp}).encode()
    append_time = MINUTE + append_ms / 1000
    assert read_again(value, append_time, Rule(WindowTime.EVENT)) == classify(value, append_time, Rule(WindowTime.EVENT))


@pytest.mark.parametrize("depth", [255, 256, 300, 50_000])
@pytest.mark.parametrize("made", [lambda n: "[" * n + "]" * n, lambda n: '{"y":' * n + "1" + "}" * n, lambda n: "[" * n])
def test_both_readings_agree_on_depth(depth: int, made: Callable[[int], str]) -> None:
    value = f'{{"hashtag_principal":"#a","timestamp":1,"texto":"{"[" * 300}","x":{made(depth)}}}'.encode()
    verdict = classify(value, 1.0, Rule())
    assert read_again(value, 1.0, Rule()) == verdict
    assert (verdict.label == Reason.TOO_DEEP) is (depth > 255)


OPEN = b"[" * 300


@pytest.mark.parametrize("start", [b'{"x":"', b'{"x":\\"', b'{"x":"\\"', b'"' * 301])
def test_both_readings_agree_on_brackets_in_a_text_without_end(start: bytes) -> None:
    assert read_again(start + OPEN, 1.0, Rule()) == classify(start + OPEN, 1.0, Rule())


def tweet(hashtag: str) -> bytes:
    return json.dumps({"hashtag_principal": hashtag, "timestamp": MINUTE}).encode()


def test_one_record_in_so_many_is_read_a_second_time_and_some_of_each_odd_kind() -> None:
    reader = SecondReader()
    for offset in range(EVERY * 3):
        record = Record(0, offset, MINUTE, tweet("#a"), {})
        reader.check(record, classify(record.value, MINUTE, Rule()), Rule())
    assert (reader.records, reader.disagreements) == (3, [])
    for value in (None, b"{"):
        for offset in range(1, OF_A_KIND * 3):
            record = Record(0, offset * EVERY + 1, MINUTE, value, {})
            reader.check(record, classify(value, MINUTE, Rule()), Rule())
    assert (reader.records, reader.disagreements) == (3 + 2 * OF_A_KIND, [])


@pytest.mark.parametrize(
    "wrong",
    [Verdict(Kind.TWEET, "#b", MINUTE), Verdict(Kind.TWEET, "#a", MINUTE + 60), Verdict(Kind.REJECT, Reason.LATE, MINUTE)],
)
def test_a_verdict_of_the_rule_that_is_wrong_is_kept_with_its_place(wrong: Verdict) -> None:
    reader = SecondReader()
    reader.check(Record(2, EVERY * 5, MINUTE, tweet("#a"), {}), wrong, Rule())
    (found,) = reader.disagreements
    assert (found.partition, found.offset, found.rule, found.again) == (2, EVERY * 5, wrong, Verdict(Kind.TWEET, "#a", MINUTE))
    assert str(found).startswith("partition 2, offset 485: the rule says ")
