"""Operations on topics: create them once, wait for their leaders."""

from __future__ import annotations

from infra.host.clock import SystemClock
from infra.kafka.client import BrokerClient
from infra.kafka.readiness import climb, topic_ladder
from infra.lab.assembly import open_lab
from infra.stack.runtime import Outcome
from trending.stream.dead_letters import MAX_LETTER_BYTES

LEADER_SECONDS = 30.0
TOPIC_SETTINGS = {"message.timestamp.type": "LogAppendTime"}
"""The broker's append time is the arrival time, so that the log can be recounted (SPEC, section 4)."""

LETTER_SETTINGS = {"max.message.bytes": str(MAX_LETTER_BYTES), "message.timestamp.type": "CreateTime"}
"""A letter has the time of the record that it holds."""


def dead_letter_topic(topic: str) -> str:
    """Return the name of the topic's dead-letter topic."""
    return f"{topic}.dlq"


def create_topic(stack: str) -> Outcome:
    """Create the tweets' topic and its dead-letter topic unless they exist, and wait for their leaders."""
    lab = open_lab(stack)
    settings = lab.settings.stack
    client = BrokerClient(lab.stack.connection)
    letters = dead_letter_topic(settings.topic)
    created = client.create_topic(settings.topic, settings.partitions, settings.replication, TOPIC_SETTINGS)
    client.create_topic(letters, 1, settings.replication, LETTER_SETTINGS)
    for name in (settings.topic, letters):
        climb(topic_ladder(lab.stack.connection, name), LEADER_SECONDS, SystemClock())
    client.require_topic(settings.topic, settings.partitions, settings.replication, TOPIC_SETTINGS)
    return Outcome.CREATED if created else Outcome.ADOPTED
