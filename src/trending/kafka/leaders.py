"""Whether a topic can be written to: a broker answers and names a leader for each of its partitions."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

if TYPE_CHECKING:
    from trending.kafka.connection import KafkaConnection

logger = logging.getLogger("trending.kafka")


def leaders_known(connection: KafkaConnection, topic: str, timeout: float) -> bool:
    """Return whether a client of its own is told every leader of the topic within ``timeout`` seconds."""
    try:
        view = AdminClient(connection.client()).list_topics(topic, timeout=timeout).topics[topic]
    except KafkaException as error:
        logger.debug("%s", error)
        return False
    return view.error is None and bool(view.partitions) and all(each.leader >= 0 for each in view.partitions.values())
