from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError, KafkaException
from fakes.trending.acknowledged import acknowledged_ids

from trending.errors import LabError
from trending.kafka.connection import KafkaConnection
from trending.kafka.rejects import Rejects
from trending.producer.ledger import Ledger, read_ledger
from trending.redrive import desk as module
from trending.redrive.choice import Wish
from trending.redrive.desk import Desk
from trending.settings import Rule
from trending.stream.dead_letters import DeadLetters
from trending.tweets.record_id import identity_of
from trending.tweets.rule import minute_of

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.trending.kafka import FakeKafka

ALL = Wish(100)


def tweet(number: int) -> bytes:
    return json.dumps({"hashtag_principal": f"#{number % 3}", "timestamp": 1.0}).encode()


@pytest.fixture
def desk(kafka: FakeKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk with five letters: of four tweets, which an event-time job took for late, and of one record that is none."""
    monkeypatch.setattr(module, "Producer", kafka.producer)
    monkeypatch.setattr(module, "time", kafka.clock)
    for number in range(4):
        kafka.append("tweets", tweet(number), key=b"t1:0123456789ab:%d" % number)
    kafka.append("tweets", b"{")
    connection = KafkaConnection("localhost:9092")
    DeadLetters(connection, "tweets", "letters", 0).write(0, [Rejects.of(0, "late", range(5))])
    ids = kafka.topic_ids
    return Desk(connection, "tweets", ids["tweets"], "letters", ids["letters"], tmp_path / "ledger.sqlite", Rule())


def acknowledged(ledger: Ledger) -> set[tuple[str, int]]:
    return acknowledged_ids(ledger, {})


def test_a_look_changes_nothing(desk: Desk, kafka: FakeKafka) -> None:
    before = len(kafka.producers)
    choice = desk.look(ALL)
    assert ([each.letter for each in choice.mended], [each.letter for each in choice.unfit]) == ([0, 1, 2, 3], [4])
    assert (len(kafka.producers), desk.ledger.exists()) == (before, False)


def test_letters_go_back_under_new_ids_that_the_ledger_has_with_their_places_and_counts(desk: Desk, kafka: FakeKafka) -> None:
    sent = desk.send(ALL)
    records = kafka.records("tweets")[5:]
    assert (sent.letters, [each.value() for each in records]) == (4, [tweet(number) for number in range(4)])
    ledger = read_ledger(desk.ledger)
    ids = {identity_of(record.key(), {}) for record in records}  # type: ignore[arg-type]
    assert ids == acknowledged(ledger) == {(sent.run, number) for number in range(4)}
    assert [dict(each.headers() or [])["origin.id"] for each in records] == [b"0123456789ab:%d" % number for number in range(4)]
    minute = minute_of(kafka.clock.time())
    assert ledger.counts == {(sent.run, minute, "#0"): 2, (sent.run, minute, "#1"): 1, (sent.run, minute, "#2"): 1}
    assert ledger.topics == {sent.run: desk.topic_id}
    (interval,) = ledger.intervals
    assert interval.first_offset == 5


def test_what_was_sent_back_is_not_sent_again(desk: Desk, kafka: FakeKafka) -> None:
    desk.send(ALL)
    assert (desk.look(ALL).mended, desk.look(ALL).done) == ([], 4)
    assert desk.send(ALL).letters == 0
    assert len(kafka.records("tweets")) == 9


def test_letters_of_a_dead_letter_topic_that_was_made_anew_are_others(desk: Desk, kafka: FakeKafka) -> None:
    desk.send(ALL)
    other = Desk(desk.connection, "tweets", desk.topic_id, "letters", "another", desk.ledger, Rule())
    assert len(other.look(ALL).mended) == 4


def test_a_fatal_error_that_meets_a_report_is_told_as_what_it_is(desk: Desk, kafka: FakeKafka) -> None:
    kafka.errors_meet_reports = True
    kafka.reported_errors.append(KafkaError(KafkaError._FENCED, "another redrive came", fatal=True))
    with pytest.raises(LabError, match="no letter was sent back to tweets") as caught:
        desk.send(ALL)
    assert "another redrive came" in caught.value.evidence
    assert acknowledged(read_ledger(desk.ledger)) == set()


@pytest.mark.row(34)
def test_a_refused_letter_sends_none_back_and_the_next_redrive_sends_them_all(desk: Desk, kafka: FakeKafka) -> None:
    kafka.refuse = lambda _topic, value: KafkaError(KafkaError.MSG_SIZE_TOO_LARGE) if value == tweet(2) else None
    with pytest.raises(LabError, match="no letter was sent back to tweets") as caught:
        desk.send(ALL)
    assert caught.value.next_command.startswith("make redrive SEND=1")
    assert len(kafka.records("tweets")) == 5
    assert acknowledged(read_ledger(desk.ledger)) == set()
    kafka.refuse = lambda _topic, _value: None
    assert len(desk.look(ALL).mended) == 4
    assert desk.send(ALL).letters == 4
    assert len(read_ledger(desk.ledger).redriven) == 4, "those that never arrived are struck"


@pytest.mark.row(34)
@pytest.mark.parametrize("committed", [True, False])
def test_what_became_of_a_redrive_that_was_cut_short_is_looked_up(
    desk: Desk, kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch, *, committed: bool
) -> None:
    """The answer to its commit did not come: the transaction may be over or not."""

    def cut_short(configuration: dict[str, object]) -> object:
        producer = kafka.producer(configuration)
        commit = producer.commit_transaction

        def lose(timeout: float) -> None:
            if committed:
                commit(timeout)
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

        producer.commit_transaction = lose  # type: ignore[method-assign]
        return producer

    with monkeypatch.context() as patch:
        patch.setattr(module, "Producer", cut_short)
        with pytest.raises(LabError):
            desk.send(ALL)
    assert acknowledged(read_ledger(desk.ledger)) == set()
    sent = desk.send(ALL)
    assert sent.letters == (0 if committed else 4)
    records = kafka.records("tweets")[5:]
    assert [each.value() for each in records] == [tweet(number) for number in range(4)], "each once"
    ledger = read_ledger(desk.ledger)
    assert {identity_of(each.key(), {}) for each in records} == acknowledged(ledger)  # type: ignore[arg-type]
    assert sum(ledger.counts.values()) == 4


def test_where_retention_has_taken_the_place_nobody_can_tell_and_nothing_is_sent_twice(
    desk: Desk, kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(configuration: dict[str, object]) -> object:
        producer = kafka.producer(configuration)
        monkeypatch.setattr(producer, "commit_transaction", lambda _timeout: (_ for _ in ()).throw(RuntimeError))
        return producer

    with monkeypatch.context() as patch:
        patch.setattr(module, "Producer", dying)
        with pytest.raises(RuntimeError):
            desk.send(ALL)
    kafka.append("tweets", b"later")
    kafka.forget_before("tweets", 0, 8)
    assert desk.send(ALL).letters == 0


def test_a_strangers_key_stays_and_the_id_is_in_the_header(desk: Desk, kafka: FakeKafka) -> None:
    kafka.append("tweets", tweet(1), key=b"orders:17", headers=[("h", b"1")])
    DeadLetters(desk.connection, "tweets", "letters", 0).write(0, [Rejects.of(0, "late", [5])])
    sent = desk.send(ALL)
    record = kafka.records("tweets")[-1]
    assert (record.key(), dict(record.headers() or [])["id"]) == (b"orders:17", f"{sent.run}:4".encode())
