"""Operations on topics: create them once, wait for their leaders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.console.reporting import say
from infra.host.clock import SystemClock
from infra.kafka.client import BrokerClient
from infra.kafka.readiness import climb, topic_ladder
from infra.lab.assembly import open_lab
from infra.stack.runtime import Outcome
from trending.stream.dead_letters import MAX_LETTER_BYTES

if TYPE_CHECKING:
    from trending.settings import StackSettings

LEADER_SECONDS = 30.0
TOPIC_SETTINGS = {"message.timestamp.type": "LogAppendTime"}
"""The broker's append time is the arrival time, so that the log can be recounted (SPEC, section 4)."""

LETTER_SETTINGS = {"max.message.bytes": str(MAX_LETTER_BYTES), "message.timestamp.type": "CreateTime"}
"""A letter has the time of the record that it holds, so that retention takes both at about the same time."""
SEGMENTS = 8
"""A log goes by whole segments: with so many it is at most an eighth longer than it may be."""
MIB = 1 << 20
LARGEST_SEGMENT = 1024 * MIB
"""Kafka's own, in bytes; its smallest is 1 MiB."""


def retention(settings: StackSettings) -> dict[str, str]:
    """Return a topic's settings that bound it by time and size: a record goes when it is past either."""
    milliseconds, size = settings.retention_hours * 3_600_000, settings.retention_mb * MIB
    return {
        "retention.ms": str(milliseconds),
        "retention.bytes": str(size),
        "segment.ms": str(milliseconds // SEGMENTS),
        "segment.bytes": str(min(size // SEGMENTS, LARGEST_SEGMENT)),
    }


def dead_letter_topic(topic: str) -> str:
    """Return the name of the topic's dead-letter topic."""
    return f"{topic}.dlq"


def create_topic(stack: str) -> Outcome:
    """Create the tweets' topic and its dead-letter topic unless they exist, wait for their leaders, set their retention."""
    lab = open_lab(stack)
    settings = lab.settings.stack
    client = BrokerClient(lab.stack.connection)
    letters = dead_letter_topic(settings.topic)
    kept = retention(settings)
    created = client.create_topic(settings.topic, settings.partitions, settings.replication, {**TOPIC_SETTINGS, **kept})
    client.create_topic(letters, 1, settings.replication, {**LETTER_SETTINGS, **kept})
    for name in (settings.topic, letters):
        climb(topic_ladder(lab.stack.connection, name), LEADER_SECONDS, SystemClock())
    client.require_topic(settings.topic, settings.partitions, settings.replication, TOPIC_SETTINGS)
    for name in (settings.topic, letters):
        for key, before in client.set_topic(name, kept).items():
            say(f"{name}: {key} was {before} and is {kept[key]} now")
    return Outcome.CREATED if created else Outcome.ADOPTED
