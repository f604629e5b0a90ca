"""Where a topic's log begins now: what lies before that retention has taken, and bookkeeping about it can be summarised."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException, TopicPartition

from trending.errors import NotReady
from trending.kafka.log_reader import is_end, log_ends, open_consumer, to_record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trending.kafka.connection import KafkaConnection

logger = logging.getLogger("trending.kafka")

LOOK_SECONDS = 60.0
"""How often a program looks: what grows by minutes is pruned by minutes."""
ANSWER_SECONDS = 2.0
"""Less than a heartbeat may be old: a producer sends nothing meanwhile."""
MARGIN_SECONDS = 7200
"""So much older than the log's first record must be what is pruned: times may go back by an hour, and a tweet may be late."""


@dataclass(frozen=True, slots=True)
class LogStart:
    """``firsts`` are partition → first offset. ``since`` is the earliest append time of the records that open the partitions.

    It is in seconds since the epoch, and of the look itself where no partition has a record.
    """

    firsts: Mapping[int, int]
    since: float

    @property
    def gone_until(self) -> int:
        """The time up to which no partition has any record: whatever was appended before it, retention has taken."""
        return int(self.since) - MARGIN_SECONDS


def log_start(connection: KafkaConnection, topic: str, timeout: float = ANSWER_SECONDS) -> LogStart:
    """Look where each partition begins; raises NotReady where that can't be told within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    since = time.time()
    firsts = {partition: first for partition, (first, _end) in log_ends(connection, topic, timeout).items()}
    consumer = open_consumer(connection, end_events=True, own={"queued.min.messages": 1})
    try:
        for partition, first in firsts.items():
            consumer.assign([TopicPartition(topic, partition, first)])
            message = consumer.poll(max(0.0, deadline - time.monotonic()))
            if message is None:
                cause = f"the first record of {topic} cannot be read within {timeout:.0f} s"
                raise NotReady(cause, f"partition {partition}, offset {first}", "make status")
            if not is_end(message):
                since = min(since, to_record(message).append_time)
    except KafkaException as error:
        cause = f"the first records of {topic} cannot be read"
        raise NotReady(cause, str(error), "make status") from error
    finally:
        consumer.close()
    return LogStart(firsts, since)


class LogStartWatch:
    """Looks now and then where a topic begins, for a program that prunes what it has written about it."""

    def __init__(self, connection: KafkaConnection, topic: str) -> None:
        self._connection = connection
        self._topic = topic
        self._looked: float | None = None

    def look(self, now: float) -> LogStart | None:
        """Return where the log begins, once in ``LOOK_SECONDS``; None in between, and where nobody answers: it waits.

        ``now`` is in seconds since the epoch. The first look is due a while after the first call, when a program has begun.
        """
        if self._looked is None:
            self._looked = now
        if abs(now - self._looked) < LOOK_SECONDS:
            return None
        self._looked = now
        try:
            return log_start(self._connection, self._topic)
        except NotReady as error:
            logger.info("nothing is pruned this time: %s", error)
            return None
