"""Transactions that somebody left open: they hold every reader of committed records at the offset where they begin."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from trending.errors import NotReady
from trending.kafka.answers import answer_of, asked_again

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trending.kafka.connection import KafkaConnection

LONGEST_SECONDS = 60
"""How long a transaction may stay open on the lab's brokers (transaction.max.timeout.ms); Kafka's own limit is 15 minutes."""
SWEEP_SECONDS = 10
"""How often a broker looks for transactions that have been open for too long."""
TOLD_SECONDS = 5.0
"""A transaction that has been open for so long is told of; ordinary ones last some hundredths of a second."""


@dataclass(frozen=True, slots=True)
class Held:
    """A partition whose readers stand at ``stable``, though the log goes on to ``end``."""

    partition: int
    stable: int
    end: int

    def __str__(self) -> str:
        waiting = f"{self.end - self.stable} offsets wait behind it"
        ending = f"the broker ends it {LONGEST_SECONDS} to {LONGEST_SECONDS + SWEEP_SECONDS} s after its begin, nothing is broken"
        return f"an open transaction holds partition {self.partition} at offset {self.stable}, {waiting}; {ending}"


def held_partitions(connection: KafkaConnection, topic: str, seconds: float, timeout: float = 10.0) -> list[Held]:
    """Return the partitions that have been held for ``seconds``, in order; raises NotReady when no broker answers.

    A transaction that has just begun holds its partition too. So the record that comes next must be older than that.
    """
    admin = AdminClient(connection.client())
    try:
        view = asked_again(lambda: admin.list_topics(topic, timeout=timeout)).topics[topic]
        partitions = sorted(view.partitions)
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        stable = _offsets(admin, topic, partitions, latest, IsolationLevel.READ_COMMITTED, timeout)
        ends = _offsets(admin, topic, partitions, latest, IsolationLevel.READ_UNCOMMITTED, timeout)
        held = [part for part in partitions if stable[part] < ends[part]]
        since = OffsetSpec.for_timestamp(int((time.time() - seconds) * 1000))
        young = _offsets(admin, topic, held, since, IsolationLevel.READ_UNCOMMITTED, timeout) if held else {}
    except (KafkaException, TimeoutError) as error:
        cause = f"the transactions of {topic} cannot be looked at"
        raise NotReady(cause, str(error), "make status") from error
    # Kafka answers a negative offset where every record is older.
    return [Held(part, stable[part], ends[part]) for part in held if young[part] < 0 or young[part] > stable[part]]


def _offsets(
    admin: AdminClient, topic: str, partitions: list[int], which: OffsetSpec, level: IsolationLevel, timeout: float
) -> Mapping[int, int]:
    places = {TopicPartition(topic, partition): which for partition in partitions}

    def ask() -> Mapping[int, int]:
        answers = admin.list_offsets(places, isolation_level=level, request_timeout=timeout)
        return {place.partition: answer_of(future, timeout + 1).offset for place, future in answers.items()}

    return asked_again(ask)
