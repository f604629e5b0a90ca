"""The query for rankings, the history behind a trend, and the sliding view, on stores filled by the test."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from examples import examples
from fakes.trending.counting import epoch, write
from fakes.trending.memory import folder_in_memory
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from trending.serving import slide
from trending.serving.counts import Batch
from trending.serving.ranking_query import RankingQuery, RuleCounts, Window
from trending.serving.reader import StoreReader
from trending.serving.slide import SlideLine, read_slide, slide_starts
from trending.serving.store import Store
from trending.settings import Rule, WindowTime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

MINUTE = 1765845060
BY_EVENT = Rule(WindowTime.EVENT)


@contextmanager
def counted(path: Path, **options: Any) -> Iterator[RuleCounts]:
    with closing(StoreReader(path)) as reader, reader._engine.connect() as connection:
        yield RuleCounts(connection, **options)


def fill(store: Store, counts: dict[tuple[int, str], int], checkpoint: str = "c", number: int = 0) -> None:
    write(store, checkpoint, Batch(number, MINUTE, counts, {}))


def tags(start: int, *, many: int) -> dict[tuple[int, str], int]:
    return {(start, f"#{place:04}"): 1 + place % 7 for place in range(many)}


@contextmanager
def statements() -> Iterator[list[tuple[str, Any, Connection]]]:
    """Every statement with its parameters that any engine runs, with its connection."""
    from sqlalchemy import Engine  # noqa: PLC0415 - for its events only

    found: list[tuple[str, Any, Connection]] = []

    def note(connection: Connection, _cursor: object, statement: str, parameters: Any, *_more: object) -> None:
        found.append((statement, parameters, connection))

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


def ask_everything(reader: StoreReader) -> None:
    reader.ranking(RankingQuery(limit=10))
    reader.ranking(RankingQuery(MINUTE, as_of=MINUTE + 60.0))
    reader.with_history(RankingQuery())
    reader.latest(MINUTE + 60.0)
    reader.snapshot()


def test_every_look_at_the_counts_is_a_seek_in_their_key(store: Store, path: Path) -> None:
    fill(store, {(MINUTE + 60 * minute, f"#{tag}"): 1 for minute in range(30) for tag in range(20)})
    fill(store, {(MINUTE + 60 * 29, "#a"): 1}, "another")
    with closing(StoreReader(path)) as reader, statements() as found:
        ask_everything(reader)
        looks = [(text, parameters) for text, parameters, _ in found if "FROM ranking" in text]
        with reader._engine.connect() as connection:
            for text, parameters in looks:
                plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", parameters)]
                assert not [step for step in plan if step.startswith("SCAN")], (text, plan)
                [search] = [step for step in plan if step.startswith("SEARCH ranking")]
                ends_itself = "LIMIT" in text and not any("TEMP B-TREE" in step for step in plan)
                assert "checkpoint=? AND window_start" in search or ends_itself, (text, plan)
    assert len(looks) > 20


def test_a_ranking_costs_the_same_however_many_windows_the_store_has(tmp_path: Path) -> None:
    def steps(windows: int) -> int:
        """Return the steps of SQLite's machine for the latest ranking of a store of so many windows."""
        path = tmp_path / f"{windows}.sqlite"
        with closing(Store(path)) as store:
            counts: dict[tuple[int, str], int] = {}
            for minute in range(windows):
                counts.update(tags(MINUTE + 60 * minute, many=50))
            fill(store, counts)
        taken = Counter[str]()
        with closing(StoreReader(path)) as reader, reader._engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.set_progress_handler(lambda: taken.update(["step"]), 1)
            RankingQuery(limit=10).run(connection)
        return taken["step"]

    few = steps(5)
    assert few > 100
    assert steps(200) <= few * 1.02


def test_a_query_names_a_window_a_moment_a_limit_and_a_rule(store: Store) -> None:
    fill(store, {(MINUTE, "#a"): 5, (MINUTE, "#b"): 5, (MINUTE, "#c"): 9, (MINUTE + 3600, "#d"): 1}, "arrival")
    store.take_over(epoch("event", rule=BY_EVENT))
    fill(store, {(MINUTE, "#a"): 2}, "event")
    arrival = Rule()
    assert store.ranking() == Window(MINUTE, 2, 1, (("#a", 2),), BY_EVENT)
    assert store.ranking(RankingQuery(rule=arrival)) == Window(MINUTE + 3600, 1, 1, (("#d", 1),))
    present = RankingQuery(as_of=MINUTE + 59.9, limit=2, rule=arrival)
    assert store.ranking(present) == Window(MINUTE, 19, 3, (("#c", 9), ("#a", 5)))
    assert store.ranking(RankingQuery(MINUTE + 60, rule=arrival)) is None
    assert store.ranking(RankingQuery(as_of=MINUTE - 0.1, rule=arrival)) is None
    assert [store.ranking(RankingQuery(start)) for start in (2**70, -(2**70))] == [None, None]


def test_windows_have_the_length_of_their_rule(store: Store) -> None:
    store.take_over(epoch("short", rule=Rule(window_seconds=10)))
    fill(store, {(MINUTE, "#a"): 2}, "short")
    window = store.ranking()
    assert window is not None
    assert (window.seconds, window.end) == (10, MINUTE + 10)


def test_a_history_begins_behind_the_first_window_which_may_be_a_part(store: Store, path: Path) -> None:
    fill(store, {(MINUTE, "#a"): 5, (MINUTE + 180, "#a"): 5})
    with counted(path) as counts:
        window = counts.window(MINUTE + 180)
        assert window is not None
        history = counts.history(window)
    assert [history.count(MINUTE + each, "#a") for each in (0, 60, 120)] == [None, 0, 0]
    assert history.before == Window(MINUTE, 5, 1, (("#a", 5),))


def test_the_next_checkpoint_of_a_topic_goes_on_without_a_gap(store: Store, path: Path) -> None:
    fill(store, {(MINUTE, "#a"): 5, (MINUTE + 60, "#a"): 4}, "first")
    fill(store, {(MINUTE + 60, "#a"): 3, (MINUTE + 120, "#a"): 5}, "second")
    with counted(path) as counts:
        window = counts.window(MINUTE + 120)
        assert window is not None
        assert counts.history(window).count(MINUTE + 60, "#a") == 7


@pytest.mark.parametrize(
    "between",
    [
        pytest.param({"checkpoint": "event", "rule": BY_EVENT}, id="an epoch by another rule"),
        pytest.param({"checkpoint": "other", "topic_id": "topic-2"}, id="another topic"),
    ],
)
def test_behind_a_gap_a_missing_window_is_not_0(store: Store, path: Path, between: dict[str, Any]) -> None:
    fill(store, {(MINUTE, "#a"): 5}, "first")
    store.take_over(epoch(**between))
    fill(store, {(MINUTE + 120, "#a"): 5}, between["checkpoint"])
    store.take_over(epoch("last"))
    fill(store, {(MINUTE + 180, "#a"): 7, (MINUTE + 300, "#a"): 7}, "last")
    with counted(path) as counts:
        window = counts.window(MINUTE + 300)
        assert window is not None
        history = counts.history(window)
    assert history.known_from == MINUTE + 240, "nobody knows how long the first window was counted"
    assert [history.count(MINUTE + each, "#a") for each in (0, 60, 120, 180, 240)] == [None, None, None, None, 0]


def test_by_event_time_several_first_windows_may_be_parts(store: Store, path: Path) -> None:
    store.take_over(epoch("event", rule=BY_EVENT))
    fill(store, {(MINUTE, "#a"): 5, (MINUTE + 240, "#a"): 5}, "event")
    with counted(path) as counts:
        assert counts.known_from() == MINUTE + 180  # counting began up to 65 s behind the end of the first window


@pytest.mark.parametrize(
    ("rule", "apart"), [(Rule(), 0), (Rule(window_seconds=10), 0), (BY_EVENT, 120), (Rule(WindowTime.EVENT, 10), 70)]
)
def test_a_rule_that_counts_no_more_ends_in_windows_that_may_be_parts(store: Store, path: Path, rule: Rule, apart: int) -> None:
    store.take_over(epoch("c", rule=rule))
    fill(store, {(MINUTE, "#a"): 5, (MINUTE + 600, "#a"): 5}, "c")
    with counted(path, rule=rule) as counts:
        assert counts.partial_from() is None
    store.take_over(epoch("next", rule=Rule(window_seconds=900)))
    with counted(path, rule=rule) as counts:
        assert counts.partial_from() == MINUTE + 600 - apart
        assert counts.other_rules == [Rule(window_seconds=900)]
    store.take_over(epoch("again", rule=rule))
    with counted(path, rule=rule) as counts:
        assert counts.partial_from() is None


def test_a_store_without_epochs_was_counted_by_the_usual_rule_alone(store: Store, path: Path) -> None:
    fill(store, {(MINUTE, "#a"): 5})
    with closing(sqlite3.connect(path)) as older:
        older.execute("DROP TABLE epochs")
    found = [store.ranking(RankingQuery(rule=rule)) for rule in (None, Rule(), BY_EVENT, Rule(window_seconds=10))]
    assert found == [Window(MINUTE, 5, 1, (("#a", 5),))] * 2 + [None] * 2


def test_windows_from_before_another_rule_are_in_no_view_of_a_rule_that_came_back(store: Store, path: Path) -> None:
    fill(store, {(MINUTE, "#a"): 5, (MINUTE + 60, "#a"): 4}, "first")
    store.take_over(epoch("tens", rule=Rule(window_seconds=10)))
    store.take_over(epoch("again"))
    with counted(path) as counts:
        view = read_slide(counts, MINUTE + 60)
    assert view is not None
    assert (view.tweets, view.counted_from) == (9, MINUTE), "while it has counted nothing, what is shown is what it had"
    fill(store, {(MINUTE + 120, "#a"): 3}, "again")
    with counted(path) as counts:
        view = read_slide(counts, MINUTE + 120)
    assert view is not None
    assert (view.tweets, view.counted_from, view.start) == (3, MINUTE + 120, MINUTE - 120)


def test_an_empty_store_has_no_history_and_no_view(store: Store, path: Path) -> None:
    assert store.ranking() is None
    with counted(path) as counts:
        assert (counts.latest(), counts.first(), counts.known_from(), read_slide(counts, MINUTE, 5)) == (None, None, None, None)


@pytest.mark.parametrize(("seconds", "windows"), [(5, 60), (60, 5), (90, 4), (300, 1), (3600, 1)])
def test_the_view_covers_five_minutes_with_the_fewest_whole_windows(seconds: int, windows: int) -> None:
    starts = slide_starts(36_000, seconds)
    assert (len(starts), starts[-1]) == (windows, 36_000)
    assert windows * seconds >= 300 > (windows - 1) * seconds


def test_the_view_moves_on_with_each_window_and_says_from_where_to_where(store: Store, path: Path) -> None:
    fill(store, {(MINUTE + 60 * minute, "#a"): 10**minute for minute in range(7)})
    with counted(path) as counts:
        for last in (4, 5, 6):
            view = read_slide(counts, MINUTE + 60 * last, 5)
            assert view is not None
            assert (view.start, view.end) == (MINUTE + 60 * (last - 4), MINUTE + 60 * (last + 1))
            assert view.ranked == (SlideLine("#a", sum(10**minute for minute in range(last - 4, last + 1))),)
            assert view.counted_from == view.start


def test_while_it_fills_the_view_says_since_when_it_was_counted(store: Store, path: Path) -> None:
    fill(store, {(MINUTE, "#a"): 1, (MINUTE + 60, "#a"): 2})
    with counted(path) as counts:
        view = read_slide(counts, MINUTE + 60, 5)
    assert view is not None
    assert (view.start, view.counted_from, view.end) == (MINUTE - 180, MINUTE, MINUTE + 120)


def test_a_quiet_window_is_in_the_view_all_the_same(store: Store, path: Path) -> None:
    fill(store, {(MINUTE - 600, "#old"): 1, (MINUTE + 180, "#a"): 1, (MINUTE + 240, "#a"): 2})
    with counted(path) as counts:
        view = read_slide(counts, MINUTE + 240, 5)
    assert view is not None
    assert (view.start, view.counted_from, view.tweets) == (MINUTE, MINUTE, 3), (
        "nobody wrote in the first of them, and that is known"
    )


def test_what_was_pruned_of_a_window_is_not_kept_and_not_0(store: Store, path: Path) -> None:
    fill(store, {(MINUTE, "#a"): 9, (MINUTE, "#b"): 3, (MINUTE, "#c"): 1, (MINUTE + 60, "#a"): 8, (MINUTE + 60, "#b"): 7})
    assert store.trim("c", MINUTE, 1) == MINUTE
    with counted(path) as counts:
        view = read_slide(counts, MINUTE + 60, 5)
        assert view is not None
        assert (view.tweets, view.pruned) == (28, 1), "the sum has the pruned ones"
        assert view.ranked == (SlideLine("#a", 17), SlideLine("#b", 7, not_kept=1))
        window, earlier = counts.window(MINUTE + 60), counts.window(MINUTE)
        assert window is not None
        assert earlier is not None
        assert earlier == Window(MINUTE, 13, 3, (("#a", 9),), other_tweets=4, other_hashtags=2)
        assert not counts.history(window).pruned.isdisjoint({MINUTE})


LOAD = st.dictionaries(
    st.tuples(st.sampled_from(["c", "d"]), st.integers(0, 5), st.sampled_from("abcdefgh")),
    st.integers(1, 9),
    min_size=1,
    max_size=60,
)


@settings(max_examples=examples(60), deadline=None)
@given(LOAD, st.integers(1, 4), st.booleans())
def test_the_view_agrees_with_a_plain_counter(load: dict[tuple[str, int, str], int], limit: int, leading: bool) -> None:  # noqa: FBT001 - drawn
    """Whether it was decided by the leading hashtags of each window or added up whole."""
    latest = MINUTE + 60 * max(minute for _checkpoint, minute, _tag in load)
    expected: Counter[str] = Counter()
    for (_checkpoint, minute, tag), tweets in load.items():
        if latest - 240 <= MINUTE + 60 * minute:
            expected[tag] += tweets
    with folder_in_memory() as directory, pytest.MonkeyPatch.context() as patch:
        path = Path(directory) / "serving.sqlite"
        patch.setattr(slide, "LOOKED_UP", 0 if leading else 10**9)
        with closing(Store(path)) as store:
            for checkpoint in ("c", "d"):
                counts = {(MINUTE + 60 * minute, tag): n for (under, minute, tag), n in load.items() if under == checkpoint}
                fill(store, counts, checkpoint)
        with counted(path) as counted_:
            view = read_slide(counted_, latest, limit)
    assert view is not None
    assert view.tweets == expected.total()
    ranked = sorted(expected.items(), key=lambda line: (-line[1], line[0]))[:limit]
    assert [(line.hashtag, line.tweets, line.not_kept) for line in view.ranked] == [(tag, n, 0) for tag, n in ranked]


def test_leading_hashtags_decide_without_adding_up_what_is_below_them(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = {(MINUTE + 60 * minute, f"#{place:03}"): 1000 // (place + 1) for minute in range(5) for place in range(200)}
    fill(store, counts)
    monkeypatch.setattr(slide, "LOOKED_UP", 0)
    monkeypatch.setattr(RuleCounts, "ranked", SimpleNamespace())  # would fail if it were called
    with counted(path) as found:
        read = found.windows(MINUTE, MINUTE + 240, 100)
        view = read_slide(found, MINUTE + 240, 20, read)
    assert view is not None
    assert [line.tweets for line in view.ranked] == [5 * (1000 // place) for place in range(1, 21)]


@pytest.mark.parametrize(("windows", "hashtags", "looked_up"), [(60, 400, False), (5, 2000, True)])
def test_what_costs_less_decides_the_view(store: Store, path: Path, windows: int, hashtags: int, looked_up: bool) -> None:  # noqa: FBT001 - parametrized
    """Short windows are many, and so may their leading hashtags be: one by one these would cost more than adding all up."""
    rule = Rule(window_seconds=300 // windows)
    store.take_over(epoch("c", rule=rule))
    latest = MINUTE + (windows - 1) * rule.window_seconds
    starts = slide_starts(latest, rule.window_seconds)
    many = windows > 5
    fill(
        store,
        {(start, f"#{tag:04}"): 1 + (tag + nth * many) % hashtags for nth, start in enumerate(starts) for tag in range(hashtags)},
    )
    with counted(path) as counts, statements() as found:
        known = counts.windows(starts[0], latest, 20)
        view = read_slide(counts, latest, 5, known)
    assert view is not None
    assert len(view.ranked) == 5
    assert any("ranking.hashtag IN" in text for text, *_more in found) == looked_up
    assert any("GROUP BY ranking.hashtag" in text for text, *_more in found) != looked_up
