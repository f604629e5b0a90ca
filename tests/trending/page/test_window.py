from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trending.page.window import WindowStage, preceding, rank_changes, stage_of
from trending.serving.reader import Window
from trending.settings import WATERMARK_SECONDS, WINDOW_SECONDS, WindowTime

ARRIVAL, EVENT = WindowTime.ARRIVAL, WindowTime.EVENT
MINUTES = st.integers(0, 1000).map(lambda minute: minute * WINDOW_SECONDS)
ORDER = [WindowStage.OPEN, WindowStage.CLOSING, WindowStage.FINAL]


def window(start: int, *hashtags: str) -> Window:
    ranked = tuple((hashtag, 100 - place) for place, hashtag in enumerate(hashtags))
    return Window(start, sum(tweets for _hashtag, tweets in ranked), len(ranked), ranked)


@pytest.mark.parametrize(
    ("latest", "now", "window_time", "expected"),
    [
        (600, 600.0, ARRIVAL, WindowStage.OPEN),
        (600, 659.9, ARRIVAL, WindowStage.OPEN),
        (600, 660.0, ARRIVAL, WindowStage.CLOSING),
        (600, 9999.0, ARRIVAL, WindowStage.CLOSING),  # traffic has stopped, and the watermark with it
        (660, 700.0, ARRIVAL, WindowStage.CLOSING),
        (720, 720.5, ARRIVAL, WindowStage.FINAL),
        (720, 720.5, EVENT, WindowStage.CLOSING),  # its watermark is 65 s wide: 720 proves nothing yet
        (780, 780.5, EVENT, WindowStage.FINAL),
    ],
)
def test_a_window_is_open_then_closing_then_final(
    latest: int, now: float, window_time: WindowTime, expected: WindowStage
) -> None:
    assert stage_of(600, latest, now, window_time) is expected


@given(MINUTES, MINUTES, st.floats(0, 1e5), st.floats(0, 1e4), st.sampled_from(WindowTime))
def test_a_window_never_goes_back(start: int, latest: int, now: float, passed: float, window_time: WindowTime) -> None:
    before = stage_of(start, latest, now, window_time)
    assert ORDER.index(stage_of(start, latest, now + passed, window_time)) >= ORDER.index(before)
    assert ORDER.index(stage_of(start, latest + WINDOW_SECONDS, now, window_time)) >= ORDER.index(before)


@given(MINUTES, st.integers(0, 200_000), st.sampled_from(WindowTime))
def test_a_window_that_spark_can_still_change_is_never_called_final(start: int, newest: int, window_time: WindowTime) -> None:
    watermark = newest - WATERMARK_SECONDS[window_time]
    latest = newest // WINDOW_SECONDS * WINDOW_SECONDS
    if watermark < start + WINDOW_SECONDS:
        assert stage_of(start, latest, 1e9, window_time) is not WindowStage.FINAL


def test_a_rank_is_compared_with_the_window_before() -> None:
    now, before = window(60, "#a", "#b", "#c", "#d"), window(0, "#b", "#a", "#c")
    assert rank_changes(now, before) == [1, -1, 0, None]
    assert rank_changes(now, None) == [None] * 4


def test_the_window_before_is_the_last_one_that_has_tweets() -> None:
    windows = [window(0), window(60), window(240)]
    assert preceding(windows, 240) == windows[1]
    assert preceding(windows, 0) is None
