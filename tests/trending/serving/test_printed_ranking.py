from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from trending.serving.printed_ranking import SHOWN_ROWS, render_block
from trending.serving.ranking_query import Window
from trending.settings import Rule
from trending.text import local_time

MINUTE = 1765845060
UTC_ZONE = ZoneInfo("UTC")

BLOCK = """\
=====
Batch 12 - Snapshot en 2025-12-16 00:31:20
Ventana del minuto [2025-12-16 00:31:00 , 2025-12-16 00:32:00]
Top hashtags en este minuto:
+------------------------------------------+-----------------+---------------+
|window                                    |hashtag_principal|num_ocurrencias|
+------------------------------------------+-----------------+---------------+
|{2025-12-16 00:31:00, 2025-12-16 00:32:00}|#BigData         |42             |
|{2025-12-16 00:31:00, 2025-12-16 00:32:00}|#IA              |7              |
+------------------------------------------+-----------------+---------------+
====="""


def counted(*lines: tuple[str, int]) -> Window:
    return Window(MINUTE, sum(tweets for _hashtag, tweets in lines), len(lines), lines)


def ranking(*hashtags: str) -> Window:
    return counted(*((hashtag, len(hashtags) - place) for place, hashtag in enumerate(hashtags)))


def rows(block: str) -> list[str]:
    return [line for line in block.splitlines() if line.startswith("|{")]


def test_the_block_reads_exactly_as_the_contract_has_it() -> None:
    assert render_block(12, MINUTE + 20, counted(("#BigData", 42), ("#IA", 7)), UTC_ZONE) == BLOCK


def test_times_are_printed_in_the_time_zone_of_the_settings() -> None:
    block = render_block(12, MINUTE + 20.9, counted(("#IA", 1)), ZoneInfo("Europe/Madrid"))
    assert "Batch 12 - Snapshot en 2025-12-16 01:31:20" in block
    assert "Ventana del minuto [2025-12-16 01:31:00 , 2025-12-16 01:32:00]" in block
    assert "|{2025-12-16 01:31:00, 2025-12-16 01:32:00}|#IA" in block


def test_without_a_setting_times_are_the_machines_own() -> None:
    assert local_time(MINUTE, None) == datetime.fromtimestamp(MINUTE, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def test_the_order_of_the_ranking_is_kept() -> None:
    assert [line.split("|")[2].strip() for line in rows(render_block(1, MINUTE, ranking("#z", "#a", "#m"), UTC_ZONE))] == [
        "#z",
        "#a",
        "#m",
    ]


def test_a_long_hashtag_and_a_large_count_widen_their_columns() -> None:
    block = render_block(1, MINUTE, counted(("#" + "x" * 40, 10**20), ("#a", 1)), UTC_ZONE)
    table = [line for line in block.splitlines() if line.startswith(("|", "+"))]
    assert len({len(line) for line in table}) == 1
    assert f"|#{'x' * 40}|{10**20}|" in block


@pytest.mark.parametrize("hashtag", ["#日本語", "#😀😀", "#ñandú", "#e\u0301"])
def test_wide_and_combining_characters_keep_the_columns_straight(hashtag: str) -> None:
    block = render_block(1, MINUTE, ranking(hashtag, "#a"), UTC_ZONE)
    assert hashtag in block
    assert len({cell_len(line) for line in block.splitlines() if line.startswith(("|", "+"))}) == 1


@given(st.text(min_size=1, max_size=30))
def test_no_hashtag_can_break_out_of_its_row(hashtag: str) -> None:
    block = render_block(1, MINUTE, ranking("#a", hashtag, "#z"), UTC_ZONE)
    assert len(block.splitlines()) == 12
    assert len(rows(block)) == 3
    assert not [
        letter
        for letter in block
        if letter != "\n" and unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    ]


@pytest.mark.row(23)
def test_beyond_a_hundred_rows_the_block_says_how_many_there_are() -> None:
    block = render_block(1, MINUTE, ranking(*(f"#{number}" for number in range(SHOWN_ROWS + 7))), UTC_ZONE)
    assert len(rows(block)) == SHOWN_ROWS == 100
    assert block.splitlines()[-2:] == ["only showing top 100 rows of 107", "====="]


def test_a_hundred_rows_are_shown_without_a_remark() -> None:
    block = render_block(1, MINUTE, ranking(*(f"#{number}" for number in range(SHOWN_ROWS))), UTC_ZONE)
    assert len(rows(block)) == 100
    assert "only showing" not in block


def test_only_a_window_of_a_minute_is_called_one() -> None:
    block = render_block(3, MINUTE + 7, Window(MINUTE, 1, 1, (("#IA", 1),), Rule(window_seconds=10)), UTC_ZONE)
    assert "Ventana [2025-12-16 00:31:00 , 2025-12-16 00:31:10]\nTop hashtags en esta ventana:\n" in block
    assert "|{2025-12-16 00:31:00, 2025-12-16 00:31:10}|" in block
    assert "minuto" not in block
