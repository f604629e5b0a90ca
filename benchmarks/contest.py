"""A contest: ours and its peers do the same work in turns, so that whatever else the machine does falls on all of them."""

from __future__ import annotations

import statistics
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from benchmarks.machine import load
from trending.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Unmeasurable(Exception):
    """A participant can't be measured on this machine; its text says why."""


FAILURES = (Unmeasurable, LabError, RuntimeError, OSError, subprocess.SubprocessError)
"""What a participant may fail with; TimeoutError is an OSError."""
WHOLE_FROM = 1000


@dataclass(frozen=True)
class Sample:
    """One measurement: its seconds (or whatever the row compares) and what they are made of."""

    value: float
    parts: Mapping[str, float] = field(default_factory=dict)


class Participant(Protocol):
    """Ours or a peer. ``prepare`` is not measured: downloads, caches; raises Unmeasurable where it can't take part."""

    name: str
    facts: dict[str, str]

    def prepare(self) -> None:
        """Have at hand what a second run would find at hand."""

    def measure(self) -> Sample:
        """Do the work once, from nothing running and fresh data, and leave nothing behind."""


class Limit:
    """A peer that is no program but a bound from PERFORMANCE.md, such as a second or a GiB."""

    def __init__(self, name: str, value: float) -> None:
        self.name = name
        self.facts = {"limit": f"{value:g}"}
        self._value = value

    def prepare(self) -> None:
        """Nothing: a bound is always there."""

    def measure(self) -> Sample:
        """Return the bound."""
        return Sample(self._value)


@dataclass(frozen=True)
class Row:
    """One line of a row of PERFORMANCE.md: ours against a peer, and the ratio to reach.

    ``part`` names the part of the samples that is compared, where that is not their value. A sample without such a part is
    compared by its value: a limit has no parts. Of lines with ``either`` about the same two participants one is enough.
    """

    number: int
    work: str
    ours: str
    peer: str
    goal: float
    at_most: bool = True
    part: str = ""
    either: bool = False

    def met(self, ratio: float) -> bool:
        """Whether the goal is reached."""
        return ratio <= self.goal if self.at_most else ratio >= self.goal

    def shares(self, other: Row) -> bool:
        """Whether another line says in another way what this one says."""
        return other.either and (self.number, self.ours, self.peer) == (other.number, other.ours, other.peer)

    def figure(self, sample: Sample) -> float:
        """Return what is compared of a sample."""
        return sample.parts.get(self.part, sample.value)


@dataclass
class Contest:
    """Participants and the rows that compare them; one that serves several rows is measured once a round."""

    participants: Sequence[Participant]
    rows: Sequence[Row]

    def run(self, rounds: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
        """Return one result a row; participants alternate, and each round begins with another one."""
        names = {name for row in self.rows for name in (row.ours, row.peer)}
        records = [Record(each) for each in self.participants if each.name in names]
        for record in records:
            record.prepare()
        loads: list[float] = []
        for number in range(rounds):
            for record in _turned(records, number):
                loads.append(load())
                say(f"round {number + 1}/{rounds}: {record.participant.name} {record.measure()}, load {loads[-1]:.1f}")
        by_name = {record.participant.name: record for record in records}
        results = [_result(row, by_name[row.ours], by_name[row.peer], loads) for row in self.rows]
        for row, result in zip(self.rows, results, strict=True):
            if row.either:
                result["row_met"] = any(other["met"] for each, other in zip(self.rows, results, strict=True) if row.shares(each))
        return results


@dataclass
class Record:
    """What became of one participant: a sample a round, None for a round that failed, and the reasons."""

    participant: Participant
    samples: list[Sample | None] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    absent: bool = False

    def prepare(self) -> None:
        """Prepare the participant, or note why it can't take part."""
        try:
            self.participant.prepare()
        except FAILURES as error:
            self.absent = True
            self.failures.append(str(error))

    def measure(self) -> str:
        """Take a sample and return it in words; a failed round is noted and not repeated."""
        if self.absent:
            self.samples.append(None)
            return "does not take part"
        try:
            sample = self.participant.measure()
        except FAILURES as error:
            self.samples.append(None)
            self.failures.append(str(error))
            return f"failed: {error}"
        self.samples.append(sample)
        parts = ", ".join(f"{part} {value:.1f}" for part, value in sample.parts.items())
        return f"{_rounded(sample.value):,} ({parts})"


def _turned(records: list[Record], number: int) -> list[Record]:
    start = number % len(records)
    return [*records[start:], *records[:start]]


def _result(row: Row, ours: Record, peer: Record, loads: list[float]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "row": row.number,
        "work": row.work,
        "goal": row.goal,
        "goal_is": "at most" if row.at_most else "at least",
        "facts": {record.participant.name: record.participant.facts for record in (ours, peer)},
        "failures": {record.participant.name: record.failures for record in (ours, peer) if record.failures},
    }
    # Only rounds in which both were measured count: what the machine did besides fell on both.
    pairs = [(mine, theirs) for mine, theirs in zip(ours.samples, peer.samples, strict=True) if mine and theirs]
    if not pairs:
        why = "; ".join(f"{name}: {reasons[-1]}" for name, reasons in result["failures"].items())
        return {**result, "measured": False, "why": why or "no round was run", "met": None}
    mine, theirs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    own, other = [row.figure(sample) for sample in mine], [row.figure(sample) for sample in theirs]
    ratios = [one / another for one, another in zip(own, other, strict=True)]
    ratio = statistics.median(ratios)
    return {
        **result,
        "measured": True,
        "ours": _rounded(statistics.median(own)),
        "peer": _rounded(statistics.median(other)),
        "ratio": round(ratio, 3),
        "met": row.met(ratio),
        "n": len(pairs),
        "spread": {"ours": _spread(own), "peer": _spread(other), "ratio": [round(min(ratios), 3), round(max(ratios), 3)]},
        "parts": {ours.participant.name: _parts(mine), peer.participant.name: _parts(theirs)},
        "load": [round(min(loads), 2), round(max(loads), 2)],
    }


def _rounded(value: float) -> float:
    """Return the figure without digits that no round repeats: whole from a thousand on."""
    return round(value) if abs(value) >= WHOLE_FROM else round(value, 3)


def _spread(values: list[float]) -> list[float]:
    return [_rounded(min(values)), _rounded(max(values))]


def _parts(samples: list[Sample]) -> dict[str, float]:
    names = list(samples[0].parts)
    return {name: round(statistics.median(sample.parts[name] for sample in samples), 3) for name in names}
