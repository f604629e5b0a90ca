"""The table of tests/real/records/test_pairs.py, what the soak draws, and whether a wrong ranking would be seen."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest
from pairs.combination import LEFT_OUT, LEVELS, MOST, PIECE, RULE, TABLE, drawn_piece, drawn_rows, every_pair, pairs_of
from pairs.trial import Account, Outcome, faults_of

from trending.producer.sources.booked import Booked, Shift
from trending.simulator.live.changes import TrendChange, require_room
from trending.simulator.records import Records

if TYPE_CHECKING:
    from pathlib import Path

TRUTH = Account(((0, (("#a", 2), ("#b", 1), ("#c", 1))), (1, (("#a", 1),))), Counter({"late": 1}), 3)
PLAYED = Booked("r", "t", "s", PIECE.scenario.model_dump_json(by_alias=True), 1, 4, 0)
RECORDS = Records(PIECE.scenario).count or 0
GOOD = Outcome(TABLE[0], PLAYED, RECORDS, TRUTH, TRUTH, TRUTH, 2, 0)


def test_the_table_has_every_pair_of_levels_but_two() -> None:
    assert every_pair() - pairs_of(TABLE) == LEFT_OUT
    assert all(row.possible for row in TABLE)
    assert any(row.producers > 1 and row.killed and row.changed for row in TABLE)
    assert len(TABLE) == MOST


def test_a_soak_without_combinations_brings_up_no_stack_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pairs import soak  # noqa: PLC0415 - it starts stacks, so that it imports Prefect

    monkeypatch.setattr(soak, "RealStack", lambda *_given, **_named: pytest.fail("a stack for nothing"))
    soak.try_combinations(Random(1), 0, tmp_path / "pairs")
    assert not (tmp_path / "pairs").exists()


def test_what_is_right_has_no_fault() -> None:
    assert faults_of([GOOD, replace(GOOD, row=TABLE[1])]) == []


FIRST, SECOND = TRUTH.ranking
SWAPPED = (0, (("#a", 2), ("#c", 1), ("#b", 1)))
SHORTER = (0, FIRST[1][:2])


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            replace(GOOD, stream=replace(TRUTH, ranking=(SWAPPED, SECOND))),
            "place 1: ('#c', 1)",
        ),
        (replace(GOOD, batch=replace(TRUTH, ranking=(FIRST,))), "window 1, place None: 0, and not 1"),
        (
            replace(GOOD, batch=replace(TRUTH, ranking=(SHORTER, SECOND))),
            "window 0, place None: 2",
        ),
        (replace(GOOD, stream=replace(TRUTH, rejected=Counter({"late": 2}))), "rejected {'late': 2}"),
        (replace(GOOD, stream=replace(TRUTH, untagged=4)), "untagged 4, and not 3"),
        (replace(GOOD, dropped=1), "1 groups were dropped"),
        (replace(GOOD, records=RECORDS + 1), f"of {RECORDS}"),
        (replace(GOOD, played=replace(PLAYED, shifts=(Shift(0, 5, 6_000),))), "away for too long"),
    ],
    ids=["order", "a window", "a hashtag", "rejects", "untagged", "dropped", "twice", "shifted"],
)
def test_what_differs_from_the_truth_is_told(wrong: Outcome, told: str) -> None:
    assert [told in line for line in faults_of([wrong])] == [True]


def test_two_logs_of_the_same_records_have_to_rank_alike() -> None:
    other = replace(TRUTH, untagged=4)
    assert len(faults_of([GOOD, replace(GOOD, row=TABLE[1], truth=other, stream=other, batch=other)])) == 1


@pytest.mark.parametrize("seed", range(40))
def test_what_the_soak_draws_can_be_played(seed: int) -> None:
    random = Random(seed)
    piece, rows = drawn_piece(random), drawn_rows(random, 20)
    assert all(getattr(row, name) in levels for row in rows for name, levels in LEVELS.items())
    assert all(row.possible for row in rows)
    assert 0 < piece.killed_at < (Records(piece.scenario).count or 0)
    trends = list(piece.scenario.trends)
    for moment, asked in piece.asked:
        if isinstance(asked, TrendChange):
            require_room(trends, asked.trend(moment, 1.0))
            trends.append(asked.trend(moment, 1.0))
    assert piece.scenario.window_time is RULE.window_time
