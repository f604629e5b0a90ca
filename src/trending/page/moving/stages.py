"""The pipeline's stages: how each one is, and its figures, from two heartbeats and the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from trending.page.moving.clock import clock
from trending.page.moving.condition import BrokerWitness, Condition, is_dead, program_condition
from trending.page.moving.pace import Pace
from trending.programs.heartbeat import joined, read_heartbeat

if TYPE_CHECKING:
    from pathlib import Path

    from trending.programs.heartbeat import Heartbeat
    from trending.programs.specifications import PageSpec

Section = dict[str, Any]
BROUGHT_BACK = ("producer", "kafka", "spark", "store")


class Stored(NamedTuple):
    """What the last look at the store has found: when the last batch was written, and how fast its counts grow."""

    readable: bool
    at: float
    rejects: int
    windows: int
    velocity: float
    in_flight: int | None


class Stages:
    """Follows the programs by their heartbeats; asks none of them."""

    def __init__(self, spec: PageSpec) -> None:
        self._spec = spec
        self._sent = {path: Pace() for path in spec.producers.values()}
        self._pids: dict[Path, int] = {}
        self._witness = BrokerWitness()
        self._began = 0.0

    def look(self, stream: Heartbeat | None, stored: Stored, now: float, viewers: int) -> Section:
        """Return the section; ``stream`` is the job's last heartbeat."""
        self._began = self._began or now
        producer = joined(self._spec.producers.values())
        recorded = self._spec.stream is None
        section: Section = {
            "producer": {**_program(producer, now), "rate": self._sending(now), "asked": _asked(producer)},
            "kafka": {
                "health": self._witness.judge(producer, stream, now),
                "topic": self._spec.topic,
                "backlog": stored.in_flight,
            },
            "spark": {**_program(stream, now), "rate": stored.velocity, "trigger": _trigger(stream)},
            "store": {
                "health": Condition.WELL if stored.readable else Condition.ABSENT,
                "written": clock(stored.at, now, self._spec.zone),
                "rejects": stored.rejects,
                "windows": stored.windows,
            },
            "page": {"health": Condition.WELL, "viewers": viewers},
            "recorded": recorded,
            "now": 0.0 if recorded else round(now, 2),
            "stale_since": "" if recorded else self._stale_since(stream, stored, now),
        }
        for name in BROUGHT_BACK:
            section[name]["back"] = self._back(name, section[name])
        section["producer"]["who"] = self._unwell(now) if section["producer"]["back"] else ""
        if recorded:
            for part in ("producer", "kafka", "spark"):
                section[part] = dict.fromkeys(section[part], None) | {"health": Condition.UNRECORDED}
        return section

    def _back(self, name: str, stage: Section) -> str:
        """Return the name of the words that say who brings a stage back; empty where it needs nobody."""
        health, stopped = stage["health"], stage.get("phase") == "stopped"
        if health in {Condition.WELL, Condition.STARTING, Condition.UNKNOWN}:
            return ""
        if name in {"kafka", "store"}:
            return f"back_kafka_{self._spec.runtime}" if name == "kafka" else "back_store"
        if health is Condition.TROUBLED:
            return "back_itself"
        if health is Condition.ABSENT:
            return "back_stopped" if stopped else "back_absent"
        return "back_dead" if health is Condition.DEAD else "back_frozen"

    def _unwell(self, now: float) -> str:
        """Return the names of those of several producers that need somebody; one alone needs no name."""
        paths = self._spec.producers
        beats = {name: beat for name, path in paths.items() if (beat := read_heartbeat(path)) is not None}
        well = {Condition.WELL, Condition.STARTING}
        return ", ".join(name for name, beat in beats.items() if _condition(beat, now) not in well) if len(paths) > 1 else ""

    def _sending(self, now: float) -> float:
        """Return how many tweets a second all producers send."""
        found = 0.0
        for path, sent in self._sent.items():
            if (producer := read_heartbeat(path)) is None:
                continue
            if producer.pid != self._pids.get(path):
                sent.forget()
                self._pids[path] = producer.pid
            sent.add(producer.at, {"": producer.figures.get("acknowledged", 0.0)})
            found += sent.velocity("", now)
        return round(found, 1)

    def _stale_since(self, stream: Heartbeat | None, stored: Stored, now: float) -> str:
        condition = program_condition(stream, now)
        if condition in {Condition.WELL, Condition.STARTING}:
            return ""
        # A stream that has lost its broker writes nothing, so the data is as old as the last batch.
        at = stored.at if stream is None or condition is Condition.TROUBLED else stream.at
        return clock(at or self._began, now, self._spec.zone)


def _program(beat: Heartbeat | None, now: float) -> Section:
    """Return a program's condition and the figures that the page shows."""
    figures = beat.figures if beat else {}
    shown = {name: figures.get(name, 0.0) for name in ("acknowledged", "queued", "batch", "batch_seconds", "behind")}
    return {"health": _condition(beat, now), "phase": beat.phase if beat else "", **shown}


def _condition(beat: Heartbeat | None, now: float) -> Condition:
    return Condition.DEAD if beat and is_dead(beat, now) else program_condition(beat, now)


def _asked(producer: Heartbeat | None) -> float | None:
    """Return the records a second that the producer is to send; None where none runs, or it is older than the figure."""
    asked = producer.figures.get("asked") if producer else None
    return None if asked is None else round(asked, 1)


def _trigger(stream: Heartbeat | None) -> float:
    """Return the seconds between triggers, which Spark starts at whole multiples of them; 0 where they come back to back."""
    return stream.figures.get("trigger_seconds", 0.0) if stream else 0.0
