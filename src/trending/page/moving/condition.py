"""The condition of producer, stream and broker, derived from two heartbeats alone: the page queries none of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from trending.programs.heartbeat import FINISHED, FRESH_SECONDS

if TYPE_CHECKING:
    from trending.programs.heartbeat import Heartbeat

SILENT_SECONDS = 5.0
"""The broker counts as silent when tweets are queued and none was acknowledged for this long."""

DEAD_SECONDS = 1.5
"""Programs write a heartbeat every half second; only of one that has missed some is it asked whether its process lives."""


class Condition(StrEnum):
    """The condition of one part of the pipeline."""

    WELL = "well"
    STARTING = "starting"
    TROUBLED = "troubled"
    STALE = "stale"
    DEAD = "dead"
    """Its process is gone, though its last heartbeat is still fresh."""
    ABSENT = "absent"
    UNKNOWN = "unknown"
    UNRECORDED = "unrecorded"


def program_condition(beat: Heartbeat | None, now: float) -> Condition:
    """Return the condition of the program that left this heartbeat."""
    if beat is None:
        return Condition.ABSENT
    if beat.phase == "stopped":
        return Condition.ABSENT
    if beat.age(now) > FRESH_SECONDS:
        return Condition.STALE
    if beat.phase in {"running", FINISHED}:
        return Condition.WELL
    return Condition.STARTING if beat.phase.startswith("starting") else Condition.TROUBLED


def is_dead(beat: Heartbeat, now: float) -> bool:
    """Whether the process that left this heartbeat is gone: told seconds before its beat is too old."""
    if beat.phase == "stopped" or beat.age(now) < DEAD_SECONDS:
        return False
    try:
        os.kill(beat.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


@dataclass
class BrokerWitness:
    """Remembers when the broker last acknowledged a tweet, according to the producer's heartbeat."""

    _acknowledged: float = -1.0
    _moved: float = 0.0

    def judge(self, producer: Heartbeat | None, stream: Heartbeat | None, now: float) -> Condition:
        """Return the broker's condition, derived from the heartbeats of producer and stream."""
        producing = program_condition(producer, now) in {Condition.WELL, Condition.TROUBLED}
        streaming = program_condition(stream, now) in {Condition.WELL, Condition.TROUBLED}
        if not producing and not streaming:
            return Condition.UNKNOWN
        if stream and streaming and stream.phase == "broker lost":
            return Condition.TROUBLED
        if producer and producing:
            acknowledged = producer.figures.get("acknowledged", 0.0)
            if acknowledged != self._acknowledged or not producer.figures.get("queued"):
                self._acknowledged, self._moved = acknowledged, now
            if now - self._moved > SILENT_SECONDS:
                return Condition.TROUBLED
        return Condition.WELL
