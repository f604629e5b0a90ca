"""The five-message probe of SPEC.md section 2: sends five messages to the topic and reads the same ones back."""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from trending.errors import LabError, ProbeFailed
from trending.kafka.log_reader import ends_of, log_ends, open_consumer, to_record
from trending.kafka.open_transactions import held_partitions

if TYPE_CHECKING:
    from collections.abc import Callable

    from trending.kafka.connection import KafkaConnection

MESSAGES = 5
PROBE_HEADER = "probe"
"""Carries this probe's nonce, which tells its messages from everybody else's."""


def probe_message(number: int) -> dict[str, str | int]:
    """Return message ``number`` (1 to 5) with the contract's three fields."""
    return {"usuario": f"User_{number}", "mensaje": "Hola Kafka", "contador": number}


def run_probe(
    connection: KafkaConnection,
    topic: str,
    timeout: float,
    show: Callable[[str], None],
    ensure_topic: Callable[[], object] = lambda: None,
) -> None:
    """Send and read back, printing the contract's lines; raises ProbeFailed naming the cause within ``timeout`` seconds.

    ``ensure_topic`` makes the topic where that is the caller's to do; it is called behind the line that names the address.
    """
    deadline = time.monotonic() + timeout
    nonce = secrets.token_hex(8).encode()
    show(f">>> 1. INICIANDO PRODUTOR (Enviando mensajes a {connection.bootstrap})...")
    try:
        ensure_topic()
        ends = ends_of(log_ends(connection, topic, min(timeout, 10.0)))
        _send(connection, topic, nonce, deadline, show)
        show(f">>> 2. INICIANDO CONSUMIDOR (Leyendo de {topic})...")
        _receive(connection, topic, nonce, ends, deadline, show)
    except KafkaException as error:
        cause = f"the five messages could not travel through {topic}"
        raise ProbeFailed(cause, str(error), "make status") from error
    except ProbeFailed:
        raise
    except LabError as error:
        raise ProbeFailed(error.cause, error.evidence, error.next_command) from error
    show(">>> Consumidor finalizado con éxito. ¡TODO FUNCIONA!")


def _send(connection: KafkaConnection, topic: str, nonce: bytes, deadline: float, show: Callable[[str], None]) -> None:
    producer = Producer(connection.client({"enable.idempotence": True}, silent=False))
    for number in range(1, MESSAGES + 1):
        message = probe_message(number)
        outcome: list[KafkaError | None] = []

        def delivered(error: KafkaError | None, _message: Message, outcome: list[KafkaError | None] = outcome) -> None:
            outcome.append(error)

        value = json.dumps(message).encode()
        producer.produce(topic, value, headers=[(PROBE_HEADER, nonce)], on_delivery=delivered)
        producer.flush(max(0.0, deadline - time.monotonic()))
        if not outcome or outcome[0] is not None:
            cause = f"message {number} was not acknowledged by {connection.bootstrap}"
            raise ProbeFailed(cause, str(outcome[0]) if outcome else "no answer before the deadline", "make status")
        show(f"[OK] Enviado: {message}")


def _receive(
    connection: KafkaConnection,
    topic: str,
    nonce: bytes,
    start: dict[int, int],
    deadline: float,
    show: Callable[[str], None],
) -> None:
    consumer = open_consumer(connection)
    missing = {json.dumps(probe_message(number)).encode(): number for number in range(1, MESSAGES + 1)}
    # Partitions have no order among each other, the contract's lines have: what comes early waits for its turn.
    early: dict[int, bytes] = {}
    turn = 1
    try:
        consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in start.items()])
        while missing and time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is None:
                continue
            record = to_record(message)
            if record.headers.get(PROBE_HEADER) != nonce or record.value is None:
                continue
            number = missing.pop(record.value, None)
            if number is not None:
                early[number] = record.value
            while turn in early:
                show(f"[OK] Recibido: {json.loads(early.pop(turn))}")
                turn += 1
    finally:
        consumer.close()
    if missing:
        for number in sorted(early):
            show(f"[OK] Recibido: {json.loads(early[number])}")
        cause = f"messages {sorted(missing.values())} were acknowledged and did not come back in time"
        held = "; ".join(map(str, held_partitions(connection, topic, 0.0)))
        raise ProbeFailed(cause, held or f"read from {topic} at {start}", "make status")
