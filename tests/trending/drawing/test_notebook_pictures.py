from __future__ import annotations

from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from trending.drawing.notebook_pictures import SHOWN_ROWS, Sample, count_lines, minute_columns, ranking_table, sample
from trending.serving.ranking_query import Window
from trending.settings import Rule

UTC = ZoneInfo("UTC")
ranked = st.lists(st.tuples(st.text(min_size=1, max_size=20), st.integers(1, 10**6)), min_size=1, max_size=20)


def window(start: int, *lines: tuple[str, int]) -> Window:
    return Window(start, sum(tweets for _hashtag, tweets in lines), len(lines), lines)


def test_the_table_has_a_row_for_each_hashtag_in_the_rankings_order_and_says_which_window() -> None:
    table = ranking_table(window(1_800_000_000, ("#Spark", 12345), ("#IA", 7)), 1_800_000_010.0, UTC)
    rows = [[cell.text for cell in row[:3]] for row in ET.fromstring(table).iterfind("tbody/tr")]  # noqa: S314 - ours
    assert rows == [["1", "#Spark", "12.345"], ["2", "#IA", "7"]]
    assert "Ventana [08:00:00, 08:01:00) · 12.352 tuits de 2 hashtags · visto a las 08:00:10" in table


def test_without_a_window_each_picture_is_a_sentence() -> None:
    for picture in (ranking_table(None, 0.0, UTC), count_lines([]), minute_columns([], UTC)):
        assert picture.startswith("<p>")


@given(ranked)
def test_whatever_a_hashtag_holds_the_pictures_are_well_formed_and_show_it_as_text(lines: list[tuple[str, int]]) -> None:
    shown = window(0, *lines)
    table = ET.fromstring(ranking_table(shown, 0.0, UTC))  # noqa: S314
    assert len(list(table.iterfind("tbody/tr"))) == min(len(lines), SHOWN_ROWS)
    drawing = ET.fromstring(count_lines([sample([shown], 0.0), sample([shown], 5.0)]))  # noqa: S314
    assert {each.tag for each in drawing.iter()} == {"figure", "figcaption", "svg", "polyline", "line", "text"}


def test_a_sample_sums_the_windows() -> None:
    assert sample([window(0, ("#A", 1), ("#B", 2)), window(60, ("#A", 3))], 9.0) == Sample(9.0, {"#A": 4, "#B": 2})


def test_the_leaders_get_a_line_and_the_largest_count_ends_at_the_top() -> None:
    picture = count_lines([Sample(0.0, {"#A": 0}), Sample(5.0, {"#A": 10, "#B": 5, **{f"#{n}": 1 for n in range(9)}})])
    lines = list(ET.fromstring(picture).iter("polyline"))  # noqa: S314
    assert len(lines) == 5
    assert lines[0].get("points", "").endswith(",2.0")
    assert lines[1].get("points", "").endswith(",100.0")
    assert "en los 5 s" in picture


def test_a_long_hashtag_is_cut_beside_its_line_and_whole_in_the_table() -> None:
    long = "#" + "a" * 40
    assert f">#{'a' * 14}… 3<" in count_lines([Sample(0.0, {long: 1}), Sample(5.0, {long: 3})])
    assert long in ranking_table(window(0, (long, 3)), 0.0, UTC)


def test_a_column_is_as_tall_as_its_window_is_full() -> None:
    picture = ET.fromstring(minute_columns([window(0, ("#A", 5)), window(60, ("#A", 10))], UTC))  # noqa: S314
    assert [each.get("height") for each in picture.iter("rect")] == ["80.0", "160.0"]
    assert [each.text for each in picture.iter("text")] == ["5", "00:00", "10", "00:01"]


def test_columns_of_shorter_windows_have_their_seconds() -> None:
    ten = Rule(window_seconds=10)
    windows = [Window(start, 5, 1, (("#A", 5),), ten) for start in (0, 10)]
    picture = ET.fromstring(minute_columns(windows, UTC))  # noqa: S314
    assert [each.text for each in picture.iter("text")] == ["5", "00:00:00", "5", "00:00:10"]
    assert "Tuits de cada ventana de 10 s" in ET.tostring(picture, encoding="unicode")
    assert "Ventana [00:00:10, 00:00:20)" in ranking_table(windows[-1], 10.0, UTC)


def test_the_pictures_speak_english_too() -> None:
    table = ranking_table(window(0, ("#Spark", 12345)), 10.0, UTC, "en")
    assert "Window [00:00:00, 00:01:00) · 12,345 tweets with 1 hashtags · seen at 00:00:10" in table
    assert "<th>Rank</th>" in table
    assert "Tweets counted since the start, during the 5 s" in count_lines([Sample(0.0, {"#A": 0}), Sample(5.0, {"#A": 9})], "en")
    assert "Tweets of each window of a minute" in minute_columns([window(0, ("#A", 5))], UTC, "en")
    for picture in (ranking_table(None, 0.0, UTC, "en"), count_lines([], "en"), minute_columns([], UTC, "en")):
        assert picture.startswith("<p>")
        assert "ventana" not in picture
