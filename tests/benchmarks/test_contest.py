"""The arithmetic of a contest, on participants that do nothing: turns, medians, spread, goals, and what a failed round costs."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.contest import Contest, Limit, Row, Sample, Unmeasurable
from benchmarks.rows import FLAT


class Scripted:
    """A participant with a list of what it measures; an exception in it is raised."""

    def __init__(self, name: str, samples: list[float | Sample | Exception], turns: list[str] | None = None) -> None:
        self.name = name
        self.facts = {"made": "up"}
        self._samples = iter(samples)
        self._turns = [] if turns is None else turns

    def prepare(self) -> None:
        self._turns.append(f"prepare {self.name}")

    def measure(self) -> Sample:
        self._turns.append(self.name)
        sample = next(self._samples)
        if isinstance(sample, Exception):
            raise sample
        return sample if isinstance(sample, Sample) else Sample(sample)


class Absent(Scripted):
    def prepare(self) -> None:
        raise Unmeasurable("not here")


def run(ours: Any, peer: Any, row: Row, rounds: int) -> dict[str, Any]:
    (result,) = Contest([ours, peer], [row]).run(rounds, lambda _line: None)
    return result


def test_the_ratio_is_the_median_of_the_rounds_ratios_and_its_spread_is_told() -> None:
    ours, peer = Scripted("ours", [1.0, 4.0, 9.0]), Scripted("peer", [2.0, 2.0, 3.0])
    result = run(ours, peer, Row(1, "work", "ours", "peer", 2.0), 3)
    assert (result["ours"], result["peer"], result["ratio"], result["met"], result["n"]) == (4.0, 2.0, 2.0, True, 3)
    assert result["spread"] == {"ours": [1.0, 9.0], "peer": [2.0, 3.0], "ratio": [0.5, 3.0]}


@pytest.mark.parametrize(
    ("ratio", "goal", "at_most", "met"),
    [
        (0.18, 0.18, True, True),
        (0.19, 0.18, True, False),
        (40, 40, False, True),
        (39.9, 40, False, False),
        (FLAT, FLAT, True, True),
        (1.31, FLAT, True, False),
    ],
)
def test_a_goal_is_a_bound_from_above_or_from_below(ratio: float, goal: float, at_most: bool, met: bool) -> None:  # noqa: FBT001 - a case
    result = run(Scripted("ours", [ratio]), Limit("one", 1.0), Row(1, "work", "ours", "one", goal, at_most=at_most), 1)
    assert (result["met"], result["goal_is"]) == (met, "at most" if at_most else "at least")


def test_a_part_of_the_samples_can_be_what_is_compared_also_with_a_limit() -> None:
    samples: list[float | Sample | Exception] = [Sample(7.0, {"memory": 300.0}), Sample(8.0, {"memory": 500.0})]
    result = run(Scripted("ours", samples), Limit("most", 1000.0), Row(1, "work", "ours", "most", 1.0, part="memory"), 2)
    assert (result["ours"], result["peer"], result["ratio"], result["spread"]["ours"]) == (400.0, 1000, 0.4, [300.0, 500.0])


def test_a_round_in_which_one_of_both_failed_counts_for_neither() -> None:
    ours, peer = Scripted("ours", [1.0, RuntimeError("fell"), 3.0]), Scripted("peer", [1.0, 100.0, 1.0])
    result = run(ours, peer, Row(1, "work", "ours", "peer", 1.0), 3)
    assert (result["n"], result["ratio"], result["peer"], result["failures"]) == (2, 2.0, 1.0, {"ours": ["fell"]})


def test_without_a_round_the_row_says_why_and_meets_nothing() -> None:
    result = run(Scripted("ours", [1.0]), Absent("peer", []), Row(1, "work", "ours", "peer", 1.0), 1)
    assert (result["measured"], result["met"], result["why"]) == (False, None, "peer: not here")


def test_each_round_begins_with_another_participant_and_those_of_no_row_do_not_take_part() -> None:
    turns: list[str] = []
    everybody = [Scripted(name, [1.0, 1.0], turns) for name in ("a", "b", "nobody's")]
    Contest(everybody, [Row(1, "work", "a", "b", 1.0)]).run(2, lambda _line: None)
    assert turns == ["prepare a", "prepare b", "a", "b", "b", "a"]


def test_figures_from_a_thousand_on_are_whole() -> None:
    result = run(Scripted("ours", [812_345.678]), Scripted("peer", [999.12345]), Row(1, "work", "ours", "peer", 1.0), 1)
    assert (result["ours"], result["peer"]) == (812_346, 999.123)
