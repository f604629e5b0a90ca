"""Reader and board: a store filled by the test, looked at at moments of the test's choice."""

from __future__ import annotations

import math
import shutil
import threading
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from fakes.trending import counting
from fakes.trending.page import HOSTILE, PageHome
from sqlalchemy.exc import OperationalError

from trending.kafka.rejects import Rejects
from trending.opened_store import _WatchedFile
from trending.page.board import Board
from trending.page.moving.palette import Palette
from trending.page.sections import slide_section
from trending.serving.counts import Batch
from trending.serving.reader import SHOWN_WINDOWS, TOP, StoreReader
from trending.serving.slide import Slide, SlideLine
from trending.serving.store import Store
from trending.settings import Rule, WindowTime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

T0 = 1_765_843_860  # 2025-12-16 00:11:00 UTC, the start of a minute


@pytest.fixture
def board(home: PageHome) -> Iterator[Board]:
    made = Board(home.spec())
    yield made
    made.close()


def shown(sections: dict[str, object]) -> list[tuple[object, ...]]:
    rows = sections["ranking"]["rows"]  # type: ignore[index]
    return [(row["rank"], row["shown"], row["tweets"], row["change"]) for row in rows]


def test_before_the_first_ranking_there_is_nothing_and_no_error(board: Board) -> None:
    sections = board.look(T0)
    assert sections["ranking"]["rows"] == []
    assert sections["trends"]["lines"] == []
    assert sections["history"] == []
    assert not board.readable
    assert sections["pipeline"]["store"]["health"] == "absent"


def test_the_latest_window_is_shown_whole_in_the_stores_order(home: PageHome, board: Board) -> None:
    home.write(T0 - 60, {"#b": 9, "#a": 3}, at=T0)
    home.write(T0, {"#a": 5, "#b": 3}, at=T0 + 10)
    home.write(T0, {"#c": 3}, at=T0 + 20)  # an update-mode batch carries only what changed
    sections = board.look(T0 + 20.0)
    assert shown(sections) == [(1, "#a", 5, 1), (2, "#b", 3, -1), (3, "#c", 3, None)]
    assert [row["new"] for row in sections["ranking"]["rows"]] == [False, False, True]
    assert [row["width"] for row in sections["ranking"]["rows"]] == [100.0, 60.0, 60.0]
    assert sections["ranking"]["status"] == "open"
    assert sections["ranking"]["label"] == "00:11:00 \u2013 00:12:00"
    assert (sections["ranking"]["tweets"], sections["ranking"]["hashtags"]) == (11, 3)
    assert [each["start"] for each in sections["history"]] == [T0 - 60]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """The windows from which on the store was read, look by look."""
    found: list[int | None] = []
    snapshot = StoreReader.snapshot

    def counted(self: StoreReader, since: int | None = None, as_of: float = math.inf) -> object:
        found.append(since)
        return snapshot(self, since, as_of)

    monkeypatch.setattr(StoreReader, "snapshot", counted)
    return found


def test_what_the_store_adds_is_seen_at_the_next_look_and_nothing_is_read_between(
    home: PageHome, board: Board, looks: list[int | None]
) -> None:
    home.write(T0, {"#a": 5}, at=T0 + 10)
    home.beat("stream", at=T0 + 10, read_until=T0 + 9.0)
    board.look(T0 + 10)
    looks.clear()
    board.look(T0 + 11)
    assert looks == []
    home.write(T0, {"#a": 25}, at=T0 + 20)
    sections = board.look(T0 + 20)
    assert looks == [T0 - 240], "no more than the windows that can still grow"
    assert shown(sections)[0][2] == 25
    assert sections["ranking"]["rows"][0]["velocity"] == 1.25  # from 0 at the minute's start to 25 after 20 s


def test_windows_that_were_not_final_are_read_again_however_far_back_they_are(
    home: PageHome, board: Board, looks: list[int | None]
) -> None:
    home.write(T0, {"#a": 25}, at=T0 + 20)
    home.beat("stream", at=T0 + 20, read_until=T0 + 9.0)
    board.look(T0 + 20)
    looks.clear()
    home.write(T0 + 3000, {"#a": 1}, at=T0 + 3020)
    board.look(T0 + 3020)
    home.write(T0, {"#a": 27}, at=T0 + 3030)
    home.beat("stream", at=T0 + 3030, read_until=T0 + 3029.0)
    sections = board.look(T0 + 3030)
    assert looks[-1] == T0 - 121, "the stream catches up: what was not final when the store was last read may have grown since"
    assert [(each["start"], each["tweets"]) for each in sections["history"]] == [(T0, 27)]
    home.write(T0 + 3000, {"#a": 2}, at=T0 + 3040)
    board.look(T0 + 3040)
    assert looks[-1] == T0 + 3000 - 240, "it has caught up"


def test_a_stream_whose_clock_was_ahead_makes_no_window_final(home: PageHome, board: Board) -> None:
    home.write(T0, {"#a": 25}, at=T0 + 20)
    home.beat("stream", at=T0 + 9000, read_until=T0 + 9000.0)
    assert board.look(T0 + 100)["ranking"]["status"] == "closing"


def test_a_batch_that_catches_up_changes_the_windows_it_skips_over(home: PageHome, board: Board) -> None:
    home.write(T0, {"#a": 5}, at=T0 + 10)
    board.look(T0 + 10)
    rows = {(T0 + 60 * minute, "#a"): 10 + minute for minute in range(10)}
    counting.write(home.store, "checkpoint", Batch(99, T0 + 600.0, rows, {}))
    sections = board.look(T0 + 600)
    assert [each["tweets"] for each in sections["history"]] == [18, 17, 16, 15, 14, 13, 12, 11, 10]
    assert sections["trends"]["lines"][0]["total"] == sum(range(10, 20))


def test_counts_of_two_checkpoints_are_added(home: PageHome, board: Board) -> None:
    home.write(T0, {"#a": 5, "#b": 6}, at=T0 + 10)
    counting.write(home.store, "another", Batch(0, T0 + 20.0, {(T0, "#a"): 4}, {}))
    assert shown(board.look(T0 + 20))[0][1:3] == ("#a", 9)


def test_counts_by_another_rule_are_not_added(home: PageHome, board: Board) -> None:
    home.write(T0, {"#a": 5, "#b": 6}, at=T0 + 10)
    home.store.take_over(counting.epoch("event", rule=Rule(WindowTime.EVENT)))
    counting.write(home.store, "event", Batch(0, T0 + 20.0, {(T0, "#a"): 4}, {}))
    assert [row[1:3] for row in shown(board.look(T0 + 20))] == [("#a", 4)]


def test_by_original_times_windows_of_years_ago_are_shown_read_again_and_never_final(
    home: PageHome, board: Board, looks: list[int | None]
) -> None:
    then = 1_539_202_740
    home.write(T0, {"#a": 9})
    home.store.take_over(counting.epoch("file", rule=Rule(WindowTime.ORIGINAL)))
    counting.write(home.store, "file", Batch(0, T0 + 10.0, {(then, "#b"): 2, (then + 60, "#c"): 1}, {}))
    home.beat("stream", at=T0 + 10_000, read_until=T0 + 10_000.0)
    board.look(T0 + 10_000)
    counting.write(home.store, "file", Batch(1, T0 + 10_010.0, {(then, "#b"): 5}, {}))
    sections = board.look(T0 + 10_010)
    assert looks[-1] is None, "all windows are read again"
    assert (shown(sections), sections["ranking"]["status"]) == ([(1, "#c", 1, None)], "closing")
    assert [(each["tweets"], each["stage"]) for each in sections["ribbon"]["windows"]][-2:] == [(5, "closing"), (1, "closing")]
    assert (sections["ribbon"]["now"], sections["slide"]["status"]) == (None, "closing")
    past = board.past_ranking(then, T0 + 10_010)
    assert past is not None
    assert (past["status"], past["tweets"]) == ("closing", 5)


@pytest.mark.row(23)
def test_only_the_first_rows_are_shown_and_all_are_counted(home: PageHome, board: Board) -> None:
    home.write(T0, {f"#{number:03}": 1000 - number for number in range(TOP + 50)}, at=T0 + 10)
    ranking = board.look(T0 + 10)["ranking"]
    assert len(ranking["rows"]) == 20
    assert ranking["hashtags"] == TOP + 50
    assert ranking["tweets"] == sum(1000 - number for number in range(TOP + 50))


def test_only_the_last_hour_is_offered(home: PageHome, board: Board) -> None:
    for minute in range(SHOWN_WINDOWS + 10):
        home.write(T0 + 60 * minute, {"#a": 1}, at=T0 + 60.0 * minute)
    sections = board.look(T0 + 60.0 * (SHOWN_WINDOWS + 9))
    assert len(sections["history"]) == SHOWN_WINDOWS - 1
    assert sections["history"][-1]["start"] == T0 + 60 * 10
    home.write(T0 + 60 * (SHOWN_WINDOWS + 10), {"#a": 1}, at=T0 + 60.0 * (SHOWN_WINDOWS + 10))
    assert board.look(T0 + 60.0 * (SHOWN_WINDOWS + 10))["history"][-1]["start"] == T0 + 60 * 11


def test_trends_have_a_value_a_minute_and_leave_out_the_one_that_runs(home: PageHome, board: Board) -> None:
    home.write(T0, {"#a": 10, "#b": 2}, at=T0 + 60)
    home.write(T0 + 120, {"#a": 5}, at=T0 + 180)  # nothing was written in the minute between
    home.write(T0 + 180, {"#z": 99}, at=T0 + 190)
    trends = board.look(T0 + 190)["trends"]
    assert [(line["shown"], line["total"], line["last"], line["most"]) for line in trends["lines"]] == [
        ("#a", 15, 5, 10),
        ("#b", 2, 0, 2),
    ]
    assert trends["lines"][0]["points"].count(",") == 3
    assert (trends["highest"], trends["to"]) == (10, "00:14")


def moved(sections: dict[str, object]) -> list[tuple[object, ...]]:
    rows = sections["ranking"]["rows"]  # type: ignore[index]
    return [(row["shown"], row["gain"], row["score"]) for row in rows]


def test_an_open_window_is_compared_with_the_windows_before_by_its_rate(home: PageHome, board: Board) -> None:
    for minute in range(-6, 0):
        home.write(T0 + 60 * minute, {"#a": 100, "#b": 50}, at=T0)
    home.write(T0, {"#a": 25, "#b": 50}, at=T0 + 16)
    home.beat("stream", at=T0 + 16, batch=6, read_until=T0 + 15.0)  # its trigger began a second before it was written
    assert moved(board.look(T0 + 20)) == [("#b", 2.5, 10.6), ("#a", 0.0, 0.0)]
    home.beat("stream", at=T0 + 31, batch=6, read_until=T0 + 30.0)  # nothing has come since
    assert moved(board.look(T0 + 31)) == [("#b", 0.83, 5.0), ("#a", -0.83, -3.5)]


def test_while_the_stream_is_behind_a_rate_is_not_known_and_what_was_read_whole_is(home: PageHome, board: Board) -> None:
    for minute in range(-6, 1):
        home.write(T0 + 60 * minute, {"#a": 100}, at=T0 + 200)
    home.beat("stream", at=T0 + 200, batch=6, read_until=T0 + 10.0, behind=5000.0)
    assert moved(board.look(T0 + 200)) == [("#a", None, None)]
    past = board.past_ranking(T0 - 60, T0 + 200.0)
    assert past is not None
    assert moved({"ranking": past}) == [("#a", 0.0, 0.0)]


def test_in_the_first_window_nothing_is_known_of_a_trend(home: PageHome, board: Board) -> None:
    home.write(T0, {"#a": 25}, at=T0 + 20)
    sections = board.look(T0 + 20)
    assert moved(sections) == [("#a", None, None)]
    assert sections["ranking"]["rows"][0]["new"] is False


def test_a_hashtag_from_below_the_places_that_are_compared_is_not_new(home: PageHome, board: Board) -> None:
    home.write(T0 - 60, {f"#{place:03}": 1000 - place for place in range(TOP)} | {"#below": 1}, at=T0)
    home.write(T0, {"#below": 9, "#fresh": 8}, at=T0 + 10)
    rows = board.look(T0 + 10)["ranking"]["rows"]
    assert [(row["shown"], row["change"], row["new"]) for row in rows] == [("#below", None, False), ("#fresh", None, True)]


def test_a_window_of_another_clocks_future_does_not_hide_the_present_one(home: PageHome, board: Board) -> None:
    home.write(T0, {"#a": 5}, at=T0 + 10)
    home.write(T0 + 3600, {"#future": 1}, at=T0 + 11)
    assert shown(board.look(T0 + 20)) == [(1, "#a", 5, None)]


def test_the_sliding_view_is_the_sum_of_whole_windows_with_its_bounds(home: PageHome, board: Board) -> None:
    for minute in range(-9, 0):
        home.write(T0 + 60 * minute, {"#a": 10, "#b": 30 if minute < -5 else 1}, at=T0)
    home.write(T0, {"#a": 5, "#c": 45}, at=T0 + 10)
    view = board.look(T0 + 10)["slide"]
    assert (view["label"], view["since"], view["status"]) == ("00:07:00 \u2013 00:12:00", "", "open")
    assert (view["title"], view["tweets"], view["pruned"]) == ("slide", 94, 0)
    assert [(row["rank"], row["shown"], row["tweets"], row["width"], row["not_kept"]) for row in view["rows"]] == [
        (1, "#a", 45, 100.0, 0),
        (2, "#c", 45, 100.0, 0),
        (3, "#b", 4, 8.9, 0),
    ]


def test_a_sliding_view_that_fills_says_since_when_and_an_empty_one_claims_nothing(home: PageHome, board: Board) -> None:
    assert board.look(T0)["slide"]["rows"] == []
    home.write(T0, {"#a": 5}, at=T0 + 10)
    view = board.look(T0 + 10)["slide"]
    assert (view["label"], view["since"]) == ("00:07:00 \u2013 00:12:00", "00:11:00")


def test_what_is_not_kept_in_a_sliding_view_is_shown_as_that() -> None:
    lines = (SlideLine("#a", 9), SlideLine("#b", 4, not_kept=2))
    view = slide_section(
        Slide(T0, T0 + 360, T0, 40, lines, pruned=2), Rule(window_seconds=90), 0.0, T0, ZoneInfo("UTC"), Palette().hue
    )
    assert (view["title"], view["pruned"], [row["not_kept"] for row in view["rows"]]) == ("other_slide", 2, [0, 2])


def test_hostile_hashtags_are_shown_as_text_that_reorders_nothing(home: PageHome, board: Board) -> None:
    home.write(T0, dict.fromkeys(HOSTILE, 3), at=T0 + 10)
    rows = {row["tag"]: row["shown"] for row in board.look(T0 + 10)["ranking"]["rows"]}
    assert rows["#\u202eevil"] == "#\\u202eevil"
    assert rows[HOSTILE[0]] == HOSTILE[0]


def test_an_earlier_window_is_shown_with_the_mean_of_its_minute(home: PageHome, board: Board) -> None:
    home.write(T0 - 60, {"#b": 9}, at=T0)
    home.write(T0, {"#a": 30, "#b": 12}, at=T0 + 60)
    home.write(T0 + 180, {"#c": 1}, at=T0 + 190)
    home.beat("stream", at=T0 + 190, read_until=T0 + 189.0)
    board.look(T0 + 190)
    past = board.past_ranking(T0, T0 + 190.0)
    assert past is not None
    assert [(row["shown"], row["velocity"], row["change"]) for row in past["rows"]] == [("#a", 0.5, None), ("#b", 0.2, -1)]
    assert past["status"] == "final"
    assert board.past_ranking(T0 + 60, T0 + 190.0) is None


def test_there_is_no_earlier_window_without_a_store(board: Board) -> None:
    assert board.past_ranking(T0, T0) is None


def test_a_store_that_is_made_anew_is_read_anew(home: PageHome, board: Board, tmp_path: Path) -> None:
    home.write(T0, {"#a": 50}, at=T0 + 10)
    board.look(T0 + 10)
    home.close()
    for leftover in tmp_path.glob("serving.sqlite*"):
        leftover.unlink()
    assert shown(board.look(T0 + 11)) == [(1, "#a", 50, None)], "what was known stays on show"
    assert not board.readable
    again = PageHome(tmp_path)
    again.write(T0, {"#b": 2}, at=T0 + 20)
    assert shown(board.look(T0 + 20)) == [(1, "#b", 2, None)]
    assert board.readable
    again.close()


def test_the_reader_cannot_write(home: PageHome) -> None:
    home.write(T0, {"#a": 5}, at=T0 + 10)
    reader = StoreReader(home.path)
    reader.version()
    assert isinstance(reader._watched, _WatchedFile)
    assert reader._watched._watching is not None
    with pytest.raises(OperationalError, match="readonly"):
        reader._watched._watching.exec_driver_sql("DELETE FROM ranking")
    reader.close()


def test_the_reader_finds_a_path_with_signs_that_mean_something_in_an_address(tmp_path: Path) -> None:
    place = tmp_path / "año #1?mode=rw%20"
    place.mkdir()
    home = PageHome(place)
    home.write(T0, {"#a": 5}, at=T0 + 10)
    reader = StoreReader(home.path)
    assert reader.latest() == T0
    reader.close()
    home.close()


def test_a_writer_is_never_kept_waiting_by_the_page(home: PageHome, board: Board, tmp_path: Path) -> None:
    home.write(T0, {"#a": 1}, at=T0)
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            board.look(T0)

    reading = threading.Thread(target=look)
    reading.start()
    try:
        for number in range(50):
            home.write(T0, {"#a": number}, at=T0 + number)
    finally:
        stop.set()
        reading.join(10)
    assert shown(board.look(T0 + 60))[0][2] == 49
    store = Store(tmp_path / "serving.sqlite")
    assert counting.counts(store) == {(T0, "#a"): 49}
    store.close()


def test_a_store_that_is_counted_anew_shows_nothing_of_the_old_counts(home: PageHome, board: Board) -> None:
    for minute in range(5):
        home.write(T0 + 60 * minute, {"#old": 5}, at=T0 + 60 * minute)
    assert shown(board.look(T0 + 250))[0][:2] == shown(board.look(T0 + 251))[0][:2]
    home.store.forget()
    home.write(T0, {"#new": 1}, at=T0 + 260)
    assert [row[:3] for row in shown(board.look(T0 + 261))] == [(1, "#new", 1)]


def test_the_pipeline_has_each_parts_own_figures(home: PageHome, board: Board) -> None:
    home.write(T0, {"#a": 5}, at=T0 + 10, rejects=(Rejects.of(0, "not valid JSON", [3]),))
    home.beat("producer", at=T0 + 10, acknowledged=100, queued=4)
    home.beat("stream", at=T0 + 10, batch=7, batch_seconds=0.4, behind=12)
    assert board.look(T0 + 10)["pipeline"]["producer"]["asked"] is None, "a producer of before that figure"
    home.beat("producer", at=T0 + 20, acknowledged=150, queued=4, asked=6.25)
    pipeline = board.look(T0 + 20, viewers=2)["pipeline"]
    producer = pipeline["producer"]
    assert (producer["rate"], producer["asked"], producer["acknowledged"]) == (5.0, 6.2, 150)
    assert (pipeline["spark"]["batch"], pipeline["spark"]["behind"], pipeline["spark"]["batch_seconds"]) == (7, 12, 0.4)
    assert (pipeline["kafka"]["health"], pipeline["kafka"]["topic"]) == ("well", "tweets_topic")
    assert (pipeline["store"]["written"], pipeline["store"]["rejects"]) == ("00:11:10", 1)
    assert pipeline["page"]["viewers"] == 2
    assert pipeline["stale_since"] == ""


def test_a_producer_that_lives_again_starts_its_rate_anew(home: PageHome, board: Board) -> None:
    home.beat("producer", at=T0, pid=1, acknowledged=1000)
    board.look(T0)
    home.beat("producer", at=T0 + 5, pid=2, acknowledged=10)
    assert board.look(T0 + 5)["pipeline"]["producer"]["rate"] == 0.0
    home.beat("producer", at=T0 + 10, pid=2, acknowledged=20)
    assert board.look(T0 + 10)["pipeline"]["producer"]["rate"] == 2.0


@pytest.mark.parametrize(
    ("phase", "beaten", "expected"),
    [
        ("running", T0 + 95, ""),
        ("starting the session", T0 + 95, ""),
        ("running", T0 + 80, "00:12:20"),  # frozen: since its last beat
        ("broker lost", T0 + 95, "00:11:10"),  # it lives and writes nothing: since the last batch
    ],
)
def test_figures_are_stale_since_the_stream_last_reported(
    phase: str, beaten: int, expected: str, home: PageHome, board: Board
) -> None:
    home.write(T0, {"#a": 5}, at=T0 + 10)
    home.beat("stream", phase, at=beaten)
    assert board.look(T0 + 100)["pipeline"]["stale_since"] == expected


def test_without_any_heartbeat_they_are_stale_since_the_last_batch(home: PageHome, board: Board) -> None:
    home.write(T0, {"#a": 5}, at=T0 + 10)
    assert board.look(T0 + 100)["pipeline"]["stale_since"] == "00:11:10"


def test_without_anything_they_are_stale_since_the_page_began(board: Board) -> None:
    for later in (0, 30, 60):
        assert board.look(T0 + later)["pipeline"]["stale_since"] == "00:11:00"


def test_a_time_of_another_day_has_its_date(home: PageHome, board: Board) -> None:
    home.write(T0, {"#a": 5}, at=T0 + 10)
    assert board.look(T0 + 90_000)["pipeline"]["stale_since"] == "2025-12-16 00:11"


def test_a_recorded_store_is_neither_stale_nor_live(home: PageHome) -> None:
    home.write(T0, {"#a": 5}, at=T0 + 10)
    board = Board(home.spec(producer=None, stream=None))
    pipeline = board.look(T0 + 1e6)["pipeline"]
    assert pipeline["recorded"]
    assert pipeline["stale_since"] == ""
    assert {pipeline[part]["health"] for part in ("producer", "kafka", "spark")} == {"unrecorded"}, "nothing is missing"
    assert pipeline["producer"]["acknowledged"] is pipeline["spark"]["batch"] is pipeline["kafka"]["topic"] is None, "and not 0"
    assert pipeline["store"]["health"] == "well"
    board.close()


def test_a_copy_of_a_store_is_enough_to_be_shown(home: PageHome, tmp_path: Path) -> None:
    home.write(T0, {"#a": 5}, at=T0 + 10)
    home.close()
    copy = tmp_path / "recorded"
    copy.mkdir()
    shutil.copy(home.path, copy / "store.sqlite")
    board = Board(home.spec(store=copy / "store.sqlite", producer=None, stream=None))
    assert shown(board.look(T0 + 1e6)) == [(1, "#a", 5, None)]
    board.close()


def test_the_store_tells_why_one_record_was_refused_and_how_many_for_each_reason(home: PageHome) -> None:
    bad = Rejects.of(0, "not valid JSON", [3, 5])
    home.write(T0, {"#a": 5}, rejects=(bad, Rejects.of(1, "late", [3])))
    home.write(T0, {"#a": 6}, rejects=(Rejects.of(0, "late", [9]),))
    reader = StoreReader(home.path)
    assert [reader.reason_of(*place) for place in ((0, 3), (0, 4), (0, 5), (1, 3), (0, 9), (2, 0))] == [
        "not valid JSON",
        "",
        "not valid JSON",
        "late",
        "late",
        "",
    ]
    found = reader.snapshot()
    reader.close()
    assert (found.reasons, found.rejects) == ({"not valid JSON": 2, "late": 2}, 4)
