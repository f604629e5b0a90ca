"""Operations on topics: create them once, wait for their leaders, resolve where the stream starts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from infra.host.clock import SystemClock
from infra.host.paths import short_hash
from infra.kafka.client import BrokerClient
from infra.kafka.readiness import climb, topic_ladder
from infra.lab.assembly import open_lab
from infra.stack.runtime import Outcome
from trending.errors import AuditFailed
from trending.kafka.log_reader import log_ends, topic_id
from trending.stream.dead_letters import MAX_LETTER_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from infra.lab.assembly import Lab

LEADER_SECONDS = 30.0
TOPIC_SETTINGS = {"message.timestamp.type": "LogAppendTime"}
"""The broker's append time is the arrival time, so that the log can be recounted (SPEC, section 4)."""
JOB_VERSION = "1"
"""Part of the checkpoint's path; increase it when the query changes: Spark refuses another query on an old checkpoint."""


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
    client.create_topic(letters, 1, settings.replication, {"max.message.bytes": str(MAX_LETTER_BYTES)})
    for name in (settings.topic, letters):
        climb(topic_ladder(lab.stack.connection, name), LEADER_SECONDS, SystemClock())
    client.require_topic(settings.topic, settings.partitions, settings.replication, TOPIC_SETTINGS)
    return Outcome.CREATED if created else Outcome.ADOPTED


def resolve_offsets(stack: str) -> dict[int, int]:
    """Return where the stream starts (partition → offset): the log's current end, or the start recorded for its checkpoint.

    ``latest`` is resolved here, once, before submission, so that a driver that is killed early does not skip records.
    """
    lab = open_lab(stack)
    checkpoint = checkpoint_path(lab)
    recorded = start_file(checkpoint)
    if recorded.exists():
        return read_start(recorded)
    ends = {partition: end for partition, (_first, end) in log_ends(lab.stack.connection, lab.settings.stack.topic).items()}
    recorded.parent.mkdir(parents=True, exist_ok=True)
    fresh = recorded.with_suffix(".fresh")
    fresh.write_text(json.dumps(ends), encoding="ascii")
    fresh.replace(recorded)
    return ends


def checkpoint_path(lab: Lab) -> Path:
    """Return the checkpoint's directory. Its name contains everything that makes an old checkpoint unusable for a query.

    These are the cluster and topic (a recreated topic starts at 0 again), the job's version, its window time and partitioning.
    """
    settings = lab.settings
    stream = settings.stream
    key = (
        lab.state.cluster_id,
        topic_id(lab.stack.connection, settings.stack.topic) or "",
        JOB_VERSION,
        stream.window_time.value,
        str(stream.shuffle_partitions),
    )
    return lab.paths.checkpoint(short_hash("|".join(key), 12))


def start_file(checkpoint: Path) -> Path:
    """Return where the start of a checkpoint's range is recorded."""
    return checkpoint.with_suffix(".start.json")


def read_start(path: Path) -> dict[int, int]:
    """Return partition → offset from a start file."""
    offsets: dict[str, int] = json.loads(path.read_text(encoding="ascii"))
    return {int(partition): offset for partition, offset in offsets.items()}


def recorded_start(lab: Lab) -> dict[int, int]:
    """Return the offsets recorded before the first submission, never those of a checkpoint; empty if no job was submitted.

    Raises AuditFailed for a damaged record.
    """
    starts = []
    for path in lab.paths.checkpoints.glob("*.start.json"):
        try:
            starts.append(read_start(path))
        except ValueError as error:
            cause = "where counting began can't be read"
            raise AuditFailed(
                cause,
                f"{path}: {error}",
                f"put {path.name} back; make down NAME={lab.paths.name} VOLUMES=1 deletes the data and starts over",
            ) from error
    return {part: min(start.get(part, 0) for start in starts) for part in set().union(*starts)}


def earlier_records(lab: Lab) -> dict[int, int]:
    """Return partition → start offset, for partitions with records from before this stack began to count."""
    return {part: offset for part, offset in recorded_start(lab).items() if offset}
