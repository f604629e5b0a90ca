"""Trend figures: each bound of what is known, and what holds for all counts."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trending.serving.ranking_query import Window
from trending.serving.trends import HISTORY_WINDOWS, LEAST_WINDOWS, NO_HISTORY, UNKNOWN, History, Trend, score, trends
from trending.settings import Rule

NOW = 6000
COUNTS = st.integers(0, 10**9)
PAST = st.lists(COUNTS, min_size=LEAST_WINDOWS, max_size=HISTORY_WINDOWS)
SHARES = st.floats(1e-4, 1.0)


def window(*lines: tuple[str, int], start: int = NOW, seconds: int = 60) -> Window:
    return Window(start, sum(tweets for _hashtag, tweets in lines), len(lines), lines, Rule(window_seconds=seconds))


def past(hashtag: str, *counts: int, known_from: int = 0, pruned: frozenset[int] = frozenset()) -> History:
    """Return a history with a count for each of the windows before, the newest one first."""
    known = {(NOW - 60 * nth, hashtag): tweets for nth, tweets in enumerate(counts, 1)}
    return History(known_from, known, pruned)


def trend(tweets: int, history: History, until: float = NOW + 60) -> Trend:
    return trends(window(("#a", tweets)), history, until)["#a"]


def test_a_whole_window_is_compared_with_the_windows_before() -> None:
    found = trend(130, past("#a", *[100] * 10))
    assert found.velocity == pytest.approx(130 / 60)
    assert found.gain == pytest.approx(0.5)
    assert found.score == pytest.approx(3.0)  # (130 - 100) / sqrt(100)
    assert found.windows == 10


def test_an_open_window_is_compared_by_its_rate_and_never_by_its_count() -> None:
    found = trend(25, past("#a", *[100] * 10), until=NOW + 15)
    assert (found.velocity, found.gain, found.score) == (25 / 15, 0.0, 0.0)


def test_the_same_rise_says_more_the_longer_it_lasts() -> None:
    history = past("#a", *[100] * 10)
    early, late = trend(50, history, until=NOW + 15), trend(200, history)
    assert early.gain == late.gain
    assert early.score is not None
    assert late.score is not None
    assert 0 < early.score < late.score


def test_what_varies_beyond_chance_widens_the_deviation() -> None:
    assert score(200, 1.0, [0, 100, 200]) == pytest.approx(1.0)  # their sample deviation is 100, and not the root of 100
    assert score(200, 1.0, [99, 100, 101]) == pytest.approx(10.0)  # less than chance is not believed


def test_a_hashtag_that_nobody_wrote_before_has_the_deviation_of_one_tweet() -> None:
    assert score(4, 1.0, [0, 0, 0]) == 4.0
    assert score(0, 1.0, [0, 0, 0]) == 0.0


def test_a_missing_count_is_0_where_the_store_would_have_it() -> None:
    found = trend(9, past("#a", 30, known_from=NOW - 300))
    assert (found.windows, found.gain) == (5, pytest.approx(9 / 60 - 0.5))
    assert found.score == score(9, 1.0, [30, 0, 0, 0, 0])


def test_a_window_that_is_not_known_is_not_0() -> None:
    assert trend(9, past("#a", 30, 30, known_from=NOW - 120)) == Trend(velocity=9 / 60, gain=9 / 60 - 0.5, windows=2)
    assert trend(9, past("#a", known_from=NOW)) == Trend(velocity=9 / 60)


def test_a_pruned_hashtag_is_not_kept_and_not_0() -> None:
    pruned = frozenset({NOW - 60, NOW - 120})
    found = trend(9, History(NOW - 300, {(NOW - 60, "#a"): 30}, pruned))
    assert (found.windows, found.gain) == (4, pytest.approx(9 / 60 - 0.5)), "it was among those that are kept of one of them"
    assert found.score == score(9, 1.0, [30, 0, 0, 0])
    assert trend(9, History(NOW - 300, {}, pruned)).gain is None


def test_a_hashtag_is_new_only_where_the_window_before_had_none_of_it() -> None:
    before = window(("#b", 9), ("#a", 8), start=NOW - 60)
    counts = {(NOW - 60, "#b"): 9, (NOW - 60, "#a"): 8, (NOW - 60, "#below"): 1}
    now = window(("#a", 9), ("#below", 8), ("#fresh", 7), ("#b", 6))
    moved = {tag: (each.change, each.new) for tag, each in trends(now, History(0, counts, before=before), None).items()}
    assert moved == {"#a": (1, False), "#below": (None, False), "#fresh": (None, True), "#b": (-3, False)}
    pruned = trends(now, History(0, counts, frozenset({NOW - 60}), before), None)
    assert not pruned["#fresh"].new, "it may have been pruned"
    assert not any(each.new for each in trends(now, NO_HISTORY, None).values()), "in the first window of all nothing is new"


@pytest.mark.parametrize(
    ("history", "until"),
    [
        (past("#a", *[100] * 10), None),  # the stream is behind: how much of the window is counted is not known
        (past("#a", *[100] * 10), NOW),  # nothing of it is over
        (past("#a", *[100] * 10), NOW - 100.0),  # a clock that was set back
        (past("#a", *[100] * 10, known_from=NOW + 60), NOW + 60),  # its first part was not counted
        (replace(past("#a", *[100] * 10), partial_from=NOW), NOW + 60),  # its last part was counted by another rule
        (NO_HISTORY, NOW + 60),
    ],
)
def test_where_the_counted_part_is_not_known_nothing_is_claimed(history: History, until: float | None) -> None:
    found = trends(window(("#a", 9)), history, until)["#a"]
    assert (found.velocity, found.gain, found.score) == (UNKNOWN.velocity, UNKNOWN.gain, UNKNOWN.score) == (None, None, None)


@pytest.mark.parametrize("seconds", [5, 60, 3600])
def test_windows_of_any_length_are_compared(seconds: int) -> None:
    counts = {(NOW - nth * seconds, "#a"): 5 for nth in range(1, HISTORY_WINDOWS + 1)}
    now = window(("#a", 5), seconds=seconds)
    found = trends(now, History(NOW - 100 * seconds, counts), NOW + seconds)["#a"]
    assert (found.velocity, found.gain, found.score, found.windows) == (5 / seconds, 0.0, 0.0, 10)


@given(COUNTS, COUNTS, SHARES, PAST)
def test_a_score_never_falls_with_the_count(one: int, other: int, share: float, history: list[int]) -> None:
    less, more = sorted((one, other))
    low, high = score(less, share, history), score(more, share, history)
    assert low is not None
    assert high is not None
    assert low <= high
    assert (low < high) == (less < more) or math.isclose(low, high)


@given(COUNTS, SHARES, st.lists(COUNTS, min_size=LEAST_WINDOWS, max_size=4))
def test_the_order_of_the_windows_before_is_nothing_to_a_score(tweets: int, share: float, history: list[int]) -> None:
    assert len({score(tweets, share, order) for order in permutations(history)}) == 1


@given(COUNTS, SHARES, PAST)
def test_a_score_is_always_a_number(tweets: int, share: float, history: list[int]) -> None:
    found = score(tweets, share, history)
    assert found is not None
    assert math.isfinite(found)


@given(
    st.integers(0, 10**6), st.integers(LEAST_WINDOWS, HISTORY_WINDOWS), st.sampled_from([1, 2, 3, 4, 5, 6, 10, 12, 15, 30, 60])
)
def test_a_constant_rate_has_the_score_0_at_every_moment(a_second: int, windows: int, elapsed: int) -> None:
    assert score(a_second * elapsed, elapsed / 60, [a_second * 60] * windows) == pytest.approx(0.0, abs=1e-6)
    assert score(a_second * 60, 1.0, [a_second * 60] * windows) == 0.0


@given(COUNTS, PAST, st.integers(1, 59))
def test_a_score_points_where_the_rate_has_gone(tweets: int, history: list[int], elapsed: int) -> None:
    mean = sum(history) / len(history)
    assume(not math.isclose(tweets * 60, mean * elapsed, rel_tol=1e-9))
    found = score(tweets, elapsed / 60, history)
    assert found is not None
    assert (found > 0) == (tweets * 60 > mean * elapsed)


@given(COUNTS, SHARES, st.lists(COUNTS, max_size=LEAST_WINDOWS - 1))
def test_too_little_history_has_no_score(tweets: int, share: float, history: list[int]) -> None:
    assert score(tweets, share, history) is None
