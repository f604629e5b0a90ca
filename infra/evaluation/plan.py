"""What a stack's producer plays: which tweets belong where, when each was due, and when it was first seen in the results."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from infra.operations.producer import scenario_of
from infra.supervision.programs import PRODUCER
from trending.errors import InvalidInput, NotReady
from trending.producer.places.opened import opened
from trending.producer.sources.booked import read_play
from trending.programs.heartbeat import read_heartbeat
from trending.settings import Spelling
from trending.simulator.draws import BLOCK
from trending.simulator.truth import intended, placed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.evaluation.results import Cell
    from infra.lab.assembly import Lab
    from trending.producer.sources.booked import Booked
    from trending.settings import LabSettings, StreamSettings
    from trending.simulator.records import Records
    from trending.simulator.scenario import Scenario


def require_exact(settings: LabSettings) -> Scenario:
    """Return the scenario; raises InvalidInput for one whose truth is not known to the last tweet."""
    scenario = scenario_of(settings)
    lack = "there is none" if scenario is None else _lack_of(scenario, settings.stream)
    if lack or scenario is None:
        cause = f"an evaluation needs a scenario whose truth is exact: {lack}"
        raise InvalidInput(cause, f"SCENARIO={settings.producer.scenario}", "make evaluate SCENARIO=evaluation …")
    return scenario


def _lack_of(scenario: Scenario, stream: StreamSettings) -> str:
    """Return why the truth of a scenario is not exact; empty where it is."""
    if scenario.limit is None:
        return "it has no limit, so it never ends"
    if scenario.mischief.borderline:
        return "it has borderline tweets, of which nobody knows before whether they are late"
    if stream.window_time != "event":
        return "it is counted by arrival, which no plan knows"
    if stream.hashtag_spelling is Spelling.FOLDED:
        return "it is counted by a stack that folds the spellings of hashtags, which a job is not told"
    return ""


@dataclass(frozen=True)
class Plan:
    """A scenario as it is played now; ``booked`` has its start and by what it was shifted."""

    records: Records
    booked: Booked
    window_seconds: int

    @property
    def numbers(self) -> range:
        """The numbers of its records."""
        return range(self.records.count or 0)

    @cached_property
    def cells(self) -> dict[Cell, list[int]]:
        """The numbers of each cell's tweets."""
        return placed(self.records, self.numbers, self.booked.begins, self.window_seconds)

    @cached_property
    def due(self) -> list[float]:
        """When each record is due, in seconds since the epoch."""
        blocks = range(-(-len(self.numbers) // BLOCK))
        offsets = np.concatenate([self.records.block(number).due for number in blocks])[: len(self.numbers)]
        found: list[float] = ((self.booked.begins(np.arange(len(self.numbers))) + offsets) / 1000).tolist()
        return found

    @property
    def truth(self) -> Counter[Cell]:
        """How many tweets belong in each cell."""
        return intended(self.records, self.numbers, self.booked.begins, self.window_seconds).tweets


def current_plan(lab: Lab, records: Records) -> Plan:
    """Return what is played now; raises NotReady before the producer has begun."""
    beat = read_heartbeat(lab.paths.heartbeat(PRODUCER))
    with closing(opened(lab.paths.ledger)) as ledger, ledger.engine.connect() as connection:
        booked = read_play(connection, beat.note) if beat else None
    if booked is None:
        cause = "the producer has not begun its scenario"
        raise NotReady(cause, str(beat), "make logs SERVICE=producer")
    return Plan(records, booked, lab.settings.stream.window_seconds)


class Sightings:
    """When each tweet was first seen: the results' k-th tweet of a cell stands for the k-th that the scenario sends there."""

    def __init__(self) -> None:
        self.seen: dict[int, float] = {}
        self._counted: Counter[Cell] = Counter()

    def note(self, results: Mapping[Cell, int], cells: Mapping[Cell, list[int]], at: float) -> None:
        """Note what the results have more than before."""
        for cell, count in results.items():
            before = self._counted[cell]
            if count > before:
                self._counted[cell] = count
                self.seen.update((number, at) for number in cells.get(cell, [])[before:count] if number not in self.seen)

    def latencies(self, due: list[float], since: float) -> list[float]:
        """Return the seconds between due and seen of the tweets that were due from ``since`` on, in order of size."""
        return sorted(at - due[number] for number, at in self.seen.items() if due[number] >= since)


def percentile(ordered: list[float], share: float) -> float:
    """Return the smallest value that this share of them does not exceed."""
    return ordered[max(0, -(-int(share * 100) * len(ordered) // 100) - 1)]
