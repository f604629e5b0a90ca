from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trending.page.moving.pace import KEPT_SECONDS, KEPT_WINDOWS, Pace, Tally, rates, seed, velocity
from trending.serving.ranking_query import Window
from trending.serving.reader import SHOWN_WINDOWS

MOMENTS = st.lists(st.integers(1, 30), min_size=2, max_size=30).map(
    lambda gaps: [float(sum(gaps[: number + 1])) for number in range(len(gaps))]
)


def window(start: int, counts: dict[str, int], more: int = 0) -> Window:
    ranked = tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    return Window(start, sum(counts.values()) + more, len(ranked) + bool(more), ranked)


@given(MOMENTS, st.floats(0.1, 1000))
def test_a_steady_rate_is_found_whatever_the_moments_of_looking(moments: list[float], rate: float) -> None:
    points = [(at, at * rate) for at in moments]
    assert velocity(points, moments[-1]) == pytest.approx(rate)
    assert rates(points) == pytest.approx([rate] * (len(points) - 1))


@given(MOMENTS, st.data(), st.floats(0, 100))
def test_a_velocity_is_never_negative_nor_above_the_fastest_interval(
    moments: list[float], data: st.DataObject, late: float
) -> None:
    grown = sorted(data.draw(st.lists(st.integers(0, 10**6), min_size=len(moments), max_size=len(moments))))
    points = list(zip(moments, map(float, grown), strict=True))
    found = velocity(points, moments[-1] + late)
    assert 0 <= found <= max(rates(points)) * (1 + 1e-9)


def test_velocity_is_that_of_the_last_seconds_and_not_of_all_time() -> None:
    points = [(0.0, 0.0), (100.0, 0.0), (110.0, 50.0), (120.0, 100.0)]
    assert velocity(points, 121.0) == 5.0


def test_when_the_next_batch_is_overdue_the_velocity_sinks() -> None:
    points = [(100.0, 0.0), (110.0, 50.0)]
    assert velocity(points, 119.0) == 5.0
    assert velocity(points, 135.0) < velocity(points, 131.0) < 5.0


def test_one_sample_has_no_velocity() -> None:
    assert velocity([], 5.0) == 0.0
    assert velocity([(1.0, 7.0)], 5.0) == 0.0


def test_samples_back_to_back_are_thinned_and_old_ones_forgotten() -> None:
    pace = Pace()
    for step in range(4000):
        pace.add(step / 4, {"#a": step})
    points = pace.points("#a")
    assert len(points) <= KEPT_SECONDS + 3
    assert points[-1] == (999.75, 3999.0)
    assert points[0][0] >= points[-1][0] - KEPT_SECONDS
    assert pace.velocity("#a", 1000.0) == pytest.approx(4.0)


def test_a_clock_that_is_set_back_leaves_the_samples_in_order() -> None:
    pace = Pace()
    for at, count in ((10.0, 1), (20.0, 2), (15.0, 3)):
        pace.add(at, {"#a": count})
    assert pace.points("#a") == [(10.0, 1), (15.0, 3)]
    pace.forget()
    assert pace.points("#a") == []


def test_a_tally_grows_over_windows_and_counts_each_tweet_once() -> None:
    tally = Tally()
    tally.add([window(0, {"#a": 5, "#b": 2})])
    tally.add([window(0, {"#a": 6, "#b": 2}), window(60, {"#b": 4})])
    assert dict(tally.add([])) == {"#a": 6, "#b": 6, "": 12}


def test_a_hashtag_that_climbs_into_view_counts_from_where_the_others_ended() -> None:
    tally = Tally()
    tally.add([window(0, {"#a": 50, "#b": 40}, more=300)])
    assert dict(tally.add([window(0, {"#a": 50, "#new": 45}, more=310)]))["#new"] == 5


def test_hashtags_that_were_not_seen_for_long_are_forgotten() -> None:
    tally = Tally()
    for minute in range(KEPT_WINDOWS + 3):
        sums = tally.add([window(minute * 60, {f"#{minute}": 1})])
    assert "#0" not in sums
    assert len(sums) == KEPT_WINDOWS + 1
    assert sums[""] == KEPT_WINDOWS + 3


def test_after_a_restart_the_store_tells_the_pace() -> None:
    pace, tally = Pace(), Tally()
    seed(pace, tally, [window(0, {"#a": 60}), window(60, {"#a": 30})], at=75.0)
    assert pace.points("#a") == [(0, 0.0), (60, 60.0), (75.0, 90.0)]
    assert pace.velocity("#a", 76.0) == pytest.approx(90 / 75)


def test_every_window_of_a_snapshot_may_come_again_and_counts_once() -> None:
    """A stream that catches up has many windows that are not final, and all of them are read at each change."""
    tally = Tally()
    windows = [window(minute * 60, {"#a": 1}) for minute in range(SHOWN_WINDOWS)]
    for _look in range(3):
        sums = tally.add(windows)
    assert sums["#a"] == SHOWN_WINDOWS
