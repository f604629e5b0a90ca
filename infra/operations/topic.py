"""Operations on topics: create them once, wait for their leaders."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from infra.console.reporting import say
from infra.external.rights import WantedTopic
from infra.host.clock import SystemClock
from infra.host.paths import StackPaths
from infra.kafka.client import PROBE_SETTINGS, BrokerClient
from infra.kafka.readiness import climb, topic_ladder
from infra.lab.assembly import Lab, assemble, note_topics, open_lab
from infra.stack.runtime import Outcome, ServiceState
from infra.stack.state import read_state
from trending.errors import InvalidInput, NotReady
from trending.settings import dead_letter_topic
from trending.stream.dead_letters import MAX_LETTER_BYTES

if TYPE_CHECKING:
    from trending.settings import LabSettings, StackSettings

LEADER_SECONDS = 30.0
ASKED_SECONDS = 5.0
TOPIC_SETTINGS = {"message.timestamp.type": "LogAppendTime"}
"""The broker's append time is the arrival time, so that the log can be recounted (SPEC, section 4)."""

LETTER_SETTINGS = {"max.message.bytes": str(MAX_LETTER_BYTES), "message.timestamp.type": "CreateTime"}
"""A letter has the time of the record that it holds, so that retention takes both at about the same time."""
NOT_COMPACTED = {"cleanup.policy": "delete"}
"""A compacted topic loses records that nobody has counted."""
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


def create_topic(stack: str) -> Outcome:
    """Create the tweets' topic and its dead-letter topic unless they exist, wait for their leaders, set their retention."""
    lab = open_lab(stack)
    if lab.stack.external:
        return _create_missing(lab)
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


def create_result_topic(lab: Lab, name: str) -> None:
    """Create a topic for a guest's results, since no topic makes itself here; raises InvalidInput for one of the lab's own."""
    settings = lab.settings.stack
    if name in {settings.topic, dead_letter_topic(settings.topic)}:
        cause = f"{name} is a topic of the lab's own"
        raise InvalidInput(cause, "results need another one", "make evaluate RESULTS=topic:my-results …")
    BrokerClient(lab.stack.connection).create_topic(name, 1, settings.replication, {})
    climb(topic_ladder(lab.stack.connection, name), LEADER_SECONDS, SystemClock())


def check_topic(settings: LabSettings) -> None:
    """Raise ConfigurationConflict for a topic that is there with other settings, where a broker of the stack runs and tells.

    Asked before anything that runs is changed. A broker that does not answer now is waited for later, and the topic judged then.
    """
    wanted, state = settings.stack, read_state(StackPaths.of(settings.stack.name))
    if state is None or _topic_of(state.settings.stack) == _topic_of(wanted):
        return
    lab = assemble(state)
    if lab.stack.external or any(lab.runtime.observe(broker).state is not ServiceState.RUNNING for broker in lab.stack.brokers):
        return
    client = BrokerClient(lab.stack.connection)
    with suppress(NotReady):
        if client.topic(wanted.topic, ASKED_SECONDS) is not None:
            client.require_topic(wanted.topic, wanted.partitions, wanted.replication, TOPIC_SETTINGS)


def _topic_of(settings: StackSettings) -> tuple[str, int, int]:
    return settings.topic, settings.partitions, settings.replication


def wanted_topics(settings: LabSettings) -> tuple[WantedTopic, ...]:
    """Return the topics that a stack uses on an external cluster, with the settings that counting depends on."""
    stack, letters = settings.stack, dead_letter_topic(settings.stack.topic)
    return (
        WantedTopic(stack.topic, stack.partitions, stack.replication, {**TOPIC_SETTINGS, **NOT_COMPACTED}),
        WantedTopic(letters, 1, stack.replication, {**LETTER_SETTINGS, **NOT_COMPACTED}),
        WantedTopic(settings.access.probe_topic, 1, stack.replication, {}),
    )


def _create_missing(lab: Lab) -> Outcome:
    """Create what an external cluster lacks, and record it as made by this stack; a topic that is there stays as it is."""
    client, connection = BrokerClient(lab.stack.connection), lab.stack.connection
    kept, created = retention(lab.settings.stack), []
    for topic in wanted_topics(lab.settings):
        own = PROBE_SETTINGS if topic.name == lab.stack.probe_topic else {**topic.settings, **kept}
        made = client.create_topic(topic.name, topic.partitions, topic.replication, own)
        climb(topic_ladder(connection, topic.name), LEADER_SECONDS, SystemClock())
        there = client.topic(topic.name, LEADER_SECONDS)
        if made and there is not None:
            created.append(topic.name)
            note_topics(lab, {topic.name: there.topic_id})
        else:
            say(f"{topic.name} is there already: its retention and its partitions stay as they are")
    return Outcome.CREATED if created else Outcome.ADOPTED
