from __future__ import annotations

import json
import math
import sys
from typing import Any
from unicodedata import normalize

import msgspec
import pytest
from examples import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from trending.settings import WINDOW_LENGTHS, Rule, Spelling, WindowTime
from trending.tweets.rule import MAX_DEPTH, Kind, Reason, Verdict, classify, minute_of, window_start
from trending.tweets.spelling import folded
from trending.tweets.wire_format import MAX_HASHTAG, Tweet, decode, encode, json_schema

MINUTE = 1765845060
"""2025-12-16 00:31:00 UTC."""
NOW = MINUTE + 10.0
TEXT = st.text(st.characters(codec="utf-8"))
LENGTHS = st.sampled_from(WINDOW_LENGTHS)
EVENT = Rule(WindowTime.EVENT)
RULES = [Rule(time) for time in WindowTime]
BOTH = pytest.mark.parametrize("rule", RULES)


def record(**changes: Any) -> bytes:
    """Return a good tweet with some fields changed; a field that is ``...`` is left out."""
    fields = {"usuario": "@DataFan", "texto": "el futuro es #IA", "hashtag_principal": "#IA", "timestamp": NOW} | changes
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


def raw(hashtag: str = '"#IA"', timestamp: str = str(NOW), more: str = "") -> bytes:
    """Return a tweet of JSON text that Python's own encoder would not write."""
    return f'{{"usuario":"u","texto":"t","hashtag_principal":{hashtag},"timestamp":{timestamp}{more}}}'.encode()


def reason_of(value: bytes | None, rule: Rule = EVENT, append_time: float = NOW) -> str:
    verdict = classify(value, append_time, rule)
    assert verdict.kind is Kind.REJECT
    assert verdict.time == append_time
    return verdict.label


@given(st.builds(Tweet, TEXT, TEXT, TEXT, st.floats(allow_nan=False, allow_infinity=False)))
def test_a_tweet_comes_back_from_the_wire_as_it_went(tweet: Tweet) -> None:
    assert decode(encode(tweet)) == tweet


@given(st.builds(Tweet, TEXT, TEXT, TEXT, st.floats(allow_nan=False, allow_infinity=False)))
def test_the_wire_format_is_json_that_any_reader_understands(tweet: Tweet) -> None:
    assert json.loads(encode(tweet).decode("utf-8")) == {
        "usuario": tweet.usuario,
        "texto": tweet.texto,
        "hashtag_principal": tweet.hashtag_principal,
        "timestamp": tweet.timestamp,
    }


@pytest.mark.parametrize("timestamp", [math.nan, math.inf, -math.inf])
def test_a_timestamp_that_json_cannot_hold_is_not_encoded(timestamp: float) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        encode(Tweet("u", "t", "#a", timestamp))


@pytest.mark.parametrize("value", [b"", b"{", b"[]", record(timestamp=...), record(usuario=1)])
def test_what_is_no_tweet_is_not_decoded(value: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(value)


@given(st.floats(min_value=-1e10, max_value=1e10, allow_subnormal=False), LENGTHS)
def test_a_moment_lies_in_one_window_which_begins_as_often_in_every_hour(time: float, seconds: int) -> None:
    start = window_start(time, seconds)
    assert start % 3600 % seconds == 0
    assert start <= time < start + seconds
    assert [window_start(each, seconds) for each in (start - seconds, start + seconds)] == [start - seconds, start + seconds]


def test_a_window_begins_with_its_first_instant_and_ends_before_the_next() -> None:
    assert window_start(MINUTE, 60) == MINUTE
    assert window_start(math.nextafter(MINUTE, 0), 60) == MINUTE - 60
    assert window_start(MINUTE + 59.999, 60) == MINUTE
    assert window_start(-1, 60) == -60
    assert window_start(MINUTE + 59.999, 12) == MINUTE + 48


@given(TEXT.filter(bool), st.integers(0, 2_000_000_000_000))
def test_what_the_producer_sends_is_a_tweet_at_its_append_time(hashtag: str, append_ms: int) -> None:
    append_time = append_ms / 1000
    hashtag = hashtag[:MAX_HASHTAG]
    value = encode(Tweet("u", f"t {hashtag}", hashtag, append_time))
    for time in WindowTime:
        assert classify(value, append_time, Rule(time)) == Verdict(Kind.TWEET, hashtag, append_time)


SPELLED = st.text(st.characters(codec="utf-8") | st.sampled_from("aAñÑ\u0303\u0345\u017fßẞİ\u0131ςΣ \u00a0"), max_size=12)


@given(SPELLED)
@example("\u0345\u0301\u1fb3")
def test_folding_knows_no_encoding_of_accents_and_no_blanks_and_once_is_enough(text: str) -> None:
    form = folded(text)
    assert folded(form) == form == normalize("NFC", form)
    assert {folded(each) for each in (f" {text}\u2003", normalize("NFC", text), normalize("NFD", text))} == {form}


@pytest.mark.parametrize(
    "spellings", [("#IA", "#ia", "#Ia "), ("#Straße", "#STRASSE"), ("#Ñandú", "#N\u0303ANDU\u0301"), ("#ΣΑΣ", "#\u03c3\u03b1ς")]
)
def test_these_are_one_hashtag(spellings: tuple[str, ...]) -> None:
    assert len({folded(each) for each in spellings}) == 1


@given(SPELLED.filter(bool), st.floats(0, 2e9))
def test_a_folded_hashtag_is_the_form_of_the_exact_one_or_none_or_too_long(text: str, append_time: float) -> None:
    value = encode(Tweet("u", "t", text, append_time))
    verdict = classify(value, append_time, Rule(spelling=Spelling.FOLDED))
    expected = Verdict(Kind.TWEET, folded(text), append_time) if folded(text) else Verdict(Kind.UNTAGGED, "", append_time)
    assert verdict == expected
    assert classify(value, append_time, Rule()) == Verdict(Kind.TWEET, text, append_time)


def test_arrival_counts_by_the_brokers_clock_and_event_by_the_tweets_own() -> None:
    value = record(timestamp=MINUTE - 2.5)
    assert classify(value, NOW, Rule()) == Verdict(Kind.TWEET, "#IA", NOW)
    assert classify(value, NOW, EVENT) == Verdict(Kind.TWEET, "#IA", MINUTE - 2.5)


@pytest.mark.parametrize("timestamp", [0, MINUTE - 86400, 4102444800, -1e308, 1e308])
def test_arrival_takes_any_timestamp_that_is_a_number(timestamp: float) -> None:
    assert classify(record(timestamp=timestamp), NOW, Rule()).kind is Kind.TWEET


@pytest.mark.parametrize("within", [0.0, 0.001, 30.0, 59.999])
def test_a_tweet_is_late_from_a_minute_past_its_windows_end_on(within: float) -> None:
    # SPEC, section 4: window's end + 60 s ≤ append time.
    value, limit = record(timestamp=MINUTE + within), MINUTE + 120.0
    assert classify(value, math.nextafter(limit, 0), EVENT) == Verdict(Kind.TWEET, "#IA", MINUTE + within)
    assert reason_of(value, append_time=limit) == Reason.LATE
    assert reason_of(value, append_time=limit + 3600) == Reason.LATE


def test_a_tweet_is_future_when_it_lies_more_than_five_seconds_ahead() -> None:
    # SPEC, section 4: timestamp > append time + 5 s.
    limit = NOW + 5
    assert classify(record(timestamp=limit), NOW, EVENT) == Verdict(Kind.TWEET, "#IA", limit)
    assert reason_of(record(timestamp=math.nextafter(limit, math.inf))) == Reason.FUTURE


@pytest.mark.row(24)
@given(st.integers(-400_000, 400_000) | st.integers(-4_000_000, 10_000), st.integers(0, 3_599_999), LENGTHS)
def test_late_and_future_follow_the_rule_to_the_millisecond(ahead_ms: int, phase_ms: int, seconds: int) -> None:
    append_ms = MINUTE * 1000 + phase_ms
    tweet_ms = append_ms + ahead_ms
    verdict = classify(record(timestamp=tweet_ms / 1000), append_ms / 1000, Rule(WindowTime.EVENT, seconds))
    window_end_ms = (tweet_ms // (seconds * 1000) + 1) * seconds * 1000
    if ahead_ms > 5_000:
        assert verdict.label == Reason.FUTURE
    elif window_end_ms + 60_000 <= append_ms:
        assert verdict.label == Reason.LATE
    else:
        assert verdict == Verdict(Kind.TWEET, "#IA", tweet_ms / 1000)


@pytest.mark.row(22)
@pytest.mark.row(24)
@pytest.mark.parametrize(
    ("timestamp", "reason"),
    [
        (0, Reason.LATE),
        (-0.0, Reason.LATE),
        (-1e308, Reason.LATE),
        (-sys.float_info.max, Reason.LATE),
        (4102444800, Reason.FUTURE),
        (1e308, Reason.FUTURE),
        (sys.float_info.max, Reason.FUTURE),
    ],
)
def test_1970_and_2100_and_beyond_are_late_and_future(timestamp: float, reason: Reason) -> None:
    assert reason_of(record(timestamp=timestamp)) == reason


@pytest.mark.row(22)
@BOTH
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.TOMBSTONE),
        (b"", Reason.BAD_JSON),
        (b"hola", Reason.BAD_JSON),
        (record()[:-1], Reason.BAD_JSON),
        (record() + b"x", Reason.BAD_JSON),
        (record() + record(), Reason.BAD_JSON),
        (b"\xef\xbb\xbf" + record(), Reason.BAD_JSON),
        (raw(timestamp="NaN"), Reason.BAD_JSON),
        (raw(timestamp="Infinity"), Reason.BAD_JSON),
        (raw(hashtag='"\\ud800"'), Reason.BAD_JSON),
        (raw(hashtag='"\\udc00\\ud800"'), Reason.BAD_JSON),
        (raw(hashtag='"\\x41"'), Reason.BAD_JSON),
        (record().replace(b"#IA", b"#\xff"), Reason.BAD_UTF8),
        (record().replace(b"#IA", b"\xed\xa0\x80"), Reason.BAD_UTF8),
        (record().replace(b"#IA", b"\xc0\xaf"), Reason.BAD_UTF8),
        (b"null", Reason.WRONG_TYPE),
        (b"[]", Reason.WRONG_TYPE),
        (b'"#IA"', Reason.WRONG_TYPE),
        (b"1", Reason.WRONG_TYPE),
        (record(hashtag_principal=1), Reason.WRONG_TYPE),
        (record(hashtag_principal=["#IA"]), Reason.WRONG_TYPE),
        (record(hashtag_principal={"a": 1}), Reason.WRONG_TYPE),
        (record(timestamp=str(NOW)), Reason.WRONG_TYPE),
        (record(timestamp=True), Reason.WRONG_TYPE),
        (record(usuario=1), Reason.WRONG_TYPE),
        (record(texto=False), Reason.WRONG_TYPE),
        (raw(timestamp="1e400"), Reason.WRONG_TYPE),
        (raw(timestamp="-1e400"), Reason.WRONG_TYPE),
        (raw(timestamp="9" * 400), Reason.WRONG_TYPE),
        (b"{}", Reason.NO_HASHTAG),
        (record(hashtag_principal=...), Reason.NO_HASHTAG),
        (record(hashtag_principal=None, timestamp=...), Reason.NO_TIMESTAMP),
        (record(hashtag_principal="", timestamp=None), Reason.NO_TIMESTAMP),
        (record(hashtag_principal=None, usuario=7), Reason.WRONG_TYPE),
        (record(usuario=7)[:-1], Reason.BAD_JSON),
        (b'["', Reason.BAD_JSON),
        (record(usuario=7).replace(b"#IA", b"\xff"), Reason.BAD_UTF8),
        (record()[:-1] + b"\xff", Reason.BAD_UTF8),
        (record(hashtag_principal="#" * (MAX_HASHTAG + 1)), Reason.LONG_HASHTAG),
        (record(hashtag_principal="#" * 1_000_000), Reason.LONG_HASHTAG),
        (record(timestamp=...), Reason.NO_TIMESTAMP),
        (record(timestamp=None), Reason.NO_TIMESTAMP),
    ],
)
def test_a_record_that_cannot_be_used_is_rejected_with_its_reason(value: bytes | None, reason: Reason, rule: Rule) -> None:
    assert reason_of(value, rule) == reason


@pytest.mark.row(22)
@BOTH
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"x":', b"}")])
@pytest.mark.parametrize("closed", [True, False])
def test_deep_nesting_is_rejected_without_harm(opening: bytes, closing: bytes, *, closed: bool, rule: Rule) -> None:
    value = b'{"hashtag_principal":"#IA","timestamp":1,"x":' + opening * 50_000 + (b"1" + closing * 50_000 + b"}") * closed
    assert reason_of(value, rule) == Reason.TOO_DEEP


def deeper(frames: int, value: bytes) -> Verdict:
    """Classify below ``frames`` more calls: Spark's worker, the audit and this test stand at different depths."""
    return deeper(frames - 1, value) if frames else classify(value, NOW, Rule())


@BOTH
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"x":', b"}")])
def test_the_deepest_nesting_that_is_read_is_a_number_of_ours(opening: bytes, closing: bytes, rule: Rule) -> None:
    start, inner = b'{"hashtag_principal":"#IA","timestamp":%d,"x":' % NOW, MAX_DEPTH - 1
    allowed = start + opening * inner + b"1" + closing * inner + b"}"
    refused = start + opening * (inner + 1) + b"1" + closing * (inner + 1) + b"}"
    assert classify(allowed, NOW, rule) == Verdict(Kind.TWEET, "#IA", NOW)
    assert reason_of(refused, rule) == Reason.TOO_DEEP


@BOTH
def test_the_depth_is_that_of_the_deepest_place_whatever_stands_beside_it(rule: Rule) -> None:
    """Brackets that were closed do not count, neither for the depth nor against it."""

    def nested(depth: int) -> bytes:
        return b"[" * depth + b"1" + b"]" * depth

    for outer in (1, 10):
        start, inner = b'{"hashtag_principal":"#IA","timestamp":%d,"x":' % NOW + b"[" * outer, MAX_DEPTH - 1 - outer
        beside = b",".join([nested(60)] * 10)
        for deepest, kind in ((inner, Kind.TWEET), (inner + 1, Kind.REJECT)):
            for inside in (beside + b"," + nested(deepest), nested(deepest) + b"," + beside):
                assert classify(start + inside + b"]" * outer + b"}", NOW, rule).kind is kind


@given(st.integers(-1000, 40_000_000), st.floats(0, 59.99))
def test_a_minute_is_a_window_of_a_minute_in_every_rule(minute: int, within: float) -> None:
    assert minute_of(minute * 60 + within) == minute * 60


@pytest.mark.parametrize("nesting", [100, 400, 600, 800, 850, 900, 950, 990])
def test_the_fate_of_a_nested_record_does_not_depend_on_who_asks(nesting: int) -> None:
    value = b'{"hashtag_principal":"#IA","timestamp":1,"x":' + b"[" * nesting + b"]" * nesting + b"}"
    assert {deeper(frames, value).label for frames in range(0, 400, 20)} in ({"#IA"}, {Reason.TOO_DEEP})


@BOTH
def test_brackets_in_a_text_are_no_nesting(rule: Rule) -> None:
    value = record(texto='["{\\' * 5_000 + "[" * 5_000, timestamp=NOW)
    assert classify(value, NOW, rule) == Verdict(Kind.TWEET, "#IA", NOW)


@BOTH
def test_many_brackets_side_by_side_are_no_nesting(rule: Rule) -> None:
    value = record(more=[[], {}] * 2_000)
    assert classify(value, NOW, rule) == Verdict(Kind.TWEET, "#IA", NOW)


@pytest.mark.row(22)
@BOTH
def test_a_megabyte_of_text_is_still_a_tweet(rule: Rule) -> None:
    assert classify(record(texto="x" * 1_000_000), NOW, rule) == Verdict(Kind.TWEET, "#IA", NOW)


@BOTH
def test_the_longest_hashtag_is_counted_in_characters_not_bytes(rule: Rule) -> None:
    hashtag = "😀" * MAX_HASHTAG
    assert classify(record(hashtag_principal=hashtag), NOW, rule).label == hashtag


@pytest.mark.row(22)
@BOTH
def test_of_duplicate_keys_the_last_one_counts(rule: Rule) -> None:
    value = raw(more=',"hashtag_principal":"#Spark"')
    assert classify(value, NOW, rule) == Verdict(Kind.TWEET, "#Spark", NOW)
    assert reason_of(raw(more=',"hashtag_principal":7'), rule) == Reason.WRONG_TYPE


@BOTH
@pytest.mark.parametrize("hashtag", ["\x1b[2J", "<script>alert(1)</script>", "\u202egnp.exe", "\x00", "a\nb", "#ñandú😀"])
def test_hostile_hashtags_are_counted_as_they_are(hashtag: str, rule: Rule) -> None:
    assert classify(record(hashtag_principal=hashtag), NOW, rule) == Verdict(Kind.TWEET, hashtag, NOW)


NOT_UTF8 = pytest.mark.parametrize("octets", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80"])
UNREAD = pytest.mark.parametrize(
    "place",
    [b'"x":"@"', b'"@":1', b'"x":{"@":1}', b'"x":[[{"y":["@"]}]]', b'"x":{"y":"@"}', b'"mensaje":"@"', b'"contador":{"@":1}'],
)


@pytest.mark.row(22)
@BOTH
@NOT_UTF8
@UNREAD
def test_what_is_no_utf8_is_refused_also_where_nobody_reads(place: bytes, octets: bytes, rule: Rule) -> None:
    value = b'{"hashtag_principal":"#a","timestamp":1,' + place.replace(b"@", octets) + b"}"
    assert reason_of(value, rule) == Reason.BAD_UTF8


@pytest.mark.row(22)
@BOTH
@UNREAD
@pytest.mark.parametrize("escape", [b"\\ud800", b"\\udfff", b"\\udc00\\ud800", b"\\ud800\\ud800", b"\\uD83Dx"])
def test_a_lone_surrogate_is_refused_also_where_nobody_reads(place: bytes, escape: bytes, rule: Rule) -> None:
    start = b'{"hashtag_principal":"#IA","timestamp":%d,' % NOW
    assert reason_of(start + place.replace(b"@", escape) + b"}", rule) == Reason.BAD_JSON
    pair = start + place.replace(b"@", b"\\ud83d\\ude00") + b"}"
    assert classify(pair, NOW, rule) == Verdict(Kind.TWEET, "#IA", NOW)


@BOTH
@pytest.mark.parametrize("content", [None, 1, 1.5, True, "x", [], {"a": [1]}, 10**30])
def test_the_probes_fields_may_hold_anything_in_a_tweet(content: object, rule: Rule) -> None:
    for fields in ({"mensaje": content}, {"contador": content}, {"mensaje": content, "contador": content}):
        assert classify(record(**fields), NOW, rule) == Verdict(Kind.TWEET, "#IA", NOW)


@BOTH
@pytest.mark.parametrize(
    "probe",
    [
        {"mensaje": 1, "contador": 1},
        {"mensaje": "x", "contador": "1"},
        {"mensaje": "x", "contador": 1.5},
        {"mensaje": "x", "contador": 1.0},
        {"mensaje": "x", "contador": True},
        {"mensaje": None, "contador": None},
    ],
)
def test_what_has_not_the_probes_types_is_not_foreign(probe: dict[str, Any], rule: Rule) -> None:
    assert reason_of(record(hashtag_principal=..., **probe), rule) == Reason.NO_HASHTAG
    assert classify(record(hashtag_principal=None, **probe), NOW, rule).kind is Kind.UNTAGGED


@BOTH
@pytest.mark.parametrize("hashtag", [None, ""])
@pytest.mark.parametrize("timestamp", [NOW, 0, 4102444800])
def test_a_tweet_whose_hashtag_is_empty_is_untagged_at_its_append_time(hashtag: str | None, timestamp: float, rule: Rule) -> None:
    value = record(hashtag_principal=hashtag, timestamp=timestamp)
    assert classify(value, NOW, rule) == Verdict(Kind.UNTAGGED, "", NOW)


@BOTH
@pytest.mark.parametrize("hashtag", [None, "", ...])
def test_a_probe_is_foreign_whatever_stands_for_its_missing_hashtag(hashtag: object, rule: Rule) -> None:
    value = record(hashtag_principal=hashtag, mensaje="Hola Kafka", contador=-(10**40))
    assert classify(value, NOW, rule) == Verdict(Kind.FOREIGN, "", NOW)


@BOTH
@pytest.mark.parametrize("version", [2, 0, -1, 1.0, "1", None, True, [1], {"a": 1}])
def test_an_unknown_version_is_a_reason_of_its_own(version: object, rule: Rule) -> None:
    assert reason_of(record(version_esquema=version), rule) == Reason.UNKNOWN_VERSION
    # The next version may give a field another type, or leave it out.
    assert reason_of(record(version_esquema=version, timestamp="soon"), rule) == Reason.UNKNOWN_VERSION
    assert reason_of(record(timestamp="soon", version_esquema=version), rule) == Reason.UNKNOWN_VERSION
    assert reason_of(record(version_esquema=version, hashtag_principal=...), rule) == Reason.UNKNOWN_VERSION


@BOTH
def test_the_known_version_may_be_named(rule: Rule) -> None:
    assert classify(record(version_esquema=1), NOW, rule) == Verdict(Kind.TWEET, "#IA", NOW)
    assert reason_of(record(version_esquema=1, timestamp="soon"), rule) == Reason.WRONG_TYPE


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "usuario": TEXT | st.none(),
        "texto": TEXT | st.integers(),
        "hashtag_principal": TEXT | st.none() | st.just("#" * (MAX_HASHTAG + 1)),
        "timestamp": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**40), 2**40) | st.booleans() | TEXT,
        "version_esquema": st.sampled_from([1, 2, "1"]),
        "idioma": TEXT,
    },
)
SCHEMA = Draft202012Validator(json.loads(json_schema()))


@given(st.builds(Tweet, TEXT, TEXT, TEXT.filter(bool), st.floats(allow_nan=False, allow_infinity=False)))
def test_what_the_producer_sends_keeps_to_the_published_schema(tweet: Tweet) -> None:
    assert SCHEMA.is_valid(json.loads(encode(tweet)))


@given(FIELDS | st.lists(TEXT))
@example({"usuario": "u", "texto": "t", "hashtag_principal": "#" * (MAX_HASHTAG + 1), "timestamp": 1})
def test_what_keeps_to_the_published_schema_is_a_tweet(fields: dict[str, object] | list[str]) -> None:
    if SCHEMA.is_valid(fields):
        assert classify(json.dumps(fields).encode(), NOW, Rule()).kind is Kind.TWEET


@pytest.mark.parametrize(
    ("changes", "valid"),
    [
        ({}, True),
        ({"idioma": "es", "version_esquema": 1}, True),
        ({"version_esquema": 2}, False),
        ({"hashtag_principal": ...}, False),
        ({"hashtag_principal": ""}, False),
        ({"hashtag_principal": "#" * (MAX_HASHTAG + 1)}, False),
        ({"timestamp": "soon"}, False),
        ({"usuario": ...}, False),
    ],
)
def test_the_published_schema_says_what_a_producer_must_keep_to(changes: dict[str, Any], *, valid: bool) -> None:
    assert SCHEMA.is_valid(json.loads(record(**changes))) is valid


@BOTH
def test_unknown_fields_are_nobodys_business(rule: Rule) -> None:
    huge = raw(more=f',"idioma":{"9" * 5000},"likes":1e999')
    assert classify(huge, NOW, rule) == Verdict(Kind.TWEET, "#IA", NOW)


@BOTH
def test_the_probes_messages_are_foreign(rule: Rule) -> None:
    value = b'{"usuario": "User_1", "mensaje": "Hola Kafka", "contador": 1}'
    assert classify(value, NOW, rule) == Verdict(Kind.FOREIGN, "", NOW)


@BOTH
@pytest.mark.parametrize("half", [{"mensaje": "Hola Kafka"}, {"contador": 1}])
def test_half_a_probe_message_is_not_foreign(half: dict[str, Any], rule: Rule) -> None:
    assert reason_of(record(hashtag_principal=..., **half), rule) == Reason.NO_HASHTAG


@BOTH
def test_a_tweet_that_also_has_the_probes_fields_is_a_tweet(rule: Rule) -> None:
    assert classify(record(mensaje="Hola Kafka", contador=1), NOW, rule) == Verdict(Kind.TWEET, "#IA", NOW)


@pytest.mark.row(22)
@given(st.binary(max_size=200) | st.none(), st.sampled_from(RULES))
def test_no_bytes_whatever_stop_the_stream(value: bytes | None, rule: Rule) -> None:
    verdict = classify(value, NOW, rule)
    assert verdict.kind is not Kind.REJECT or verdict.label in set(Reason)


@pytest.mark.row(22)
@settings(max_examples=examples(50))
@given(st.recursive(st.none() | st.booleans() | st.floats() | TEXT | st.integers(), st.lists), st.sampled_from(RULES))
def test_no_json_in_any_field_stops_the_stream(value: object, rule: Rule) -> None:
    for name in ("usuario", "texto", "hashtag_principal", "timestamp", "mensaje", "contador", "version_esquema"):
        verdict = classify(record(**{name: value}), NOW, rule)
        assert verdict.kind is not Kind.TWEET or (isinstance(verdict.label, str) and math.isfinite(verdict.time))
