"""How producer, stream and broker are doing, told from two heartbeats alone: the page asks nobody."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from trending.programs.heartbeat import FRESH_SECONDS

if TYPE_CHECKING:
    from trending.programs.heartbeat import Heartbeat

SILENT_SECONDS = 5.0
"""With tweets waiting and none acknowledged for so long, the broker is silent."""


class Condition(StrEnum):
    """What is known of a part."""

    WELL = "well"
    STARTING = "starting"
    TROUBLED = "troubled"
    STALE = "stale"
    ABSENT = "absent"
    UNKNOWN = "unknown"
    UNRECORDED = "unrecorded"


def program_condition(beat: Heartbeat | None, now: float) -> Condition:
    """Return the health of a program with this last heartbeat."""
    if beat is None:
        return Condition.ABSENT
    if beat.phase == "stopped":
        return Condition.ABSENT
    if beat.age(now) > FRESH_SECONDS:
        return Condition.STALE
    if beat.phase == "running":
        return Condition.WELL
    return Condition.STARTING if beat.phase.startswith("starting") else Condition.TROUBLED


@dataclass
class BrokerWitness:
    """Remembers when the broker last acknowledged a tweet, as the producer tells it."""

    _acknowledged: float = -1.0
    _moved: float = 0.0

    def judge(self, producer: Heartbeat | None, stream: Heartbeat | None, now: float) -> Condition:
        """Return what producer and stream together say of the broker."""
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
