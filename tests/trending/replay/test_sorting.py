from __future__ import annotations

import random
from itertools import islice
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trending.errors import InvalidInput
from trending.replay.posts import Post
from trending.replay.shapes import Bad
from trending.replay.sorting import Sorted
from trending.replay.survey import Survey, survey

if TYPE_CHECKING:
    from pathlib import Path


def post(time: int, row: int = 1, hashtag: str = "#a") -> Post:
    return Post(time, row, "@a", "á \u2028 #a", hashtag)


@pytest.mark.parametrize("number", [0, 1, 7, 100])
def test_posts_come_in_order_and_those_of_one_time_in_that_of_their_rows(tmp_path: Path, number: int) -> None:
    posts = [post(time, row) for row, time in enumerate(random.Random(7).choices(range(20), k=number))]
    in_order = Sorted(tmp_path, in_memory=3, together=3)
    in_order.take(posts)
    assert list(in_order.posts()) == sorted(posts)


def test_few_files_are_open_at_once_and_few_posts_in_memory(tmp_path: Path) -> None:
    posts = (post(1000 - row, row) for row in range(1000))
    in_order = Sorted(tmp_path, in_memory=2, together=4)
    in_order.take(posts)
    assert [each.time for each in islice(in_order.posts(), 3)] == [1, 2, 3]
    assert len(list(tmp_path.iterdir())) <= 3 * 5


def test_a_disk_without_room_says_where_to_sort(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be sorted") as caught:
        Sorted(tmp_path / "gone").take([post(1)])
    assert "TMPDIR" in caught.value.next_command


@given(st.lists(st.integers(-5, 5)))
def test_a_survey_says_from_when_to_when_and_what_is_out_of_order(times: list[int]) -> None:
    found = survey([post(time, row, "" if time == 3 else "#a") for row, time in enumerate(times, 1)], lambda _posts: None)
    back = [row for row, time in enumerate(times, 1) if time < max(times[:row])]
    assert (found.posts, found.untagged) == (len(times), times.count(3))
    assert (found.first, found.last) == ((min(times), max(times)) if times else (0, 0))
    assert (found.back, found.back_at) == (len(back), back[0] if back else 0)
    assert found.step == max((max(times[:row]) - times[row - 1] for row in back), default=0)


def test_a_survey_keeps_the_first_bad_rows_and_counts_all() -> None:
    found: Survey = survey([Bad(row, "time" if row % 2 else "", "is wrong") for row in range(50)], lambda _posts: None)
    assert [each.row for each in found.bad] == list(range(20))
    assert found.fields == {"time": 25, "": 25}


def test_a_survey_of_many_posts_says_how_far_it_is() -> None:
    told: list[int] = []
    survey((post(1) for _each in range(400_001)), told.append)
    assert told == [200_000, 400_000]
