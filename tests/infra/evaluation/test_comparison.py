from __future__ import annotations

from zoneinfo import ZoneInfo

from infra.evaluation.comparison import compare, named

START = 1_767_225_600


def test_what_is_lost_and_what_is_too_much_is_told_by_window_and_hashtag() -> None:
    truth = {(START, "#a"): 5, (START, "#b"): 2, (START + 10, "#a"): 4, (START + 20, "#a"): 1}
    found = compare(truth, {(START, "#a"): 3, (START + 10, "#a"): 6, (START + 10, "#new"): 1, (START + 20, "#a"): 1})
    assert not found.exact
    assert list(found.lines(START, 10, ZoneInfo("UTC"))) == [
        "window 1, from 2026-01-01 00:00:00: lost 4 (#a 2, #b 2)",
        "window 2, from 2026-01-01 00:00:10: duplicated 3 (#a 2, #new 1)",
    ]
    assert found.line == "tweets 12, counted 11, lost 4, duplicated 3"


def test_a_loss_and_a_surplus_of_the_same_size_do_not_cancel_out() -> None:
    found = compare({(START, "#a"): 1, (START, "#b"): 1}, {(START, "#a"): 2})
    assert (found.tweets, found.counted, found.exact) == (2, 2, False)
    assert compare({(START, "#a"): 1}, {(START, "#a"): 1, (START, "#b"): 0}).exact


def test_of_many_hashtags_the_largest_are_named() -> None:
    cells = {(START, f"#{number}"): number for number in range(1, 11)}
    assert named(cells, START) == "#10 10, #9 9, #8 8, #7 7, #6 6, #5 5, #4 4, #3 3 and 2 more"
    assert named(cells, START + 60) == ""
