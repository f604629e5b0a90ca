from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trending.page.window import WindowStage, name_of, rule_named, stage_of
from trending.serving.ranking_query import Window
from trending.settings import WINDOW_LENGTHS, Rule, Spelling, WindowTime
from trending.tweets.rule import _is_late, window_start

MINUTES = st.integers(0, 1000).map(lambda minute: minute * 60)
ORDER = [WindowStage.OPEN, WindowStage.CLOSING, WindowStage.FINAL]


def window(start: int, *hashtags: str, seconds: int = 60) -> Window:
    ranked = tuple((hashtag, 100 - place) for place, hashtag in enumerate(hashtags))
    return Window(start, sum(tweets for _hashtag, tweets in ranked), len(ranked), ranked, Rule(window_seconds=seconds))


@pytest.mark.row(24)
@pytest.mark.parametrize(
    ("read_until", "now", "expected"),
    [
        (0.0, 600.0, WindowStage.OPEN),
        (655.0, 659.9, WindowStage.OPEN),
        (655.0, 660.0, WindowStage.CLOSING),
        (655.0, 9999.0, WindowStage.CLOSING),  # the stream stands still, and what waits in the log may belong to it
        (720.0, 720.5, WindowStage.CLOSING),  # too late by the rule, but a transaction of its last second may still be open
        (729.9, 730.0, WindowStage.CLOSING),
        (730.0, 730.5, WindowStage.FINAL),
    ],
)
def test_a_window_is_open_then_closing_then_final(read_until: float, now: float, expected: WindowStage) -> None:
    assert stage_of(window(600), Rule(), read_until, now) is expected


@given(MINUTES, st.floats(0, 1e5), st.floats(0, 1e5), st.floats(0, 1e4))
def test_a_window_never_goes_back(start: int, read_until: float, now: float, passed: float) -> None:
    before = ORDER.index(stage_of(window(start), Rule(), read_until, now))
    assert ORDER.index(stage_of(window(start), Rule(), read_until, now + passed)) >= before
    assert ORDER.index(stage_of(window(start), Rule(), read_until + passed, now)) >= before


@given(st.floats(0, 6e4), st.floats(-6e3, 6e3), st.sampled_from(WINDOW_LENGTHS))
def test_what_the_rule_accepts_after_all_was_read_is_in_no_final_window(read_until: float, ahead: float, seconds: int) -> None:
    """Whatever is appended after ``read_until`` and accepted belongs to a window that was not called final."""
    timestamp = read_until + ahead
    if timestamp >= 0 and not _is_late(timestamp, read_until, seconds):
        assert (
            stage_of(window(window_start(timestamp, seconds), seconds=seconds), Rule(), read_until, 1e9) is not WindowStage.FINAL
        )


def test_a_window_of_ten_seconds_is_open_for_ten_seconds() -> None:
    ten = window(600, seconds=10)
    assert [stage_of(ten, Rule(), 0.0, now) for now in (609.9, 610.0)] == [WindowStage.OPEN, WindowStage.CLOSING]
    assert [stage_of(ten, Rule(), read_until, 1e4) for read_until in (679.9, 680.0)] == [WindowStage.CLOSING, WindowStage.FINAL]


@given(st.builds(Rule, st.sampled_from(WindowTime), st.sampled_from(WINDOW_LENGTHS), st.sampled_from(Spelling)))
def test_a_rule_is_found_by_its_name(rule: Rule) -> None:
    assert rule_named(name_of(rule)) == rule


@pytest.mark.parametrize("name", ["", "arrival", "arrival-7", "noon-60", "event-60-", "event-060", "event-60-exact"])
def test_no_other_name_is_a_rule(name: str) -> None:
    assert rule_named(name) is None


@given(st.floats(0, 1e10), st.floats(0, 1e10))
def test_by_original_times_no_window_is_ever_final(read_until: float, now: float) -> None:
    stage = stage_of(window(600), Rule(WindowTime.ORIGINAL), read_until, now)
    assert stage is (WindowStage.OPEN if now < 660 else WindowStage.CLOSING)
