"""The ribbon: places of windows, now and watermark, and what was refused."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from trending.page.moving.ribbon import SHOWN_REFUSED, Moment, ribbon_section
from trending.programs.refused import refused
from trending.serving.ranking_query import Window
from trending.settings import WINDOW_LENGTHS, Rule, WindowTime
from trending.tweets.rule import Reason

T0 = 1_765_843_860  # 2025-12-16 00:11:00 UTC, the start of a minute
UTC = ZoneInfo("UTC")


def ribbon(now: float, read_until: float = 0.0, watermark: float = 0.0, seconds: int = 60) -> dict[str, Any]:
    return ribbon_section({}, Rule(window_seconds=seconds), Moment(now, read_until, watermark), [], {}, UTC)


def test_windows_turn_from_open_over_closing_to_final() -> None:
    section = ribbon(T0 + 30.0, T0 + 25.0, T0 - 35.0)
    assert [each["stage"] for each in section["windows"]] == ["final", "final", "final", "closing", "open"]
    assert [each["label"] for each in section["windows"]] == ["00:07", "00:08", "00:09", "00:10", "00:11"]
    assert (section["now"], section["watermark"]) == (90.0, 68.33)
    assert (section["now_at"], section["watermark_at"]) == ("00:11:30", "00:10:25")


def test_a_stream_that_stands_still_makes_no_window_final() -> None:
    stages = [each["stage"] for each in ribbon(T0 + 30.0, T0 - 200.0)["windows"]]
    assert stages == ["closing"] * 4 + ["open"]


def test_a_watermark_that_is_not_known_or_far_behind_has_no_place() -> None:
    assert ribbon(T0 + 30.0)["watermark"] is None
    assert ribbon(T0 + 30.0)["watermark_at"] == ""
    far = ribbon(T0 + 30.0, watermark=T0 - 3_000.0)
    assert (far["watermark"], far["watermark_at"]) == (None, "23:21:00")


@pytest.mark.parametrize("seconds", WINDOW_LENGTHS)
def test_the_axis_is_filled_by_windows_of_any_length_and_shows_some_that_are_final(seconds: int) -> None:
    windows = ribbon(T0 + 30.0, T0 + 30.0, seconds=seconds)["windows"]
    assert windows[0]["x"] == 0
    assert all(late["x"] - early["x"] == pytest.approx(early["width"], abs=0.03) for early, late in pairwise(windows))
    assert windows[-1]["x"] + windows[-1]["width"] == pytest.approx(100, abs=0.1)
    assert "final" in {each["stage"] for each in windows}
    assert 0 < len([each for each in windows if each["label"]]) <= 7


def test_by_original_times_the_axis_ends_with_the_latest_tweets_and_nothing_on_it_is_final() -> None:
    rule, then = Rule(WindowTime.ORIGINAL), 1_539_202_740
    windows = {then: Window(then, 3, 1, (("#a", 3),), rule)}
    section = ribbon_section(windows, rule, Moment(T0 + 30.0, T0 + 30.0, 0.0), [], {}, UTC)
    assert [each["start"] for each in section["windows"]][-1] == then
    assert [each["tweets"] for each in section["windows"]] == [0, 0, 0, 0, 3]
    assert {each["stage"] for each in section["windows"]} == {"closing"}
    assert (section["now"], section["watermark"]) == (None, None)
    empty = ribbon_section({}, rule, Moment(T0 + 30.0, T0 + 30.0, 0.0), [], {}, UTC)["windows"]
    assert {each["stage"] for each in empty} == {"closing", "open"}, "an axis of the present, and still nothing final"


def test_who_was_refused_is_told_with_the_reason_the_newest_first_and_late_ones_in_their_window() -> None:
    late = json.dumps({"usuario": "@a", "hashtag_principal": "#\u202etarde", "timestamp": T0 - 100.0}).encode()
    records = [refused(0, offset, "not valid JSON", T0, b"{") for offset in range(SHOWN_REFUSED)]
    records.append(refused(1, 77, Reason.LATE, T0 + 20.0, late))
    section = ribbon_section({}, Rule(), Moment(T0 + 30.0, 0.0, 0.0), records, {Reason.LATE: 1, "odd": 9}, UTC)
    first, *others = section["refused"]
    assert (first["code"], first["shown"], first["user"]) == ("reason_late", "#\\u202etarde", "@a")
    assert (first["said"], first["appended"], first["partition"], first["offset"]) == ("00:09:20", "00:11:20", 1, 77)
    assert first["x"] == 50.0, "the middle of the window from 00:09"
    assert [each["x"] for each in others] == [None] * (SHOWN_REFUSED - 1)
    assert [(each["code"], each["reason"], each["records"]) for each in section["reasons"]] == [
        ("", "odd", 9),
        ("reason_late", Reason.LATE.value, 1),
    ]
