"""A contest: ours and its peers do the same work in turns, so that whatever else the machine does falls on all of them."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from benchmarks.machine import load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Unmeasurable(Exception):
    """A participant can't be measured on this machine; its text says why."""


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


@dataclass(frozen=True)
class Row:
    """One row of PERFORMANCE.md: ours against a peer, and the ratio to reach."""

    number: int
    work: str
    ours: str
    peer: str
    goal: float
    at_most: bool = True

    def met(self, ratio: float) -> bool:
        """Whether the goal is reached."""
        return ratio <= self.goal if self.at_most else ratio >= self.goal


@dataclass
class Contest:
    """Participants and the rows that compare them; one that serves several rows is measured once a round."""

    participants: Sequence[Participant]
    rows: Sequence[Row]

    def run(self, rounds: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
        """Return one result a row; participants alternate, and each round begins with another one."""
        names = {name for row in self.rows for name in (row.ours, row.peer)}
        taking_part = [each for each in self.participants if each.name in names]
        missing: dict[str, str] = {}
        for each in taking_part:
            try:
                each.prepare()
            except Unmeasurable as error:
                missing[each.name] = str(error)
        samples: dict[str, list[Sample]] = {each.name: [] for each in taking_part}
        loads: list[float] = []
        for number in range(rounds):
            for each in _turned(taking_part, number):
                if each.name in missing:
                    continue
                loads.append(load())
                try:
                    sample = each.measure()
                except Unmeasurable as error:
                    missing[each.name] = str(error)
                    continue
                samples[each.name].append(sample)
                parts = ", ".join(f"{part} {value:.1f}" for part, value in sample.parts.items())
                say(f"round {number + 1}/{rounds}: {each.name} {sample.value:.2f} {f'({parts})' if parts else ''}".rstrip())
        facts = {each.name: each.facts for each in taking_part}
        return [_result(row, samples, missing, facts, loads) for row in self.rows]


def _turned(participants: Sequence[Participant], number: int) -> list[Participant]:
    start = number % len(participants)
    return [*participants[start:], *participants[:start]]


def _result(
    row: Row, samples: dict[str, list[Sample]], missing: dict[str, str], facts: dict[str, dict[str, str]], loads: list[float]
) -> dict[str, Any]:
    base: dict[str, Any] = {
        "row": row.number,
        "work": row.work,
        "goal": row.goal,
        "goal_is": "at most" if row.at_most else "at least",
    }
    base["facts"] = {name: facts[name] for name in (row.ours, row.peer)}
    reasons = [f"{name}: {missing[name]}" for name in (row.ours, row.peer) if name in missing]
    if reasons or not samples[row.ours] or not samples[row.peer]:
        return {**base, "measured": False, "why": "; ".join(reasons) or "no round was run", "met": None}
    ours, peer = samples[row.ours], samples[row.peer]
    pairs = [mine.value / theirs.value for mine, theirs in zip(ours, peer, strict=False)]
    ratio = statistics.median(pairs)
    return {
        **base,
        "measured": True,
        "ours": _median(ours),
        "peer": _median(peer),
        "ratio": round(ratio, 3),
        "met": row.met(ratio),
        "n": len(pairs),
        "spread": {"ours": _spread(ours), "peer": _spread(peer), "ratio": [round(min(pairs), 3), round(max(pairs), 3)]},
        "parts": {row.ours: _parts(ours), row.peer: _parts(peer)},
        "load": [round(min(loads), 2), round(max(loads), 2)],
    }


def _median(samples: list[Sample]) -> float:
    return round(statistics.median(sample.value for sample in samples), 3)


def _spread(samples: list[Sample]) -> list[float]:
    values = [sample.value for sample in samples]
    return [round(min(values), 3), round(max(values), 3)]


def _parts(samples: list[Sample]) -> dict[str, float]:
    names = list(samples[0].parts)
    return {name: round(statistics.median(sample.parts[name] for sample in samples), 3) for name in names}
