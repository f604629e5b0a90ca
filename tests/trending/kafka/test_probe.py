from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError

from trending.errors import ProbeFailed
from trending.kafka.connection import KafkaConnection
from trending.kafka.probe import run_probe
from trending.settings import Rule, WindowTime
from trending.tweets.rule import Kind, classify

if TYPE_CHECKING:
    from fakes.trending.kafka import FakeKafka, FakeMessage

CONTRACT = """\
>>> 1. INICIANDO PRODUTOR (Enviando mensajes a localhost:9092)...
[OK] Enviado: {'usuario': 'User_1', 'mensaje': 'Hola Kafka', 'contador': 1}
[OK] Enviado: {'usuario': 'User_2', 'mensaje': 'Hola Kafka', 'contador': 2}
[OK] Enviado: {'usuario': 'User_3', 'mensaje': 'Hola Kafka', 'contador': 3}
[OK] Enviado: {'usuario': 'User_4', 'mensaje': 'Hola Kafka', 'contador': 4}
[OK] Enviado: {'usuario': 'User_5', 'mensaje': 'Hola Kafka', 'contador': 5}
>>> 2. INICIANDO CONSUMIDOR (Leyendo de tweets)...
[OK] Recibido: {'usuario': 'User_1', 'mensaje': 'Hola Kafka', 'contador': 1}
[OK] Recibido: {'usuario': 'User_2', 'mensaje': 'Hola Kafka', 'contador': 2}
[OK] Recibido: {'usuario': 'User_3', 'mensaje': 'Hola Kafka', 'contador': 3}
[OK] Recibido: {'usuario': 'User_4', 'mensaje': 'Hola Kafka', 'contador': 4}
[OK] Recibido: {'usuario': 'User_5', 'mensaje': 'Hola Kafka', 'contador': 5}
>>> Consumidor finalizado con éxito. ¡TODO FUNCIONA!"""


def probe(timeout: float = 30.0) -> list[str]:
    shown: list[str] = []
    run_probe(KafkaConnection("localhost:9092"), "tweets", timeout, shown.append)
    return shown


def failed_probe(timeout: float = 30.0) -> tuple[ProbeFailed, list[str]]:
    shown: list[str] = []
    with pytest.raises(ProbeFailed) as caught:
        run_probe(KafkaConnection("localhost:9092"), "tweets", timeout, shown.append)
    assert "¡TODO FUNCIONA!" not in "\n".join(shown)
    return caught.value, shown


def message(number: int) -> bytes:
    return json.dumps({"usuario": f"User_{number}", "mensaje": "Hola Kafka", "contador": number}).encode()


def lose(kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch, *numbers: int) -> None:
    """Have the broker acknowledge messages and put something else in their place."""
    append = kafka.append
    lost = {message(number) for number in numbers}

    def forgetful(topic: str, value: bytes | None, **details: object) -> FakeMessage:
        return append(topic, b"gone" if value in lost else value, **details)

    monkeypatch.setattr(kafka, "append", forgetful)


def test_the_probe_prints_exactly_the_contracts_lines(kafka: FakeKafka) -> None:
    assert "\n".join(probe()) == CONTRACT
    assert kafka.values("tweets") == [message(number) for number in range(1, 6)]


def test_the_probes_messages_are_foreign_to_the_ranking(kafka: FakeKafka) -> None:
    probe()
    assert {classify(value, 1.0, Rule(mode)).kind for value in kafka.values("tweets") for mode in WindowTime} == {Kind.FOREIGN}


def test_everything_else_in_the_topic_is_ignored(kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        kafka.append("tweets", message(number + 1))
    append = kafka.append

    def amid_traffic(topic: str, value: bytes | None, **details: object) -> FakeMessage:
        append(topic, b'{"hashtag_principal": "#IA"}', headers=[("id", "run:1")])
        append(topic, message(5))
        append(topic, message(4), headers=[("probe", "another probe")])
        append(topic, None)
        append(topic, b"\xff{")
        return append(topic, value, **details)

    monkeypatch.setattr(kafka, "append", amid_traffic)
    assert "\n".join(probe()) == CONTRACT


def test_a_message_of_its_own_that_was_altered_or_emptied_does_not_count(
    kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = kafka.append

    def altering(topic: str, value: bytes | None, **details: object) -> FakeMessage:
        return append(topic, {message(2): None, message(3): b"\xff"}.get(value or b"", value), **details)

    monkeypatch.setattr(kafka, "append", altering)
    error, shown = failed_probe()
    assert error.cause == "messages [2, 3] were acknowledged and did not come back in time"
    assert len([line for line in shown if line.startswith("[OK] Recibido")]) == 3


def test_a_second_probe_does_not_take_the_first_ones_messages_for_its_own(
    kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe()
    lose(kafka, monkeypatch, 1, 2, 3, 4, 5)
    error, _shown = failed_probe()
    assert error.cause == "messages [1, 2, 3, 4, 5] were acknowledged and did not come back in time"


def test_another_probes_message_at_the_same_time_does_not_stand_in_for_a_lost_one(
    kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = kafka.append

    def crossing(topic: str, value: bytes | None, **details: object) -> FakeMessage:
        append(topic, value, headers=[("probe", "another probe")])
        return append(topic, b"gone" if value == message(4) else value, **details)

    monkeypatch.setattr(kafka, "append", crossing)
    error, _shown = failed_probe()
    assert error.cause == "messages [4] were acknowledged and did not come back in time"


def test_a_message_twice_in_the_log_is_printed_once(kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    append = kafka.append

    def stuttering(topic: str, value: bytes | None, **details: object) -> FakeMessage:
        append(topic, value, **details)
        return append(topic, value, **details)

    monkeypatch.setattr(kafka, "append", stuttering)
    assert "\n".join(probe()) == CONTRACT


@pytest.mark.parametrize("last_partition_first", [False, True])
def test_over_several_partitions_the_lines_still_come_in_order(kafka: FakeKafka, *, last_partition_first: bool) -> None:
    # Partitions have no order among each other; the contract's lines do.
    kafka.create("tweets", partitions=3)
    kafka.last_partition_first = last_partition_first
    kafka.append("tweets", message(1), partition=2)
    producer = kafka.producer

    def spreading(configuration: dict[str, object]) -> object:
        made = producer(configuration)
        made._turn = 1
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trending.kafka.probe.Producer", spreading)
        assert "\n".join(probe()) == CONTRACT


def test_a_message_that_does_not_come_back_is_named(kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    lose(kafka, monkeypatch, 3)
    began = kafka.clock.monotonic()
    error, shown = failed_probe(timeout=7.0)
    assert error.cause == "messages [3] were acknowledged and did not come back in time"
    assert error.exit_code == 8
    assert 7.0 <= kafka.clock.monotonic() - began < 8.0
    assert "[OK] Recibido: {'usuario': 'User_3', 'mensaje': 'Hola Kafka', 'contador': 3}" not in shown


def test_a_message_that_was_refused_is_named_with_the_brokers_reason(kafka: FakeKafka) -> None:
    kafka.refuse = lambda _topic, value: KafkaError(KafkaError._MSG_TIMED_OUT) if value == message(4) else None
    error, shown = failed_probe()
    assert error.cause == "message 4 was not acknowledged by localhost:9092"
    assert "_MSG_TIMED_OUT" in error.evidence
    assert shown[-1] == "[OK] Enviado: {'usuario': 'User_3', 'mensaje': 'Hola Kafka', 'contador': 3}"


@pytest.mark.row(12)
def test_a_frozen_broker_fails_the_probe_within_its_deadline(kafka: FakeKafka) -> None:
    kafka.frozen = True
    began = kafka.clock.monotonic()
    error, shown = failed_probe(timeout=5.0)
    assert (error.cause, error.evidence) == ("message 1 was not acknowledged by localhost:9092", "no answer before the deadline")
    assert len(shown) == 1
    assert kafka.clock.monotonic() - began <= 5.5


@pytest.mark.row(30)
def test_an_absent_broker_fails_the_probe_with_its_address(kafka: FakeKafka) -> None:
    kafka.unreachable = True
    error, shown = failed_probe()
    assert "localhost:9092" in error.cause
    assert "_TRANSPORT" in error.evidence
    assert shown == [">>> 1. INICIANDO PRODUTOR (Enviando mensajes a localhost:9092)..."]


def test_what_the_client_throws_becomes_a_failed_probe(kafka: FakeKafka) -> None:
    kafka.refuse_to_queue = KafkaError(KafkaError._UNKNOWN_TOPIC)
    error, _shown = failed_probe()
    assert error.cause == "the five messages could not travel through tweets"
    assert "_UNKNOWN_TOPIC" in error.evidence


def test_a_log_that_breaks_off_fails_the_probe(kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    append = kafka.append

    def with_retention(topic: str, value: bytes | None, **details: object) -> FakeMessage:
        made = append(topic, value, **details)
        kafka.forget_before("tweets", 0, len(kafka.logs["tweets"][0]))
        return made

    monkeypatch.setattr(kafka, "append", with_retention)
    error, _shown = failed_probe()
    assert error.cause == "tweets cannot be read"


def test_every_connection_is_closed(kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    probe()
    lose(kafka, monkeypatch, 1)
    failed_probe(timeout=1.0)
    assert kafka.consumers
    assert all(consumer.closed for consumer in kafka.consumers)
