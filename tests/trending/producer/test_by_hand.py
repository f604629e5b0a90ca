"""A tweet that somebody sends by hand is in the ledger as any other, and is no life of the producer."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError
from fakes.trending.acknowledged import acknowledged_ids

from trending.errors import NotReady
from trending.kafka.connection import KafkaConnection
from trending.producer.by_hand import Sent, send_by_hand
from trending.producer.ledger import read_ledger
from trending.producer.ledger_writer import LedgerWriter
from trending.producer.places.opened import opened
from trending.producer.reading_back import lives_in
from trending.programs.specifications import ProducerSpec
from trending.settings import ProducerSettings
from trending.tweets.record_id import parse_record_key
from trending.tweets.rule import minute_of
from trending.tweets.wire_format import Tweet, encode

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.trending.kafka import FakeKafka

VALUE = encode(Tweet("@Clase", "hola #Clase", "#Clase", 1765845070.0))


@pytest.fixture
def ledger(kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    kafka.create("tweets", 2)
    monkeypatch.setattr("trending.producer.by_hand.Producer", kafka.producer)
    return tmp_path / "ledger.sqlite"


def send(ledger: Path) -> Sent:
    return send_by_hand(KafkaConnection("localhost:9092"), "tweets", "topic-1", ledger, VALUE)


def test_it_is_in_the_log_and_in_the_ledger_under_one_id(kafka: FakeKafka, ledger: Path) -> None:
    sent = send(ledger)
    (message,) = kafka.records("tweets", sent.partition)
    assert message.value() == VALUE
    key = message.key()
    assert isinstance(key, bytes)
    assert parse_record_key(key) == (sent.run, 0)
    found = read_ledger(ledger)
    assert acknowledged_ids(found, {}) == {(sent.run, 0)}
    assert found.counts == {(sent.run, minute_of(sent.append_time), "#Clase"): 1}
    assert found.topics == {sent.run: "topic-1"}


def test_what_no_broker_acknowledges_is_unknown_and_nothing_else(kafka: FakeKafka, ledger: Path) -> None:
    kafka.frozen = True
    with pytest.raises(NotReady, match="where the tweet is") as caught:
        send(ledger)
    assert "localhost:9092 did not answer" in caught.value.evidence
    found = read_ledger(ledger)
    assert (acknowledged_ids(found, {}), found.counts, found.failed) == (set(), {}, 0)
    assert list(found.reserved.values()) == [1]


def test_a_refused_one_is_told_with_the_brokers_words(kafka: FakeKafka, ledger: Path) -> None:
    kafka.refuse = lambda _topic, _value: KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(NotReady) as caught:
        send(ledger)
    assert "uthoriz" in caught.value.evidence
    assert acknowledged_ids(read_ledger(ledger), {}) == set()


def test_one_without_an_offset_is_booked_nowhere(kafka: FakeKafka, ledger: Path) -> None:
    kafka.duplicates = lambda _value: True
    with pytest.raises(NotReady, match="where the tweet is"):
        send(ledger)
    assert acknowledged_ids(read_ledger(ledger), {}) == set()


def test_it_is_no_life_of_the_producer(ledger: Path, tmp_path: Path) -> None:
    life = LedgerWriter(ledger, "a" * 12, "topic-1")
    life.reserve(5)
    life.close()
    send(ledger)
    spec = ProducerSpec(
        bootstrap="localhost:9092",
        topic="tweets",
        heartbeat=tmp_path / "producer.json",
        settings=ProducerSettings(),
        topic_id="topic-1",
        ledger=ledger,
    )
    with closing(opened(spec.ledger)) as known:
        lives = lives_in(known, spec.topic_id)
    assert lives == ["a" * 12], "the next life reads back what that one has left, and nothing of this tweet"
