"""Whether the stream has counted what it could: its lag is measured to where a reader of committed records can go."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from infra.health.verdicts import Finding, Verdict, down, read_record
from infra.host.clock import seconds_since
from infra.kafka.readiness import ANSWER_SECONDS
from infra.operations.program_ladder import fresh_heartbeat
from infra.supervision.programs import STREAM
from trending.errors import LabError
from trending.kafka.log_reader import ends_of, log_ends, offsets_at
from trending.kafka.open_transactions import TOLD_SECONDS, held_partitions

if TYPE_CHECKING:
    from infra.lab.assembly import Lab

FRESHNESS = "freshness"


def freshness(lab: Lab, starting_seconds: float) -> Finding:
    """Whether the stream has counted all records older than two triggers; the broker's time index gives their offsets.

    Nobody can read past an open transaction, so what waits behind one is not due. It is named, and nothing is repaired for it.
    For ``starting_seconds`` after the stream's start, or after a repair of any component, a lag is no trouble yet.
    """
    settings = lab.settings
    connection, topic = lab.stack.connection, settings.stack.topic
    allowed = 2 * max(settings.stream.trigger_seconds, 1.0)
    try:
        beat = fresh_heartbeat(lab, STREAM)
        due = offsets_at(connection, topic, time.time() - allowed, ANSWER_SECONDS)
        ends = ends_of(log_ends(connection, topic, ANSWER_SECONDS))
        held = held_partitions(connection, topic, TOLD_SECONDS, ANSWER_SECONDS)
    except LabError as error:
        return down(FRESHNESS, error)
    done = {part: int(beat.figures.get(f"offset.{part}", 0)) for part in ends}
    lag = sum(max(0, ends[part] - done[part]) for part in ends)
    behind = sorted(part for part in ends if done[part] < due.get(part, 0))
    if not behind and held:
        evidence = f"lag {lag} records up to there; {'; '.join(map(str, held))}"
        return Finding(FRESHNESS, Verdict.WARNING, evidence, "make status")
    if not behind:
        return Finding(FRESHNESS, Verdict.HEALTHY, f"lag {lag} records; all that is older than {allowed:g} s is counted")
    evidence = f"lag {lag} records; partitions {behind} stand at {done}, due {due} after {allowed:g} s"
    status = lab.supervisor.status(STREAM)
    repairs = [at for each in read_record(lab.paths.health).repairs.values() for at in each]
    if status is not None and min(map(seconds_since, [status.started, *repairs])) < starting_seconds:
        return Finding(FRESHNESS, Verdict.WARNING, f"catching up after a start or a repair: {evidence}", "make status")
    return Finding(FRESHNESS, Verdict.UNHEALTHY, evidence, "make logs SERVICE=stream")
