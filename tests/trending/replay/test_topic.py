from __future__ import annotations

import json
from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec
import pytest
from fakes.trending.kafka import MIDNIGHT
from fakes.trending.sources.replays import Stage
from hypothesis import given
from hypothesis import strategies as st

from trending.errors import NotReady
from trending.kafka.connection import KafkaConnection
from trending.kafka.log_reader import Record
from trending.replay.items import Pace, Times
from trending.replay.topic import TopicItems, records_of
from trending.settings import Rule
from trending.tweets.fates import label_of
from trending.tweets.record_id import identity_of
from trending.tweets.rule import Kind, classify

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.trending.kafka import FakeKafka, FakeMessage

    from trending.replay.items import Item

CONNECTION = KafkaConnection("localhost:9092")
SECOND = 1_000_000


def tweet(tag: str, timestamp: float, **more: object) -> bytes:
    return json.dumps({"hashtag_principal": tag, "timestamp": timestamp, **more}).encode()


def labels(messages: list[FakeMessage]) -> list[str]:
    return [classify(each.value(), 0, Rule()).label for each in messages]


def items_of(*records: Record, speed: int = 10) -> tuple[list[Item], TopicItems]:
    made = TopicItems("old")
    return list(made.items(records, Pace(MIDNIGHT * SECOND, Fraction(speed)))), made


def record(value: bytes | None, after: float = 0.0, **more: object) -> Record:
    headers = more.pop("headers", ())
    return Record(2, 7, MIDNIGHT + after, value, dict(headers), all_headers=tuple(headers), **more)  # type: ignore[arg-type, call-overload]


def test_a_topic_is_read_in_the_order_of_its_append_times_up_to_where_it_ends_now(kafka: FakeKafka) -> None:
    kafka.create("old", 3)
    for number in range(60):
        kafka.append("old", b"%d" % number, partition=number * 7 % 3)
        kafka.clock.now += 1
    with records_of(CONNECTION, "old") as (total, records):
        kafka.append("old", b"later")
        assert total == 60
        assert [each.value for each in records] == [b"%d" % number for number in range(60)]
    kafka.unreachable = True
    with pytest.raises(NotReady), records_of(CONNECTION, "old"):
        pass


def test_a_reader_that_stops_early_leaves_nothing_open(kafka: FakeKafka) -> None:
    kafka.create("old", 2)
    for partition in (0, 1):
        kafka.append("old", b"a", partition=partition)
    with records_of(CONNECTION, "old") as (_total, records):
        next(records)
    assert len(kafka.consumers) >= 2
    assert all(each.closed for each in kafka.consumers)


def test_timestamps_are_those_of_the_new_pace_and_the_old_ones_are_in_a_header() -> None:
    (item,), _made = items_of(record(tweet("#a", MIDNIGHT + 20.5, other=[1, {"b": 2}]), 30, key=b"t1:0123456789ab:7"))
    assert (item.due, item.stamp, item.partition, item.key, item.label) == (3 * SECOND, 2_050_000, 2, None, "#a")
    value = msgspec.json.decode(item.at(5_000 * SECOND) or b"")
    assert value == {"hashtag_principal": "#a", "other": [1, {"b": 2}], "timestamp": 5_002.05}
    assert item.headers == (("origin.id", b"0123456789ab:7"), ("origin.time", b"2025-12-16T00:00:20.500000Z"))


def test_what_is_no_tweet_goes_as_it_is_and_the_testers_records_are_left_out() -> None:
    items, made = items_of(record(b"{"), record(None), record(b'{"mensaje":"x","contador":1}'), record(b'{"timestamp":1}'))
    assert [item.at(1) for item in items] == [b"{", None, b'{"timestamp":1}']
    assert all(item.label.startswith("refused: ") for item in items)
    assert made.left_out == 1
    assert made.rejected == {"not valid JSON": 1, "tombstone": 1, "hashtag_principal is missing": 1}


def test_keys_and_headers_of_strangers_are_left_alone_and_so_is_the_first_origin() -> None:
    headers = (("id", b"not ours"), ("trace", b"7"), ("origin.time", b"long ago"))
    (item,), _made = items_of(record(tweet("#a", MIDNIGHT), key=b"orders:17", headers=headers))
    assert item.key == b"orders:17"
    assert item.headers == (("trace", b"7"), ("origin.time", b"long ago"), ("origin.id", b"not ours"))
    (item,), _made = items_of(record(tweet("#a", MIDNIGHT), key=b"orders:17"))
    assert item.headers[0] == ("origin.id", b"old/2/7")


@pytest.mark.parametrize("timestamp", [1e308, -1e308, 1e11])
def test_a_timestamp_that_has_no_date_stays_as_it_is(timestamp: float) -> None:
    (item,), _made = items_of(record(tweet("#a", timestamp)))
    assert item.at(1) == tweet("#a", timestamp)


def test_with_original_times_every_value_stays_as_it_is() -> None:
    records = [record(tweet("#a", MIDNIGHT + 20.5), 30), record(b"{"), record(None)]
    items = list(TopicItems("old", Times.ORIGINAL).items(records, Pace(MIDNIGHT * SECOND, Fraction(10))))
    assert [item.at(5_000 * SECOND) for item in items] == [each.value for each in records]
    assert [item.due for item in items] == [3 * SECOND, 0, 0]
    assert items[0].label == "#a"
    assert [name for name, _value in items[0].headers] == ["origin.id"]


def test_one_from_before_our_era_has_no_iso_form() -> None:
    (item,), _made = items_of(record(tweet("#a", -7e10)))
    assert item.headers[-1] == ("origin.time", b"-70000000000.0")


bodies = st.dictionaries(
    st.sampled_from(["usuario", "texto", "hashtag_principal", "timestamp", "mensaje", "contador", "version_esquema", "x"]),
    st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5) | st.lists(st.none()),
).map(lambda body: json.dumps(body).encode())


@given(bodies | st.binary(max_size=50), st.integers(0, 10**10))
def test_whatever_a_record_is_it_is_the_same_after_a_replay_and_booked_as_that(body: bytes, begin: int) -> None:
    before = classify(body, MIDNIGHT, Rule())
    items, _made = items_of(record(body))
    if before.kind is Kind.FOREIGN:
        assert items == []
        return
    (item,) = items
    after = classify(item.at(begin), MIDNIGHT, Rule())
    assert (after.kind, after.label) == (before.kind, before.label)
    assert item.label == label_of(after)


def test_into_another_topic_it_is_all_there_in_its_order_booked_under_new_ids(kafka: FakeKafka, tmp_path: Path) -> None:
    kafka.create("old", 2)
    kafka.create("tweets", 2)
    for number in range(200):
        key = b"orders:17" if number % 9 == 0 else b"t1:0123456789ab:%d" % number
        value = b"{" if number % 10 == 3 else tweet(f"#{number % 4}", kafka.clock.time())
        kafka.append("old", value, partition=number // 20 % 2, key=key)
        kafka.clock.now += 0.5
    stage = Stage(kafka, tmp_path)
    with records_of(CONNECTION, "old") as (_total, records):
        replayed, beat = stage.replay(TopicItems("old").items(records, Pace(round((MIDNIGHT + 1000) * SECOND), Fraction(10))))
    assert beat.figures["acknowledged"] == 200
    for partition in (0, 1):
        before, after = kafka.records("old", partition), kafka.records("tweets", partition)
        assert [classify(each.value(), 0, Rule()).label for each in after] == [
            classify(each.value(), 0, Rule()).label for each in before
        ]
        assert [each.key() for each in after if each.key() == b"orders:17"] == [
            each.key() for each in before if each.key() == b"orders:17"
        ]
        identities = [identity_of(each.key(), dict(each.headers() or [])) for each in after]  # type: ignore[arg-type]
        assert all(identity is not None and identity[0] == replayed.run for identity in identities)
    stage.require_booked()
