"""How far a program has come, as offsets of a consumer group: Kafka's own tools show its lag by them. Nothing here reads them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    from trending.kafka.connection import KafkaConnection

logger = logging.getLogger("trending.kafka")

REQUEST_SECONDS = 10.0


class ShownOffsets:
    """Commits offsets to a group without members, and waits for no answer. A failure is said once and stops nothing."""

    def __init__(self, connection: KafkaConnection, group: str, topic: str) -> None:
        self._connection = connection
        self._group = group
        self._topic = topic
        self._admin: AdminClient | None = None
        self._asked: Future[ConsumerGroupTopicPartitions] | None = None
        self._said = False

    def commit(self, ends: Mapping[int, int]) -> None:
        """Commit partition → offset behind the last record that is done; of an earlier commit say whether it failed."""
        if self._asked is not None and self._asked.done() and (error := self._asked.exception()) is not None:
            self._say(error)
        if not ends:
            return
        places = [TopicPartition(self._topic, part, end) for part, end in sorted(ends.items())]
        try:
            if self._admin is None:
                self._admin = AdminClient(self._connection.client())
            request = [ConsumerGroupTopicPartitions(self._group, places)]
            self._asked = self._admin.alter_consumer_group_offsets(request, request_timeout=REQUEST_SECONDS)[self._group]
        except KafkaException as error:
            self._say(error)

    def _say(self, error: BaseException) -> None:
        if not self._said:
            self._said = True
            logger.warning("the lag is not shown in the consumer group %s, nothing else depends on it: %s", self._group, error)
