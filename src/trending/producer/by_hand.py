"""One tweet that somebody has written: sent at once, under an id of its own that the ledger has before."""

from __future__ import annotations

import secrets
import time
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from trending.errors import NotReady, endings_passed_on
from trending.kafka.answers import error_of
from trending.producer.ledger_writer import LedgerWriter
from trending.producer.places.opened import opened
from trending.producer.places.tables import BY_HAND
from trending.settings import Rule
from trending.tweets.record_id import record_keys
from trending.tweets.rule import classify

if TYPE_CHECKING:
    from pathlib import Path

    from trending.kafka.connection import KafkaConnection

ANSWER_SECONDS = 10.0
"""The wait for the broker's acknowledgement. What has none by then may be in the log or not: the audit finds out."""
_SETTINGS = {
    "client.id": "trending-by-hand",
    "enable.idempotence": True,
    "compression.type": "lz4",
    "message.timeout.ms": int(ANSWER_SECONDS * 1000),
}


class Sent(NamedTuple):
    """Where a tweet is in the log, and when it was appended, in seconds since the epoch."""

    run: str
    partition: int
    offset: int
    append_time: float


def send_by_hand(connection: KafkaConnection, topic: str, topic_id: str, path: Path, value: bytes) -> Sent:
    """Send one tweet and book it in the ledger at ``path``; raises NotReady where no broker has acknowledged it in time."""
    run = secrets.token_hex(6)
    ledger = opened(path)
    row = {"run": run, "sent_at": f"{time.time():.3f}", "tweet": value.decode()}
    ledger.write(lambda transaction: transaction.execute(BY_HAND.insert().values(row)))
    ledger.close()
    with closing(LedgerWriter(path, run, topic_id)) as writer:
        writer.reserve(1)
        with endings_passed_on():
            message, failure = _produce(connection, topic, record_keys(run, range(1))[0], value)
        offset = None if message is None else message.offset()
        if message is None or offset is None or offset < 0:
            # A broker that knows it from an attempt whose answer was lost tells no offset.
            cause = f"no broker has said within {ANSWER_SECONDS:.0f} s where the tweet is"
            raise NotReady(cause, failure or "it has it from an attempt before", "make audit: it says whether the tweet arrived")
        sent = Sent(run, message.partition() or 0, offset, message.timestamp()[1] / 1000)
        writer.acknowledge(0, sent.partition, sent.offset, sent.append_time, classify(value, sent.append_time, Rule()).label)
    return sent


def _produce(connection: KafkaConnection, topic: str, key: bytes, value: bytes) -> tuple[Message | None, str]:
    """Return the acknowledged message, or None and what the client said last."""
    told: list[tuple[Message | None, str]] = []
    said = [f"{connection.bootstrap} did not answer"]

    def delivered(error: KafkaError | None, message: Message) -> None:
        told.append((None, error.str()) if error is not None else (message, ""))

    producer = Producer(connection.client({**_SETTINGS, "error_cb": lambda error: said.append(error.str())}, silent=False))
    try:
        producer.produce(topic, value, key, on_delivery=delivered)
        producer.flush(ANSWER_SECONDS + 1)
    except (KafkaException, SystemError) as error:
        return None, error_of(error).str()
    return told[0] if told else (None, said[-1])
