"""Writing in transactions: all of it is there, or nothing, and only the one that came last may write under a name."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException

from trending.kafka.open_transactions import LONGEST_SECONDS

if TYPE_CHECKING:
    from collections.abc import Collection

    from confluent_kafka import Producer

DEADLINE_SECONDS = 30.0
"""How long a step of a transaction may take, and a message to be acknowledged."""


def letters_id(dead_letter_topic: str) -> str:
    """Return the transactional id of whoever writes the dead letters.

    One name for the topic and not for the checkpoint: the job of another checkpoint must be refused too.
    """
    return f"{dead_letter_topic}-letters"


def redrive_id(topic: str) -> str:
    """Return the transactional id with which mended letters go back to the topic."""
    return f"{topic}-redrive"


def transaction_settings(name: str) -> dict[str, object]:
    """Return the settings of a producer that writes in transactions of this name."""
    return {
        "transactional.id": name,
        "transaction.timeout.ms": LONGEST_SECONDS * 1000,
        "message.timeout.ms": int(DEADLINE_SECONDS * 1000),
    }


def end_transaction(producer: Producer, failures: Collection[KafkaError]) -> KafkaError | None:
    """Wait for what was sent, and commit it; returns None. Where something failed, abort and return the first failure.

    ``failures`` is filled by the reports, which come while it waits. Raises KafkaException as the client does.
    """
    left = producer.flush(DEADLINE_SECONDS)
    if not left and not failures:
        producer.commit_transaction(DEADLINE_SECONDS)
        return None
    with suppress(KafkaException):  # the next one of this name would end it too
        producer.abort_transaction(DEADLINE_SECONDS)
    return next(iter(failures), KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - librdkafka's own name
