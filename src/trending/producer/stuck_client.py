"""Noticing a librdkafka client that will never send again, although its broker is back."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from trending.kafka.connection import KafkaConnection

logger = logging.getLogger("trending.producer")

QUIET_SECONDS = 10.0
"""Without an acknowledgement for this long the broker is asked for its leaders; a healthy one acknowledges in milliseconds."""
ASK_SECONDS = 2.0
STUCK_SECONDS = 20.0
"""Leaders known for this long and still no acknowledgement: twice the client's own ``topic.metadata.refresh.interval.ms``."""
AWAY_SECONDS = 10.0
"""Leaders not known for this long: the broker is away. A single question is left unanswered on a busy machine as well."""


class StuckClient:
    """Tells a broker that is away, for which the producer waits, from a client that is stuck and must be replaced.

    A broker that comes back names no leader for a moment. A client that is told so in the answer to its own produce request
    never sends to that partition again, whatever later metadata says. It goes on to queue messages. Its own metadata requests may
    be answered, or not: where the broker went away right after that answer, the client never tried to connect again (record 166).
    Known of librdkafka 2.12 and 2.14 (https://github.com/confluentinc/librdkafka/issues/5430), seen here with 2.16.
    """

    def __init__(self, leaders_known: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._leaders_known = leaders_known
        self._clock = clock
        self._acknowledged = 0
        self._progress = clock()
        self._asked = -ASK_SECONDS
        self._known_since: float | None = None
        self._known = 0.0

    def look(self, acknowledged: int, queued: int) -> bool:
        """Return whether the client is stuck; ``acknowledged`` counts since its start, ``queued`` are its unsent messages.

        Costs nothing while acknowledgements come, and a question to the brokers every two seconds while none do.
        """
        now = self._clock()
        if acknowledged != self._acknowledged or not queued:
            self._acknowledged, self._progress, self._known_since = acknowledged, now, None
            return False
        if now - self._progress < QUIET_SECONDS or now - self._asked < ASK_SECONDS:
            return False
        self._asked = now
        if not self._leaders_known():
            return False
        if self._known_since is None or now - self._known > AWAY_SECONDS:
            self._known_since = now
        self._known = now
        return now - self._known_since >= STUCK_SECONDS


def leaders_known(connection: KafkaConnection, topic: str, timeout: float) -> bool:
    """Return whether a client made for the question is told a leader for each partition within ``timeout`` seconds."""
    try:
        view = AdminClient(connection.client()).list_topics(topic, timeout=timeout).topics[topic]
    except KafkaException as error:
        logger.debug("%s", error)
        return False
    return view.error is None and bool(view.partitions) and all(each.leader >= 0 for each in view.partitions.values())
