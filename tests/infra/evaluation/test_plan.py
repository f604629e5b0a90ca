"""The truth, the due times and the first sightings of a scenario's tweets."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from fakes.stacks import beat, make
from fakes.trending.sources.scenarios import scenario

from infra.evaluation.plan import Plan, Sightings, current_plan, percentile, require_exact
from infra.supervision.programs import PRODUCER
from trending.errors import InvalidInput, NotReady
from trending.producer.places.opened import opened
from trending.producer.sources.booked import Booked, Shift, book
from trending.settings import LabSettings, ProducerSettings, Spelling, StreamSettings, WindowTime
from trending.simulator.draws import BLOCK
from trending.simulator.records import Records

BEGIN = 1_765_845_060_000
RUN = "0123456789ab"
MIXED = {
    "window_time": "event",
    "limit": {"tweets": BLOCK + 500},
    "rate": {"base": 100, "arrivals": "poisson"},
    "tweets": {"hashtags": {"0": 0.1, "1": 0.9}},
    "mischief": {
        "late": {"share": 0.1, "seconds": [130, 300]},
        "borderline": {"share": 0.02, "seconds": [60, 120]},
        "future": 0.05,
        "corrupt": 0.1,
        "duplicated": 0.05,
    },
}


def plan(shifts: tuple[Shift, ...] = (), **parts: object) -> Plan:
    booked = Booked(RUN, "topic", "hash", "{}", 1, 10, BEGIN, shifts=shifts)
    return Plan(Records(scenario(**{**MIXED, **parts})), booked, 10)


def test_each_tweet_of_the_truth_has_its_number_in_its_cell() -> None:
    made = plan((Shift(0, BLOCK + 100, 7_000),))
    assert Counter({cell: len(numbers) for cell, numbers in made.cells.items()}) == made.truth
    every = sorted(number for numbers in made.cells.values() for number in numbers)
    assert len(set(every)) == len(every)
    assert every[-1] > BLOCK


def test_a_shift_moves_what_is_due_behind_it() -> None:
    plain, shifted = plan(), plan((Shift(0, 1_000, 7_000),))
    moved = np.array(shifted.due) - np.array(plain.due)
    assert moved[:1_000].tolist() == [0.0] * 1_000
    assert moved[1_000:] == pytest.approx(7.0)


def test_a_tweet_is_seen_when_its_cell_first_counts_so_far() -> None:
    cells = {(0, "#a"): [1, 4, 6], (10, "#b"): [9]}
    sightings = Sightings()
    sightings.note({(0, "#a"): 2}, cells, 100.0)
    sightings.note({(0, "#a"): 1}, cells, 101.0)  # a job that forgets what it had
    sightings.note({(0, "#a"): 5, (10, "#b"): 1, (20, "#none"): 3}, cells, 102.0)
    assert sightings.seen == {1: 100.0, 4: 100.0, 6: 102.0, 9: 102.0}
    due = [0.0] * 5 + [98.0] * 5
    assert sightings.latencies(due, 50.0) == [4.0, 4.0]


@pytest.mark.parametrize(("share", "value"), [(0.5, 2.0), (0.99, 4.0), (0.25, 1.0)])
def test_a_percentile_is_a_value_that_was_measured(share: float, value: float) -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], share) == value
    assert percentile([7.0], share) == 7.0


def settings(name: str | None, window_time: WindowTime = WindowTime.EVENT) -> LabSettings:
    stream = StreamSettings(window_time=window_time, window_seconds=10)
    return LabSettings(producer=ProducerSettings(scenario=name), stream=stream)


def test_only_a_scenario_whose_truth_is_exact_can_be_evaluated() -> None:
    assert require_exact(settings("evaluation")).limit is not None
    for name, words in ((None, "there is none"), ("late-data", "it has no limit")):
        with pytest.raises(InvalidInput, match=words):
            require_exact(settings(name))


def test_folded_hashtags_which_a_job_is_told_nothing_of_are_refused() -> None:
    folded = settings("evaluation").model_copy(
        update={"stream": StreamSettings(window_time=WindowTime.EVENT, hashtag_spelling=Spelling.FOLDED)}
    )
    with pytest.raises(InvalidInput, match="folds the spellings"):
        require_exact(folded)


def test_borderline_tweets_and_windows_by_arrival_have_no_exact_truth(tmp_path: object) -> None:
    head = "version: 1\nlimit: {tweets: 10}\nrate: {base: 10}\nhashtags: {named: {'#a': 1}}\n"
    path = f"{tmp_path}/mine.yaml"
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123 - a path in words
        file.write(head + "window_time: event\nmischief: {borderline: {share: 0.1, seconds: [60, 100]}}\n")
    with pytest.raises(InvalidInput, match="borderline"):
        require_exact(settings(path))
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(head)
    with pytest.raises(InvalidInput, match="counted by arrival"):
        require_exact(settings(path, WindowTime.ARRIVAL))


@pytest.mark.usefixtures("world")
def test_what_is_played_now_is_what_the_ledger_has_booked() -> None:
    lab = make()
    records = Records(scenario(**MIXED))
    with pytest.raises(NotReady, match="has not begun"):
        current_plan(lab, records)
    beat(lab, PRODUCER, note=RUN)
    with pytest.raises(NotReady, match="has not begun"):
        current_plan(lab, records)
    booked = Booked(RUN, "topic", "hash", records.scenario.model_dump_json(by_alias=True), 1, 10, BEGIN)
    ledger = opened(lab.paths.ledger)
    with ledger.engine.begin() as connection:
        book(connection, booked)
    ledger.close()
    assert current_plan(lab, records).booked == booked
