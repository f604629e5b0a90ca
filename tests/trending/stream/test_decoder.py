from __future__ import annotations

import json
import math
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

import pyarrow as pa
import pytest
from examples import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trending.kafka.packed_offsets import unpack
from trending.settings import WINDOW_LENGTHS, Rule, Spelling, WindowTime
from trending.stream.decoder import decode_batches
from trending.tweets.rule import Kind, Reason, classify, window_start

MINUTE = 1765845060
INPUT = pa.schema(
    [("partition", pa.int32()), ("offset", pa.int64()), ("timestamp", pa.timestamp("us", "UTC")), ("value", pa.binary())]
)
Group = tuple[str, int, str, int, int]


class Row(NamedTuple):
    partition: int
    offset: int
    append_ms: int
    value: bytes | None


def tweet(hashtag: str = "#a", timestamp: float = MINUTE) -> bytes:
    return json.dumps({"usuario": "u", "texto": "t", "hashtag_principal": hashtag, "timestamp": timestamp}).encode()


FOREIGN = b'{"usuario": "User_1", "mensaje": "Hola Kafka", "contador": 1}'


def arrow(rows: list[Row]) -> pa.RecordBatch:
    columns = [
        [row.partition for row in rows],
        [row.offset for row in rows],
        [row.append_ms * 1000 for row in rows],
        [row.value for row in rows],
    ]
    return pa.RecordBatch.from_arrays(
        [pa.array(column, type=field.type) for column, field in zip(columns, INPUT, strict=True)], schema=INPUT
    )


def spark(rule: Rule, *batches: list[Row]) -> Counter[Group]:
    """Return what Spark makes of the decoder's output: the sum of records by its own window, kind, label and place."""
    sums: Counter[Group] = Counter()
    for output in decode_batches(rule, (arrow(rows) for rows in batches)):
        for line in output.to_pylist():
            moment: datetime = line["time"]
            micros = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // (moment.resolution)
            window = micros // (rule.window_seconds * 1_000_000) * rule.window_seconds
            offsets = list(unpack(line["offsets"])) if line["offsets"] else [-1]
            assert line["records"] == len(offsets) or line["kind"] != Kind.REJECT
            for offset in offsets:
                share = 1 if line["kind"] == Kind.REJECT else line["records"]
                sums[line["kind"], window, line["label"], line["partition"], offset] += share
    return sums


def straightforward(rule: Rule, rows: list[Row]) -> Counter[Group]:
    """Return the same, record by record, as the audit counts."""
    sums: Counter[Group] = Counter()
    for row in rows:
        kind, label, time = classify(row.value, row.append_ms / 1000, rule)
        place = (row.partition, row.offset) if kind is Kind.REJECT else (-1, -1)
        sums[kind.value, window_start(time, rule.window_seconds), str(label), *place] += 1
    return sums


EDGES = st.sampled_from([0.0, 59.999, 60.0, -0.0001, -60.0, 5.0, 65.0, -3600.0, 1e9])
BRINKS = st.sampled_from([math.nextafter(MINUTE + minutes * 60, 0) for minutes in (-1, 0, 1)])
MOMENTS = st.one_of(BRINKS, st.one_of(EDGES, st.floats(-200, 100)).map(lambda seconds: MINUTE + seconds))
GOOD = st.builds(tweet, st.sampled_from(["#a", "#b", "#ñ😀", "\x00", "\u202e"]), MOMENTS)


def varied(hashtag: str = '"#a"', timestamp: str = str(MINUTE), more: str = "") -> bytes:
    """Return a tweet of JSON text that a stranger may write."""
    return f'{{"usuario":"u","hashtag_principal":{hashtag},"timestamp":{timestamp}{more}}}'.encode()


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """Return a tweet cut off somewhere, or with a byte changed."""
    value = bytearray(draw(st.sampled_from([tweet("#ñ😀"), FOREIGN, varied(more=',"x":{"ñ":["ñ\\ud83d\\ude00"]}')])))
    place = draw(st.integers(0, len(value) - 1))
    if draw(st.booleans()):
        return bytes(value[:place])
    value[place] = draw(st.integers(0, 255))
    return bytes(value)


ODD: list[bytes | None] = [
    None,
    b"",
    b"{",
    b"null",
    b"[]",
    FOREIGN,
    tweet("x" * 280),
    tweet("x" * 281),
    b"\xff",
    tweet().replace(b"#a", b"\xff"),
    varied('""'),
    varied('" \t"'.replace("\t", "\u00a0")),
    varied('"#A"'),
    varied('" #a "'),
    varied('"#\u00d1"'),
    varied('"#N\u0303"'),
    varied(f'"{"ŉ" * 280}"'),
    varied(f'"{" " * 280}#a"'),
    varied("null"),
    varied("7"),
    varied("[]"),
    varied(timestamp="null"),
    varied(timestamp='"1"'),
    varied(timestamp="1e400"),
    varied(timestamp="-1.7976931348623157e308"),
    varied(timestamp="1.7976931348623157e308"),
    varied(timestamp="-0"),
    varied(timestamp="NaN"),
    varied(timestamp="9" * 30),
    varied(more=',"timestamp":"x"'),
    varied("null", str(MINUTE - 60), ',"hashtag_principal":"#a"'),
    varied(more=f',"hashtag_principal":"#b","timestamp":{MINUTE + 1}'),
    varied(more=',"mensaje":7,"contador":"x"'),
    varied("null", more=',"mensaje":"x","contador":1'),
    *(varied(more=f',"version_esquema":{version}') for version in ("1", "1.0", "1e0", "2", "true", '"1"', "null", "[1]")),
    varied(more=',"version_esquema":2,"version_esquema":1'),
    varied(more=',"x":1e999,"y":' + "9" * 300),
    varied(more=',"x":"\\ud800"'),
    varied(more=',"x":"@"').replace(b"@", b"\xff"),
    varied(more=',"@":1').replace(b"@", b"\xed\xa0\x80"),
    varied(more=',"texto":"' + "[" * 400 + '"'),
    varied(more=',"texto":"' + "ñ" * 400 + '"'),
    varied(more=',"texto":"' + "n" * 400 + '@"').replace(b"@", b"\xc3"),
    varied(more=',"x":' + "[" * 255 + "]" * 255),
    varied(more=',"x":' + "[" * 256 + "]" * 256),
    varied(more=',"x":' + "[" * 5_000),
    varied() + b" ",
    varied() + varied(),
]
BAD = st.sampled_from(ODD) | broken()
VALUES = st.one_of(GOOD, BAD)
PLACES = st.tuples(st.integers(0, 3), st.one_of(st.integers(0, 119_999), st.sampled_from([0, 59_999, 60_000, 119_999])))


@st.composite
def batches_of_rows(draw: st.DrawFn) -> list[Row]:
    """Return rows of which none, one, some or all are no plain tweets."""
    values: list[bytes | None] = list(draw(st.lists(draw(st.sampled_from([GOOD, VALUES, BAD])), max_size=30)))
    if draw(st.booleans()):
        values.insert(draw(st.integers(0, len(values))), draw(BAD))
    places = draw(st.lists(PLACES, min_size=len(values), max_size=len(values)))
    return [
        Row(partition, offset, MINUTE * 1000 + ms, value)
        for offset, ((partition, ms), value) in enumerate(zip(places, values, strict=True))
    ]


ROWS = batches_of_rows()
RULES = st.builds(Rule, st.sampled_from(WindowTime), st.sampled_from(WINDOW_LENGTHS), st.sampled_from(Spelling))


@pytest.mark.row(22)
@pytest.mark.parametrize("rule", [Rule(), Rule(WindowTime.EVENT), Rule(WindowTime.EVENT, 5)])
@pytest.mark.parametrize("value", ODD)
def test_whatever_a_record_is_it_is_judged_as_it_would_be_alone(value: bytes | None, rule: Rule) -> None:
    between = [Row(0, offset, MINUTE * 1000 + 999 * offset, tweet("#b")) for offset in range(5)]
    rows = [*between[:2], Row(1, 2, MINUTE * 1000, value), *between[3:]]
    assert spark(rule, rows) == straightforward(rule, rows)
    assert spark(rule, [rows[2]]) == straightforward(rule, [rows[2]])


@pytest.mark.row(24)
@settings(max_examples=examples(200))
@given(RULES, ROWS)
def test_counting_in_arrow_batches_equals_counting_record_by_record(rule: Rule, rows: list[Row]) -> None:
    assert spark(rule, rows) == straightforward(rule, rows)


@settings(max_examples=examples(60))
@given(RULES, ROWS, st.lists(st.integers(0, 30), max_size=4))
def test_batches_may_be_split_anywhere(rule: Rule, rows: list[Row], cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    pieces = [rows[start:end] for start, end in pairwise(edges)]
    assert spark(rule, *pieces) == spark(rule, rows)


def test_a_moment_between_two_microseconds_stays_in_its_minute() -> None:
    # A double resolves a quarter of a microsecond here, and Spark's timestamps one: rounding must not carry it over.
    just_before = math.nextafter(MINUTE + 60, 0)
    rows = [Row(0, 0, (MINUTE + 61) * 1000, tweet("#a", just_before))]
    assert spark(Rule(WindowTime.EVENT), rows) == {("tweet", MINUTE, "#a", -1, -1): 1}
    (output,) = decode_batches(Rule(WindowTime.EVENT), [arrow(rows)])
    assert output.column("time").cast(pa.int64()).to_pylist() == [(MINUTE + 60) * 1_000_000 - 1]


def test_a_group_carries_its_latest_time_for_the_watermark() -> None:
    rows = [Row(0, offset, MINUTE * 1000 + ms, tweet()) for offset, ms in enumerate([1_250, 59_123, 7])]
    (output,) = decode_batches(Rule(), [arrow(rows)])
    assert [line["time"].timestamp() for line in output.to_pylist()] == [MINUTE + 59.123]


def test_where_spellings_are_folded_they_are_one_hashtag_and_blanks_are_none() -> None:
    names = ["#IA", "#ia", " #Ia\u00a0", "#\u00d1", "#n\u0303", "\u2003", "\u0149" * 280, "x" * 280]
    rows = [Row(0, offset, MINUTE * 1000, tweet(name)) for offset, name in enumerate(names)]
    assert spark(Rule(spelling=Spelling.FOLDED), rows) == {
        ("tweet", MINUTE, "#ia", -1, -1): 3,
        ("tweet", MINUTE, "#ñ", -1, -1): 2,
        ("tweet", MINUTE, "x" * 280, -1, -1): 1,
        ("untagged", MINUTE, "", -1, -1): 1,
        ("reject", MINUTE, Reason.LONG_HASHTAG, 0, 6): 1,
    }
    assert len(spark(Rule(), rows)) == len(names)


def test_rejects_keep_their_place() -> None:
    rows = [Row(2, 7, MINUTE * 1000, None), Row(2, 8, MINUTE * 1000, None), Row(0, 7, MINUTE * 1000, b"{")]
    assert spark(Rule(), rows) == {
        ("reject", MINUTE, Reason.TOMBSTONE, 2, 7): 1,
        ("reject", MINUTE, Reason.TOMBSTONE, 2, 8): 1,
        ("reject", MINUTE, Reason.BAD_JSON, 0, 7): 1,
    }


@given(RULES, ROWS)
@example(Rule(WindowTime.EVENT), [Row(0, 0, MINUTE * 1000 + 9_000, varied("null", str(MINUTE + 1), ',"hashtag_principal":"#a"'))])
def test_the_latest_of_all_times_comes_with_the_rows(rule: Rule, rows: list[Row]) -> None:
    """Spark derives its watermark from them."""
    (output,) = decode_batches(rule, [arrow(rows)])
    latest = max((classify(row.value, row.append_ms / 1000, rule).time for row in rows), default=None)
    found = max((line["time"].timestamp() for line in output.to_pylist()), default=None)
    assert found == pytest.approx(latest, abs=2e-6)


@pytest.mark.row(24)
def test_a_rejects_time_is_its_append_time_so_that_2100_closes_no_window() -> None:
    rows = [Row(0, 0, MINUTE * 1000, tweet("#a", 4102444800.0)), Row(0, 1, MINUTE * 1000, tweet("#a", 0.0))]
    (output,) = decode_batches(Rule(WindowTime.EVENT), [arrow(rows)])
    assert [(line["label"], line["time"].timestamp()) for line in output.to_pylist()] == [
        (Reason.FUTURE, MINUTE),
        (Reason.LATE, MINUTE),
    ]


@pytest.mark.row(23)
def test_tweets_travel_as_a_handful_of_rows() -> None:
    rows = [Row(offset % 3, offset, MINUTE * 1000 + offset, tweet(f"#{offset % 4}")) for offset in range(1000)]
    (output,) = decode_batches(Rule(), [arrow(rows)])
    assert output.num_rows == 4
    assert sum(output.column("records").to_pylist()) == 1000


@pytest.mark.row(34)
def test_a_flood_of_rejects_travels_as_a_handful_of_rows() -> None:
    rows = [Row(offset % 2, offset, MINUTE * 1000, b"0,1,CSV" if offset % 3 else None) for offset in range(9000)]
    (output,) = decode_batches(Rule(), [arrow(rows)])
    assert output.num_rows == 4
    assert sum(output.column("records").to_pylist()) == 9000
    assert output.nbytes < 1000


def test_an_empty_batch_gives_an_empty_batch() -> None:
    (output,) = decode_batches(Rule(), [arrow([])])
    assert output.num_rows == 0
    assert output.schema.names == ["kind", "time", "label", "partition", "offsets", "records"]


def test_no_batches_give_none() -> None:
    assert list(decode_batches(Rule(WindowTime.EVENT), [])) == []
