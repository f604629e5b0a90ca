"""Operations on topics: create them once, wait for their leaders, resolve where the stream starts."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from infra.host.clock import SystemClock
from infra.host.paths import short_hash
from infra.kafka.client import BrokerClient
from infra.kafka.readiness import climb, topic_ladder
from infra.lab.assembly import open_lab
from infra.stack.runtime import Outcome
from trending.errors import AuditFailed, NotReady
from trending.kafka.log_reader import log_ends, topic_id
from trending.stream.checkpoint import first_offsets
from trending.stream.dead_letters import MAX_LETTER_BYTES
from trending.stream.soundness import damaged_by

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from infra.lab.assembly import Lab

LEADER_SECONDS = 30.0
TOPIC_SETTINGS = {"message.timestamp.type": "LogAppendTime"}
"""The broker's append time is the arrival time, so that the log can be recounted (SPEC, section 4)."""
START_SUFFIX = ".start.json"
ASIDE = ".aside-"
"""Part of the names of checkpoints that `make rebuild` set aside."""
JOB_VERSION = "2"
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
        try:
            return read_start(recorded)
        except ValueError as error:
            raise damaged_by(recorded, error) from error
    ends = {partition: end for partition, (_first, end) in log_ends(lab.stack.connection, lab.settings.stack.topic).items()}
    record_start(checkpoint, ends)
    return ends


def record_start(checkpoint: Path, offsets: Mapping[int, int]) -> None:
    """Record where a checkpoint's range begins, before its job is submitted."""
    recorded = start_file(checkpoint)
    recorded.parent.mkdir(parents=True, exist_ok=True)
    fresh = recorded.with_suffix(".fresh")
    fresh.write_text(json.dumps(dict(offsets)), encoding="ascii")
    fresh.replace(recorded)


def begin_anew(lab: Lab) -> dict[int, int]:
    """Set every checkpoint aside and record where counting begins anew (partition → offset), which it returns.

    That is where it began at first, or where the log begins now if retention has deleted that. The new record is written first:
    whenever this is cut short, it can be done once more.
    """
    topic = lab.settings.stack.topic
    checkpoint = checkpoint_path(lab)
    known = [path for path in lab.paths.checkpoints.glob("*") if ASIDE not in path.name]
    starts = [start for path in known if (start := _begun_at(path, topic))]
    log = log_ends(lab.stack.connection, topic)
    begin = {
        part: max(first, min((start[part] for start in starts if part in start), default=0)) for part, (first, _) in log.items()
    }
    record_start(checkpoint, begin)
    stamp = f"{ASIDE}{datetime.now(UTC):%Y%m%dT%H%M%S}"
    for path in known:
        if path.is_dir() or (path.name.endswith(START_SUFFIX) and path != start_file(checkpoint)):
            path.rename(path.with_name(path.name + stamp))
    return begin


def _begun_at(path: Path, topic: str) -> dict[int, int]:
    """Return where a range began, from its record or from the checkpoint itself; empty where neither can be read."""
    if path.is_dir():
        return first_offsets(path, topic)
    if not path.name.endswith(START_SUFFIX):
        return {}
    with suppress(ValueError):
        return read_start(path)
    return {}


def checkpoint_path(lab: Lab) -> Path:
    """Return the checkpoint's directory. Its name contains everything that makes an old checkpoint unusable for a query.

    These are the cluster and topic (a recreated topic starts at 0 again), the job's version, its window time and partitioning.
    """
    settings = lab.settings
    stream = settings.stream
    key = (
        lab.state.cluster_id,
        known_topic_id(lab),
        JOB_VERSION,
        stream.window_time.value,
        str(stream.shuffle_partitions),
    )
    return lab.paths.checkpoint(short_hash("|".join(key), 12))


def known_topic_id(lab: Lab) -> str:
    """Return the topic's id; raises NotReady while no broker knows the topic: a path without its id would be another one."""
    topic = lab.settings.stack.topic
    found = topic_id(lab.stack.connection, topic)
    if found is None:
        cause = f"the id of {topic} is not known yet: no broker has the topic"
        raise NotReady(cause, lab.stack.connection.bootstrap, f"make up NAME={lab.paths.name}")
    return found


def start_file(checkpoint: Path) -> Path:
    """Return where the start of a checkpoint's range is recorded."""
    return checkpoint.with_suffix(START_SUFFIX)


def read_start(path: Path) -> dict[int, int]:
    """Return partition → offset from a start file."""
    offsets = json.loads(path.read_text(encoding="ascii"))
    if not isinstance(offsets, dict):
        msg = f"{path} holds no offsets"
        raise ValueError(msg)  # noqa: TRY004 - as for what is no JSON at all
    return {int(partition): int(offset) for partition, offset in offsets.items()}


def recorded_start(lab: Lab) -> dict[int, int]:
    """Return the offsets recorded before the first submission, never those of a checkpoint; empty if no job was submitted.

    Raises AuditFailed for a damaged record.
    """
    starts = []
    for path in lab.paths.checkpoints.glob(f"*{START_SUFFIX}"):
        try:
            starts.append(read_start(path))
        except ValueError as error:
            cause = "where counting began can't be read"
            raise AuditFailed(
                cause,
                f"{path}: {error}",
                f"make rebuild NAME={lab.paths.name}",
            ) from error
    return {part: min(start.get(part, 0) for start in starts) for part in set().union(*starts)}


def earlier_records(lab: Lab) -> dict[int, int]:
    """Return partition → start offset, for partitions with records from before this stack began to count."""
    return {part: offset for part, offset in recorded_start(lab).items() if offset}
