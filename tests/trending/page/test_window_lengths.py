"""Windows of another length on the page: one rule is shown, what another one counted is shown apart, nothing is added."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes.trending import counting
from fakes.trending.memory import folder_in_memory
from fakes.trending.page import PageHome, served, visitor
from hypothesis import given
from hypothesis import strategies as st

from trending.page.board import Board
from trending.page.moving.palette import Palette
from trending.page.sections import slide_section
from trending.page.window import name_of
from trending.page.words import WORDS
from trending.serving.counts import Batch
from trending.serving.ranking_query import RankingQuery
from trending.serving.reader import StoreReader, StoreSnapshot
from trending.settings import WINDOW_LENGTHS, Rule, WindowTime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

T0 = 1_765_843_860  # 2025-12-16 00:11:00 UTC, the start of a minute
TEN = Rule(window_seconds=10)


@pytest.fixture
def board(home: PageHome) -> Iterator[Board]:
    made = Board(home.spec())
    yield made
    made.close()


def count(home: PageHome, checkpoint: str, windows: dict[int, dict[str, int]], at: float) -> None:
    """Write one more batch of an epoch that there is."""
    last = {each.checkpoint: each.last_batch for each in home.store.known_epochs()}[checkpoint]
    rows = {(start, hashtag): tweets for start, counts in windows.items() for hashtag, tweets in counts.items()}
    counting.write(home.store, checkpoint, Batch(0 if last is None else last + 1, at, rows, {}))


@pytest.fixture
def tens(home: PageHome) -> PageHome:
    """A store that counted minutes until 00:11:20, and windows of ten seconds since."""
    home.write(T0 - 60, {"#old": 8}, at=T0)
    home.write(T0, {"#old": 5, "#a": 2}, at=T0 + 20)
    home.store.take_over(counting.epoch("tens", rule=TEN))
    count(home, "tens", {T0: {"#old": 1}, T0 + 20: {"#a": 3, "#b": 1}, T0 + 30: {"#b": 4}}, T0 + 35.0)
    return home


def rows(section: dict[str, Any]) -> list[tuple[str, int]]:
    return [(row["tag"], row["tweets"]) for row in section["rows"]]


def test_an_epoch_that_has_just_begun_takes_nothing_from_the_page(home: PageHome, board: Board) -> None:
    home.write(T0, {"#a": 5}, at=T0 + 10)
    home.store.take_over(counting.epoch("another"))
    assert rows(board.look(T0 + 11.0)["ranking"]) == [("#a", 5)]
    home.store.take_over(counting.epoch("tens", rule=TEN))
    ranking = board.look(T0 + 12.0)["ranking"]
    assert (ranking["rows"], ranking["seconds"]) == ([], 10), "by the new rule nothing is counted yet"


def test_the_running_rules_windows_are_shown_by_their_own_length(tens: PageHome, board: Board) -> None:
    sections = board.look(T0 + 36.0)
    ranking = sections["ranking"]
    assert (ranking["label"], ranking["seconds"], rows(ranking)) == ("00:11:30 \u2013 00:11:40", 10, [("#b", 4)])
    assert sections["trends"]["seconds"] == 10
    assert (sections["trends"]["from"], sections["trends"]["to"]) == ("00:09:50", "00:11:30")
    assert sections["trends"]["lines"][0]["total"] == 3, "#a in tens, and nothing of the minutes"
    past = board.past_ranking(T0 + 20, T0 + 36.0)
    assert past is not None
    assert [row["velocity"] for row in past["rows"]] == [0.3, 0.1]
    assert past["status"] == "closing"
    assert tens.path.exists()


def test_what_another_rule_counted_is_shown_as_its_own_and_never_added(tens: PageHome, board: Board) -> None:
    history = board.look(T0 + 36.0)["history"]
    assert [(each["start"], each["label"], each["tweets"]) for each in history] == [
        (T0 + 20, "2025-12-16 00:11:20", 4),
        (T0, "2025-12-16 00:11:00", 1),
        (f"{T0}?rule=arrival-60", "2025-12-16 00:11 · 60 s, arrival", 7),
        (f"{T0 - 60}?rule=arrival-60", "2025-12-16 00:10 · 60 s, arrival", 8),
    ]
    own, other = board.past_ranking(T0, T0 + 36.0), board.past_ranking(T0, T0 + 36.0, Rule())
    assert own is not None
    assert other is not None
    assert (rows(own), own["query"], own["seconds"]) == ([("#old", 1)], "", 10)
    assert (rows(other), other["query"], other["seconds"]) == ([("#old", 5), ("#a", 2)], "?rule=arrival-60", 60)
    assert other["rows"][0]["change"] == 0, "compared with the minute before, not with ten seconds"
    assert board.past_ranking(T0, T0 + 36.0, Rule(WindowTime.EVENT)) is None
    assert tens.path.exists()


def test_a_page_that_runs_meanwhile_changes_over_and_forgets_what_it_had_read(home: PageHome, board: Board) -> None:
    home.write(T0, {"#old": 5}, at=T0 + 20)
    assert board.look(T0 + 20.0)["ranking"]["seconds"] == 60
    home.store.take_over(counting.epoch("tens", rule=TEN))
    count(home, "tens", {T0 + 20: {"#a": 3}, T0 + 30: {"#b": 4}}, T0 + 35.0)
    sections = board.look(T0 + 35.0)
    assert (sections["ranking"]["seconds"], rows(sections["ranking"])) == (10, [("#b", 4)])
    assert [each["start"] for each in sections["history"]] == [T0 + 20, f"{T0}?rule=arrival-60"]
    home.store.take_over(counting.epoch("minutes again"))
    count(home, "minutes again", {T0: {"#a": 1}}, T0 + 40.0)
    sections = board.look(T0 + 40.0)
    assert rows(sections["ranking"]) == [("#old", 5), ("#a", 1)], "the epochs of one rule add up, wherever they lie"
    assert [each["start"] for each in sections["history"]] == [f"{T0 + 30}?rule=arrival-10", f"{T0 + 20}?rule=arrival-10"]


def test_a_hand_over_between_two_questions_to_the_store_mixes_nothing(
    home: PageHome, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write(T0, {"#old": 5}, at=T0 + 20)
    board.look(T0 + 20.0)
    home.write(T0, {"#old": 6}, at=T0 + 30)
    snapshot = StoreReader.snapshot

    def handed_over(self: StoreReader, since: int | None = None, as_of: float = math.inf) -> StoreSnapshot:
        monkeypatch.setattr(StoreReader, "snapshot", snapshot)
        home.store.take_over(counting.epoch("tens", rule=TEN))
        count(home, "tens", {T0 + 30: {"#b": 4}}, T0 + 35.0)
        return snapshot(self, since, as_of)

    monkeypatch.setattr(StoreReader, "snapshot", handed_over)
    for _look in range(2):
        sections = board.look(T0 + 35.0)
        assert (sections["ranking"]["seconds"], rows(sections["ranking"])) == (10, [("#b", 4)])
        assert [each["start"] for each in sections["history"]] == [f"{T0}?rule=arrival-60"]


@pytest.mark.parametrize("seconds", [5, 10, 60, 3600])
def test_windows_that_can_still_grow_are_read_again(seconds: int, home: PageHome) -> None:
    """Whatever their length: 185 s are the usual watermark."""
    spec = home.spec(stream=None)
    board = Board(spec)
    latest = T0 // 3600 * 3600
    last = max(1, 185 // seconds)
    home.store.take_over(counting.epoch("c", rule=Rule(window_seconds=seconds)))
    count(home, "c", {latest - number * seconds: {"#a": 1} for number in range(last + 2)}, latest + 1.0)
    board.look(latest + 1.0)
    oldest = latest - last * seconds
    count(home, "c", {oldest: {"#a": 7}, latest: {"#a": 2}}, latest + 2.0)
    told = {each["start"]: each["tweets"] for each in board.look(latest + 2.0)["history"]}
    assert told[oldest] == 7
    board.close()


@given(st.lists(st.tuples(st.sampled_from(WINDOW_LENGTHS), st.integers(0, 7300), st.integers(1, 9)), min_size=1, max_size=12))
def test_no_window_ever_holds_what_another_rule_counted(counted: list[tuple[int, int, int]]) -> None:
    """Each tweet counted is found once, in a window of the length by which it was counted."""
    with folder_in_memory() as folder:
        home = PageHome(Path(folder))
        expected: dict[tuple[int, int], int] = {}
        for number, (seconds, moment, tweets) in enumerate(counted):
            start = moment // seconds * seconds
            home.store.take_over(counting.epoch(f"c{number}", rule=Rule(window_seconds=seconds)))
            count(home, f"c{number}", {start: {"#a": tweets}}, 1.0)
            expected[seconds, start] = expected.get((seconds, start), 0) + tweets
        reader = StoreReader(home.path)
        assert reader.snapshot().rule.window_seconds == counted[-1][0]
        found = {
            (seconds, start): window.tweets
            for seconds, start in expected
            if (window := reader.ranking(RankingQuery(start, rule=Rule(window_seconds=seconds))))
        }
        assert found == expected
        reader.close()
        home.close()


def test_addresses_name_the_rule_of_an_earlier_window(tens: PageHome) -> None:
    with served(tens.spec()) as address, visitor(address) as web:
        assert web.get(f"/past/{T0}").json()["tweets"] == 1
        assert web.get(f"/past/{T0}", params={"rule": name_of(Rule())}).json()["tweets"] == 7
        exported = web.get(f"/windows/{T0}.json?rule=arrival-60").json()
        assert (exported["window_end"], exported["tweets"]) == ("2025-12-16T00:12:00Z", 7)
        assert web.get(f"/windows/{T0}.json").json()["window_end"] == "2025-12-16T00:11:10Z"
        assert web.get(f"/windows/{T0}.csv?rule=arrival-60").text.count("2025-12-16T00:12:00Z") == 2
        for rule in ("event-60", "arrival-7", "<script>"):
            assert web.get(f"/windows/{T0}.csv", params={"rule": rule}).status_code == 404
            assert web.get(f"/past/{T0}", params={"rule": rule}).status_code == 404
        first = web.get("/", params={"window": f"{T0}?rule=arrival-60", "lang": "en"}).text
        assert f'<option value="{T0}?rule=arrival-60" selected>' in first
        assert "Ranking of the minute" in first
        assert f'href="/windows/{T0}.csv?rule=arrival-60"' in first
        now = web.get("/", params={"lang": "en"}).text
        assert "Ranking of the window" in now
        assert "The last windows, 10 seconds at a time" in now


def trend(section: dict[str, Any], tag: str) -> tuple[float | None, float | None]:
    """Return the change of velocity and the score of a hashtag."""
    return next((row["gain"], row["score"]) for row in section["rows"] if row["tag"] == tag)


@pytest.mark.parametrize(
    ("seconds", "title", "label", "since", "tweets"),
    [
        (10, "slide", "00:15:00 \u2013 00:20:00", "00:18:10", 1130),
        (600, "single_slide", "00:10:00 \u2013 00:20:00", "", 130),
    ],
)
def test_trends_and_the_sliding_view_are_of_windows_of_the_rules_length(
    home: PageHome, seconds: int, title: str, label: str, since: str, tweets: int
) -> None:
    board = Board(home.spec(stream=None))
    end = T0 + 540
    home.write(end - seconds, {"#a": 10**6}, at=T0)
    home.store.take_over(counting.epoch("c", rule=Rule(window_seconds=seconds)))
    windows = {end - nth * seconds: {"#a": 100} for nth in range(2, 12)} | {end - seconds: {"#a": 130}}
    count(home, "c", windows, float(end))
    sections = board.look(end + 1.0)
    assert trend(sections["ranking"], "#a") == (round(30 / seconds, 2), 3.0)  # (130 - 100) / sqrt(100)
    view = sections["slide"]
    assert (view["title"], view["label"], view["since"], view["tweets"]) == (title, label, since, tweets)
    assert [(row["shown"], row["tweets"]) for row in view["rows"]] == [("#a", tweets)]
    board.close()


def test_a_new_rules_trends_begin_with_its_own_windows(home: PageHome) -> None:
    board = Board(home.spec(stream=None))
    for minute in range(-12, 1):
        home.write(T0 + 60 * minute, {"#a": 6000}, at=T0 + 20)
    home.store.take_over(counting.epoch("tens", rule=TEN))
    told = []
    for nth in range(6):
        start = T0 + 20 + 10 * nth
        count(home, "tens", {start: {"#a": 10}}, start + 10.0)
        told.append(trend(board.look(start + 10.0)["ranking"], "#a"))
    assert told == [(None, None), (None, None), *[(0.0, None)] * 2, *[(0.0, 0.0)] * 2], "a minute's 6000 would make each a fall"
    whole, part = (board.past_ranking(start, T0 + 300.0, Rule()) for start in (T0 - 60, T0))
    assert whole is not None
    assert part is not None
    assert trend(whole, "#a") == (0.0, 0.0)
    assert trend(part, "#a") == (None, None), "after twenty seconds another rule has counted on"
    board.close()


def test_the_sliding_view_of_a_rule_that_has_just_begun_has_its_own_windows_alone(tens: PageHome, board: Board) -> None:
    view = board.look(T0 + 36.0)["slide"]
    assert (view["title"], view["label"], view["since"]) == ("slide", "00:06:40 \u2013 00:11:40", "00:11:00")
    assert [(row["shown"], row["tweets"]) for row in view["rows"]] == [("#b", 5), ("#a", 3), ("#old", 1)]
    tens.store.take_over(counting.epoch("long", rule=Rule(window_seconds=600)))
    view = board.look(T0 + 37.0)["slide"]
    assert (view["title"], view["label"], view["rows"], view["tweets"]) == ("single_slide", "", [], 0)
    tens.store.take_over(counting.epoch("minutes again"))
    count(tens, "minutes again", {T0: {"#a": 1}, T0 + 60: {"#b": 2}}, T0 + 70.0)
    view = board.look(T0 + 70.0)["slide"]
    assert (view["label"], view["since"], view["tweets"]) == ("00:08:00 \u2013 00:13:00", "00:11:00", 10)
    assert "#old" in {row["shown"] for row in view["rows"]}, "of the minute in which the rule came back"
    assert [row["tweets"] for row in view["rows"]] == [5, 3, 2], "not the 8 from before the gap"


@pytest.mark.parametrize(
    ("seconds", "title", "hint"),
    [
        (5, "slide", "slide_hint"),
        (60, "slide", "slide_hint"),
        (90, "other_slide", "slide_hint"),
        (300, "slide", "single_slide_hint"),
        (360, "single_slide", "single_slide_hint"),
        (3600, "single_slide", "single_slide_hint"),
    ],
)
def test_only_a_view_of_five_minutes_is_called_that(seconds: int, title: str, hint: str) -> None:
    view = slide_section(None, Rule(window_seconds=seconds), 0.0, T0, None, Palette().hue)
    assert (view["title"], view["hint"]) == (title, hint)
    for words in WORDS.values():
        assert ("cinco minutos" in words[title] or "five minutes" in words[title]) == (title == "slide")


def test_exports_and_metrics_of_trends_are_of_one_rule(home: PageHome) -> None:
    long = Rule(window_seconds=600)
    end = T0 // 600 * 600
    for minute in range(-12, 0):
        home.write(end + 60 * minute, {"#a": 100}, at=float(end))
    home.store.take_over(counting.epoch("long", rule=long))
    windows = {end - 600 * nth: {"#a": 9} for nth in range(2, 7)} | {end - 600: {"#a": 15, "#b": 1}}
    count(home, "long", windows, float(end))
    with served(home.spec(stream=None)) as address, visitor(address) as web:
        own = web.get(f"/windows/{end - 600}.json").json()["ranking"]
        assert [(line["velocity"], line["trend_score"]) for line in own] == [(0.025, 2.0), (1 / 600, 1.0)]
        minute = web.get(f"/windows/{end - 120}.json?rule=arrival-60").json()["ranking"]
        assert (minute[0]["velocity_change"], minute[0]["trend_score"]) == (0.0, 0.0)
        view = web.get("/slide.json").json()
        assert (view["tweets"], [line["tweets"] for line in view["ranking"]]) == (16, [15, 1])
        told = web.get("/metrics").text
        assert 'trending_slide_tweets{hashtag="#a",part="top"} 15.0' in told
        assert 'trending_ranking_trend_score{hashtag="#a"} 2.0' in told
        assert "trending_ranking_window_length_seconds 600.0" in told
        first = web.get("/", params={"lang": "es"}).text
        assert "La última ventana sola" in first
        assert "Una ventana abarca cinco minutos" in first
