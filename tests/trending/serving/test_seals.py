"""Seals in the store: digests of closed windows, and what is kept and forgotten with them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from fakes.trending.counting import write
from fakes.trending.memory import folder_in_memory
from hypothesis import given
from hypothesis import strategies as st

from trending.kafka.rejects import Rejects
from trending.serving.counts import Batch
from trending.serving.seals import ClosedWindow, StoredSeal, closed_window
from trending.serving.store import Store

MINUTE = 1765845060
ROWS = st.dictionaries(st.text(max_size=6), st.integers(1, 10**12), max_size=5)
SEAL = StoredSeal("topic-1", 1, 5.0, "{}", {("c", MINUTE): closed_window([("#a", 2)], 0)})


def test_a_digest_is_the_same_in_every_version() -> None:
    """It stands in stores, and one that is made otherwise would say of each of them that it has changed."""
    assert closed_window([("#ñ", 2), ("#a", 10)], 3) == ClosedWindow(12, 3, "c6d1e1accffec75b1eb3b16695dc337f")


@given(ROWS, ROWS, st.integers(0, 3), st.integers(0, 3))
def test_two_windows_have_the_same_digest_only_if_they_are_the_same(
    rows: dict[str, int], others: dict[str, int], untagged: int, other: int
) -> None:
    one, two = closed_window(rows.items(), untagged), closed_window(others.items(), other)
    assert (one == two) is ((rows, untagged) == (others, other))
    assert closed_window(reversed(rows.items()), untagged) == one
    assert one.tweets == sum(rows.values())


@given(st.lists(st.tuples(st.text(max_size=3), st.integers(0, 99)), max_size=3, unique_by=lambda row: row[0]), st.integers(0, 99))
def test_no_hashtag_passes_for_the_end_of_another_row(rows: list[tuple[str, int]], untagged: int) -> None:
    joined = "".join(f"{hashtag}\n" for hashtag, _tweets in rows)
    assert len(rows) < 2 or closed_window([(joined, 1)], untagged).digest != closed_window(rows, untagged).digest


def test_windows_before_the_first_open_one_are_shown_as_digests(store: Store) -> None:
    tweets = {(MINUTE, "#a"): 2, (MINUTE, "#b"): 1, (MINUTE + 60, "#a"): 4}
    write(store, "c", Batch(0, 1.0, tweets, {}, untagged={MINUTE: 3, MINUTE - 60: 1}))
    write(store, "d", Batch(0, 1.0, {(MINUTE, "#a"): 7}, {}))
    view = store.view({"c": MINUTE + 60})
    assert view.counts == {("c", MINUTE + 60, "#a"): 4, ("d", MINUTE, "#a"): 7}
    assert view.untagged == {}
    assert view.closed == {
        ("c", MINUTE): closed_window([("#b", 1), ("#a", 2)], 3),
        ("c", MINUTE - 60): closed_window([], 1),
    }
    assert store.view().closed == {}


def test_rejects_up_to_a_sealed_batch_are_shown_as_a_digest(store: Store) -> None:
    for number in range(3):
        write(store, "c", Batch(number, 1.0, {}, {}, rejects=(Rejects.of(0, "late", [number]),)))
    view = store.view({}, {"c": 1})
    assert {key: list(offsets) for key, offsets in view.rejects.items()} == {("c", 0, "late"): [2]}
    assert view.booked["c"] != view.booked_now["c"]
    assert store.view({}, {"c": 2}).booked == view.booked_now
    write(store, "c", Batch(3, 1.0, {}, {}))
    assert store.view({}, {"c": 1}).booked == view.booked


def test_a_seal_is_replaced_together_with_its_windows_or_goes_on_from_them(store: Store) -> None:
    store.seal(SEAL, {})
    assert store.known_seals() == {"topic-1": SEAL}
    more = SEAL._replace(document="more", windows={**SEAL.windows, ("c", MINUTE + 60): closed_window([], 2)})
    store.seal(more, SEAL.windows)
    assert store.known_seals() == {"topic-1": more}
    other = SEAL._replace(topic_id="topic-2", windows={})
    store.seal(other, {})
    store.seal(SEAL, {})
    assert store.known_seals() == {"topic-1": SEAL, "topic-2": other}, "what the other one had closed is gone"


@pytest.mark.parametrize("way", [Store.break_seals, Store.forget])
def test_seals_are_broken_at_once_and_by_a_rebuild(way: object, store: Store) -> None:
    store.seal(SEAL, {})
    way(store)  # type: ignore[operator]
    assert store.known_seals() == {}
    store.seal(SEAL._replace(windows={}), {})
    assert store.known_seals()["topic-1"].windows == {}


def test_windows_that_a_seal_has_no_more_are_forgotten(store: Store) -> None:
    both = SEAL._replace(windows={**SEAL.windows, ("c", MINUTE + 60): closed_window([], 2)})
    store.seal(both, {})
    later = both._replace(windows={("c", MINUTE + 60): closed_window([], 2)})
    store.seal(later, both.windows)
    assert store.known_seals() == {"topic-1": later}


@given(st.integers(0, 6), st.integers(0, 6))
def test_a_digest_of_rejects_stays_as_it_is_when_they_are_summarised(first: int, second: int) -> None:
    with folder_in_memory() as folder, closing(Store(Path(folder) / "serving.sqlite")) as store:
        for number in range(6):
            write(store, "c", Batch(number, 1.0, {}, {}, rejects=(Rejects.of(0, "late", [number]), Rejects.of(1, "{", [number]))))
        before = store.view({}, {"c": 3})
        for until in (first, second):
            store.prune("c", 0, {0: min(until, 3), 1: 1})
            after = store.view({}, {"c": 3})
            assert (after.booked, after.booked_now) == (before.booked, before.booked_now)
