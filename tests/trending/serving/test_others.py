"""Windows of very many hashtags: the first K by name, of the others one exact sum and number, and an audit that knows both."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from examples import examples
from fakes.trending.counting import epoch, write
from fakes.trending.memory import folder_in_memory
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trending.audit.kept_counts import OTHER_HASHTAGS, as_kept, with_others
from trending.audit.reconciliation import Ledgers, LogRange, reconcile
from trending.audit.recounting.recount import Recount
from trending.errors import REBUILD, ConfigurationConflict
from trending.producer.ledger import Ledger
from trending.serving import others
from trending.serving.counts import Batch
from trending.serving.others import Others
from trending.serving.ranking_query import RankingQuery
from trending.serving.seals import StoredSeal, closed_window
from trending.serving.store import Store
from trending.settings import Rule
from trending.stream.letters import Letters

if TYPE_CHECKING:
    from trending.audit.audit_report import AuditReport

MINUTE = 1765845060
NAMES = st.sampled_from(["#a", "#b", "#B", "#ñ", "#z", "#€", "#\U0001f600", "#aa"])
COUNTS = st.dictionaries(NAMES, st.integers(1, 3), max_size=8)
"""Few counts, so that there are ties."""
EPOCHS = st.lists(COUNTS, min_size=1, max_size=3)
pytestmark = pytest.mark.row(23)


def counted(store: Store, counts: list[dict[str, int]], window: int = MINUTE) -> str:
    """Let one epoch after the other count into a window; returns the checkpoint of the last one."""
    for number, each in enumerate(counts):
        store.take_over(epoch(f"c{number}"))
        write(store, f"c{number}", Batch(0, MINUTE, {(window, hashtag): tweets for hashtag, tweets in each.items()}, {}))
    return f"c{len(counts) - 1}"


def log_of(store: Store, counts: list[dict[str, int]]) -> Recount:
    """Return the recount of a log that has what was counted."""
    tweets = {(f"c{number}", MINUTE, hashtag): tweets for number, each in enumerate(counts) for hashtag, tweets in each.items()}
    return Recount(store.known_epochs(), tweets=Counter(tweets))


def audit(store: Store, log: Recount) -> AuditReport:
    nothing, part = Ledger((), {}, {}, 0), LogRange({0: 0}, {0: 0}, {0: 0}, MINUTE)
    return reconcile(Ledgers(nothing, nothing), part, log, store.view(), Letters(), 0.0)


@settings(max_examples=examples(30))
@given(EPOCHS, st.integers(1, 6))
def test_the_first_hashtags_and_the_others_are_those_of_the_whole_ranking(counts: list[dict[str, int]], kept: int) -> None:
    """In any order of the epochs, with ties by name."""
    whole = sum((Counter(each) for each in counts), Counter[str]())
    ranking = sorted(whole.items(), key=lambda line: (-line[1], line[0]))
    for order in (counts, counts[::-1]):
        with folder_in_memory() as folder, closing(Store(Path(folder) / "serving.sqlite")) as store:
            last = counted(store, order)
            store.trim(last, MINUTE, kept)
            window = store.ranking(RankingQuery(MINUTE))
            if not whole:
                assert window is None
                continue
            assert window is not None
            assert window.ranked == tuple(ranking[:kept])
            assert (window.other_tweets, window.other_hashtags) == (
                sum(tweets for _hashtag, tweets in ranking[kept:]),
                len(ranking[kept:]),
            )
            assert (window.tweets, window.hashtags, window.is_cut) == (whole.total(), len(whole), False)
            assert audit(store, log_of(store, order)).clean
            assert audit(store, log_of(store, order)).counted == whole.total()


FAULTS = {
    "a count that is kept": ("UPDATE ranking SET tweets = tweets + 1 WHERE hashtag = '#top'", {"#top"}, 0, 1),
    "a row that is kept": ("DELETE FROM ranking WHERE hashtag = '#top'", {"#top"}, 9, 0),
    "the others' sum": ("UPDATE others SET tweets = tweets - 1", {OTHER_HASHTAGS}, 1, 0),
    "the others' number": ("UPDATE others SET hashtags = hashtags + 1", {f"{OTHER_HASHTAGS}, their number"}, 0, 0),
    "the others": ("DELETE FROM others", None, 0, 0),
}


@pytest.mark.parametrize("fault", FAULTS)
@settings(max_examples=examples(10))
@given(COUNTS)
def test_the_audit_finds_a_fault_in_what_is_kept_and_in_the_others(fault: str, counts: dict[str, int]) -> None:
    assume(len(counts) > 1)
    statement, named, lost, duplicated = FAULTS[fault]
    with folder_in_memory() as folder, closing(Store(Path(folder) / "serving.sqlite")) as store:
        log_counts = [{**counts, "#top": 9}]
        last = counted(store, log_counts)
        store.trim(last, MINUTE, 2)
        log = log_of(store, log_counts)
        assert audit(store, log).clean
        with closing(sqlite3.connect(Path(folder) / "serving.sqlite")) as connection, connection:
            connection.execute(statement)
        report = audit(store, log)
        assert not report.clean
        if named is not None:
            assert {each.hashtag for each in report.differences} == named
            assert (report.lost, report.duplicated) == (lost, duplicated)


@settings(max_examples=examples(20))
@given(COUNTS)
def test_the_audit_finds_a_hashtag_that_stayed_in_anothers_place(counts: dict[str, int]) -> None:
    assume(len(counts) > 1)
    counts = {"#top": 9, **counts}
    _first, second, third, *_more = sorted(counts, key=lambda hashtag: (-counts[hashtag], hashtag))
    with folder_in_memory() as folder, closing(Store(Path(folder) / "serving.sqlite")) as store:
        last = counted(store, [counts])
        store.trim(last, MINUTE, 2)
        with closing(sqlite3.connect(Path(folder) / "serving.sqlite")) as connection, connection:
            swapped = (third, counts[third], second)
            connection.execute("UPDATE ranking SET hashtag = ?, tweets = ? WHERE hashtag = ?", swapped)
            connection.execute("UPDATE others SET tweets = tweets + ?", (counts[second] - counts[third],))
        report = audit(store, log_of(store, [counts]))
        assert {each.hashtag for each in report.differences} >= {second, third}
        assert report.counted == sum(counts.values()), "the totals agree"


def test_a_trimmed_window_of_which_the_log_has_nothing_is_all_beyond_it(store: Store) -> None:
    store.trim(counted(store, [FOUR]), MINUTE, 2)
    report = audit(store, log_of(store, []))
    assert (report.lost, report.duplicated, report.clean) == (0, 10, False)


FOUR = {"#a": 4, "#b": 3, "#c": 2, "#d": 1}


def rows_of(store: Store) -> int:
    return len(store.view().counts)


def test_a_window_that_may_still_grow_is_left_alone(store: Store) -> None:
    counted(store, [FOUR])
    assert store.trim("c0", MINUTE - 60, 2) == MINUTE - 60
    assert rows_of(store) == 4
    store.take_over(epoch("next"))
    with pytest.raises(ConfigurationConflict, match="no open epoch"):
        store.trim("c0", MINUTE, 2)
    assert store.trim("next", MINUTE, 2) == MINUTE, "what the epoch before has not come to is its successor's"
    assert store.view().others == {("c0", MINUTE): Others(3, 2, 2)}
    assert store.trim("next", MINUTE + 600, 2) == MINUTE + 600


def test_a_window_that_has_no_more_hashtags_than_are_kept_stays_as_it_is(store: Store) -> None:
    counted(store, [FOUR])
    assert store.trim("c0", MINUTE, 4) == MINUTE
    assert (rows_of(store), store.view().others) == (4, {})


def test_one_window_is_trimmed_at_a_time_and_a_look_has_an_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(others, "MOST_LOOKS", 3)
    windows = {(MINUTE + 60 * number, hashtag): 1 for number in range(6) for hashtag in ("#a", "#b")}
    del windows[MINUTE, "#a"], windows[MINUTE + 240, "#a"]
    write(store, "c", Batch(0, MINUTE, windows, {}))
    looks = [store.trim("c", MINUTE + 3600, 1) - MINUTE for _look in range(6)]
    assert looks == [60, 120, 180, 300, 3600, 3600]
    assert {window - MINUTE for _checkpoint, window in store.view().others} == {60, 120, 180, 300}


def test_a_trimmed_window_is_refused_when_it_grows_whoever_counts_on(store: Store) -> None:
    counted(store, [FOUR])
    store.trim("c0", MINUTE, 2)
    before = store.view()
    for tweets in ({(MINUTE, "#d"): 2}, {(MINUTE, "#a"): 5, (MINUTE + 60, "#a"): 1}):
        with pytest.raises(ConfigurationConflict, match="only the leading hashtags were kept") as caught:
            write(store, "c0", Batch(1, MINUTE, tweets, {}))
        assert caught.value.next_command == REBUILD
    assert store.view() == before
    store.take_over(epoch("next"))
    with pytest.raises(ConfigurationConflict, match="only the leading hashtags were kept"):
        write(store, "next", Batch(0, MINUTE, {(MINUTE, "#d"): 2}, {}))
    store.take_over(epoch("other rule", rule=Rule(window_seconds=10)))
    write(store, "other rule", Batch(0, MINUTE, {(MINUTE, "#d"): 2}, {}))


def test_windows_of_another_rule_are_no_part_of_it(store: Store) -> None:
    store.take_over(epoch("by ten", rule=Rule(window_seconds=10)))
    write(store, "by ten", Batch(0, MINUTE, {(MINUTE, hashtag): 1 for hashtag in FOUR}, {}))
    last = counted(store, [FOUR])
    store.trim(last, MINUTE, 2)
    assert Counter(checkpoint for checkpoint, _window, _hashtag in store.view().counts) == {"by ten": 4, "c0": 2}


def test_a_window_that_two_topics_were_counted_into_stays_whole(store: Store) -> None:
    """Each topic is audited alone, and could not tell which hashtags lead in both."""
    counted(store, [FOUR])
    store.take_over(epoch("elsewhere", topic_id="topic-2"))
    write(store, "elsewhere", Batch(0, MINUTE, {(MINUTE, "#a"): 1}, {}))
    assert store.trim("elsewhere", MINUTE, 2) == MINUTE
    assert (rows_of(store), store.view().others) == (5, {})


def test_a_window_that_a_seal_has_closed_stays_whole(store: Store) -> None:
    last = counted(store, [FOUR])
    store.seal(StoredSeal("topic-1", 1, 5.0, "{}", {("c0", MINUTE): closed_window(FOUR.items(), 0)}), {})
    assert store.trim(last, MINUTE, 2) == MINUTE
    assert (rows_of(store), store.view().others) == (4, {})


def test_a_seal_that_has_seen_a_window_whole_is_not_kept_once_that_is_trimmed(store: Store) -> None:
    last = counted(store, [FOUR])
    whole = StoredSeal("topic-1", 1, 5.0, "{}", {("c0", MINUTE): closed_window(FOUR.items(), 0)})
    store.trim(last, MINUTE, 2)
    store.seal(whole, {})
    assert store.known_seals() == {}
    view = store.view({"c0": MINUTE + 60})
    assert (view.counts, view.others) == ({}, {})
    (closed,) = view.closed.values()
    assert closed == closed_window([("#a", 4), ("#b", 3)], 0, Others(3, 2, 2))
    assert closed.tweets == 10
    trimmed = replace_windows(whole, dict(view.closed))
    store.seal(trimmed, {})
    assert store.known_seals() == {"topic-1": trimmed}


def replace_windows(seal: StoredSeal, windows: object) -> StoredSeal:
    return seal._replace(windows=windows)  # type: ignore[arg-type]


@pytest.mark.row(33)
def test_a_trimmed_window_leaves_its_whole_sum_when_it_is_summarised(store: Store) -> None:
    last = counted(store, [{"#d": 1}, FOUR])
    store.trim(last, MINUTE, 1)
    assert store.view().others == {("c0", MINUTE): Others(1, 1, 1), ("c1", MINUTE): Others(6, 2, 1)}
    write(store, last, Batch(1, MINUTE, {}, {}))
    assert store.prune(last, MINUTE + 60, {}) == 2, "of the first epoch no row was left"
    view = store.view()
    assert (view.counts, view.others) == ({}, {})
    assert {name: each.tweets for name, each in view.summarised.items()} == {"c0": 1, "c1": 10}


def test_where_lines_need_names_the_others_are_one(store: Store) -> None:
    last = counted(store, [FOUR])
    store.trim(last, MINUTE, 2)
    view, log = store.view(), log_of(store, [FOUR])
    named = with_others(view.counts, view.others)
    assert named == {("c0", MINUTE, "#a"): 4, ("c0", MINUTE, "#b"): 3, ("c0", MINUTE, OTHER_HASHTAGS): 3}
    assert with_others(*as_kept(log.tweets, view.others, log.epochs)) == named
    untrimmed = replace(view, others={})
    assert with_others(untrimmed.counts, untrimmed.others) == untrimmed.counts
