"""Which rows `make bench` has, that they fit together, and the small arithmetic of their participants."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.contest import Sample
from benchmarks.report import RESULTS
from benchmarks.rows import groups
from benchmarks.running.latency import percentile, seconds_until_visible
from benchmarks.sizes import Sizes
from benchmarks.throughput.broker import fill_rate
from benchmarks.throughput.counting import MEMORY, Work, warm_up
from benchmarks.throughput.producing import messages, perf_test_rate
from benchmarks.throughput.scripts import rate_of

GROUPS = groups(Sizes())
ROWS = list(chain.from_iterable(group.rows for group in GROUPS))


def test_every_row_is_there() -> None:
    assert {row.number for row in ROWS} == set(range(1, 20))


def test_both_sides_of_a_row_are_participants_of_its_group() -> None:
    for group in GROUPS:
        names = [each.name for each in group.participants]
        assert len(set(names)) == len(names)
        assert {name for row in group.rows for name in (row.ours, row.peer)} == set(names)


def test_the_lines_of_a_row_can_be_told_apart() -> None:
    assert [line for line, number in Counter((row.number, row.work) for row in ROWS).items() if number > 1] == []


def test_the_goals_are_those_of_the_design() -> None:
    goals: dict[int, list[float]] = {}
    for row in ROWS:
        goals.setdefault(row.number, []).append(row.goal)
    assert goals[1] == [0.18]
    assert (goals[3], goals[4], goals[5], goals[7]) == ([40], [2], [1], [2.1])
    assert (goals[6], goals[8]) == ([0.5, 0.8], [1, 5, 1])
    assert goals[10] == [0.6, 1.0]
    assert set(goals[13]) == {1.3}
    assert goals[14] == [100, 0.5]
    assert goals[18] == [1.6, 1.2] * 2
    assert (goals[17], goals[19]) == ([0.45, 1.0, 1.2], [1.0, 2.5, 2.5])


def test_results_that_are_kept_are_held_to_the_goals_of_today() -> None:
    rows = json.loads(max(RESULTS.glob("*.json")).read_text(encoding="utf-8"))["rows"]
    today = {(row.number, row.goal, row.at_most) for row in ROWS}
    assert [row["work"] for row in rows if (row["row"], row["goal"], row["goal_is"] == "at most") not in today] == []
    for row in rows:
        if row["measured"] and row["ratio"] != row["goal"]:  # rounded to the goal, it may lie on either side
            assert row["met"] is ((row["ratio"] < row["goal"]) is (row["goal_is"] == "at most")), row["work"]


def test_a_size_is_an_option_and_stands_in_what_the_row_says() -> None:
    parser = argparse.ArgumentParser()
    Sizes.add_options(parser)
    sizes = Sizes.of(parser.parse_args(["--tweets", "30000", "--audited", "5000"]))
    works = [row.work for group in groups(sizes) for row in group.rows]
    assert (sizes.tweets, sizes.few, sizes.hashtags) == (30_000, 1_500, Sizes().hashtags)
    assert any("30,000 tweets" in work for work in works)
    assert any("audit of 5,000 tweets" in work for work in works)
    with pytest.raises(ValueError, match="tweets must be at least 1"):
        Sizes.of(parser.parse_args(["--tweets", "0"]))


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_the_smallest_value_that_so_large_a_share_does_not_exceed(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6
    assert sum(value < found for value in values) < share * len(values) + 1e-6


def test_a_tweet_is_visible_from_the_first_look_that_has_counted_it() -> None:
    seen = [(10.0, {0: 5}), (11.0, {0: 6, 1: 1}), (12.0, {0: 9, 1: 1})]
    assert seconds_until_visible([((0, 4), 9.5), ((0, 5), 9.5), ((1, 0), 10.5), ((0, 8), 9.0)], seen) == [0.5, 1.5, 0.5, 3.0]
    with pytest.raises(RuntimeError, match="0:9 was not counted"):
        seconds_until_visible([((0, 9), 1.0)], seen)


def test_the_tools_rate_is_that_of_its_last_line() -> None:
    said = (
        "50000 records sent, 10000.0 records/sec (1.00 MB/sec), 1.0 ms avg latency, 2.0 ms max latency.\n"
        "100000 records sent, 12500.5 records/sec (1.20 MB/sec), 1.0 ms avg latency, 1 ms 50th, 2 ms 95th.\n"
    )
    assert perf_test_rate(said) == 12500.5
    with pytest.raises(RuntimeError, match="told no rate: nothing"):
        perf_test_rate("nothing")


def test_a_topic_is_filled_slowly_enough_to_stop_in_time_and_never_faster_than_the_setting_has_it() -> None:
    assert (fill_rate(10_000), fill_rate(10_000_000)) == (2_000.0, 1_000_000.0)


class FakeDriver:
    """A driver that takes half a second for everything; its broker holds a million records in each topic."""

    def __init__(self) -> None:
        self.broker = self
        self.asked: list[tuple[str, str, bool]] = []

    def topic(self, tweets: int, partitions: int, hashtags: int) -> str:
        return f"{tweets}/{partitions}/{hashtags}"

    def records(self, _topic: str) -> int:
        return 1_000_000

    def work(self, name: str, topic: str, *, memory: bool) -> Sample:
        self.asked.append((name, topic, memory))
        return Sample(0.5, {MEMORY: 300.0} if memory else {})


def test_work_is_told_in_tweets_a_second_and_growth_in_the_time_of_a_tweet() -> None:
    """Both by what the topic holds, which is more than was asked for."""
    driver: Any = FakeDriver()
    rate, growth = Work(driver, "a", "noop", 900), Work(driver, "b", "ranking", 900, partitions=4, hashtags=7, per_tweet=True)
    for each in (rate, growth):
        each.prepare()
    assert (rate.measure().value, growth.measure().value) == (2_000_000.0, 0.5)
    assert growth.measure().parts == {"records": 1_000_000, "seconds": 0.5, MEMORY: 300.0}
    assert driver.asked[0] == ("noop", "900/2/0", False)
    assert driver.asked[-1] == ("ranking", "900/4/7", True)


@pytest.mark.parametrize(
    ("seconds", "times"),
    [([9.0, 8.9], 2), ([9.0, 5.0, 3.0, 2.9], 4), ([9.0, 8.0, 7.0, 6.0, 5.0], 5), ([2.0, 3.0], 2)],
    ids=["at once", "later", "never", "slower"],
)
def test_warming_up_ends_when_it_gains_little_or_takes_long(seconds: list[float], times: int) -> None:
    left = iter([*seconds, 1.0])
    assert warm_up(lambda: next(left)) == seconds[:times]


def test_a_script_tells_its_rate_in_its_last_line() -> None:
    sample = rate_of('a warning\n{"records": 100, "seconds": 4.0}\n')
    assert (sample.value, sample.parts) == (25.0, {"records": 100, "seconds": 4.0})


def test_the_payloads_have_the_bytes_of_our_messages_and_no_line_end_within() -> None:
    pairs = list(messages(100))
    assert all(key.startswith(b"t1:0123456789ab:") and value.startswith(b'{"usuario":') for key, value in pairs)
    assert not any(b"\n" in key + value for key, value in pairs)
