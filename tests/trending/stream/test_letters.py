from __future__ import annotations

from itertools import pairwise

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from trending.kafka.log_reader import Record
from trending.kafka.rejects import Rejects
from trending.stream.letters import Letters, Reject, Summary, divide, letter_place, summary_of

REASONS = ("late", "not valid JSON", "tombstone")
LOGS = st.dictionaries(st.integers(0, 200), st.sampled_from(REASONS), max_size=80)
"""Offset → reason: rejects with gaps between them, where tweets, markers or nothing are."""


def rejects_of(log: dict[int, str], first: int = 0, end: int = 10**6) -> list[Rejects]:
    within = {reason: [o for o, why in log.items() if why == reason and first <= o < end] for reason in REASONS}
    return [Rejects.of(3, reason, offsets) for reason, offsets in within.items() if offsets]


def offsets_of(log: dict[int, str], reason: str) -> list[int]:
    return sorted(offset for offset, why in log.items() if why == reason)


def sent(log: dict[int, str], cuts: list[int], most: int) -> Letters:
    """Return the letters of the log as batches cut anywhere would send them."""
    letters = Letters()
    for first, end in pairwise([0, *sorted(set(cuts)), 10**6]):
        lettered, summaries = divide(rejects_of(log, first, end), most)
        letters.places |= {(one.partition, one.offset) for one in lettered}
        letters.summaries |= set(summaries)
    return letters


CUTS = st.lists(st.integers(1, 200), max_size=4)


@given(LOGS, st.integers(1, 90))
def test_every_reject_has_a_letter_or_is_in_exactly_one_summary(log: dict[int, str], most: int) -> None:
    lettered, summaries = divide(rejects_of(log), most)
    assert [one.offset for one in lettered] == sorted(log)[:most]
    assert all(log[one.offset] == one.reason for one in lettered)
    assert sum(one.records for one in summaries) == max(0, len(log) - most)
    assert len(summaries) <= len(REASONS)
    for one in summaries:
        inside = [offset for offset in offsets_of(log, one.reason) if one.first <= offset <= one.last]
        assert (inside[0], inside[-1], len(inside)) == (one.first, one.last, one.records)
        assert lettered[-1].offset < one.first


@pytest.mark.row(34)
@settings(max_examples=examples(200))
@given(LOGS, CUTS, CUTS, st.integers(1, 60))
def test_the_letters_of_any_batches_account_for_every_reject(
    log: dict[int, str], cuts: list[int], rebuilt: list[int], most: int
) -> None:
    once, again = sent(log, cuts, most), sent(log, rebuilt, most)
    both = Letters(once.places | again.places, once.summaries | again.summaries)
    for letters in (once, both):
        assert all(letters.account_for(3, reason, offsets_of(log, reason)) == len(offsets_of(log, reason)) for reason in REASONS)


@pytest.mark.row(34)
@given(LOGS, CUTS, st.integers(1, 60), st.data())
def test_a_letter_that_is_missing_or_wrong_is_noticed(
    log: dict[int, str], cuts: list[int], most: int, data: st.DataObject
) -> None:
    letters = sent(log, cuts, most)
    things: list[object] = [*sorted(letters.places), *sorted(letters.summaries)]
    if not things:
        return
    thing = data.draw(st.sampled_from(things))
    if isinstance(thing, Summary):
        letters.summaries.discard(thing)
        if data.draw(st.booleans()):
            letters.summaries.add(Summary(thing.partition, thing.reason, thing.first, thing.last, thing.records + 1))
    else:
        letters.places.discard(thing)  # type: ignore[arg-type]
    assert sum(letters.account_for(3, reason, offsets_of(log, reason)) for reason in REASONS) < len(log)


def test_a_summary_travels_in_its_headers() -> None:
    summary = Summary(3, "late", 10, 19, 7)
    headers = {name: text.encode() if isinstance(text, str) else text for name, text in summary.headers("tweets")}
    assert summary_of(headers) == summary
    assert letter_place(headers) is None
    assert summary_of({**headers, "dlq.records": b"x"}) is None
    record = Record(0, 0, 0.0, summary.value(), headers)
    assert Letters.read([record, record]) == Letters(set(), {summary}, twice=1, firsts={3: 10})


def letter(offset: int, partition: int = 0, prefix: str = "dlq.") -> Record:
    place = {"reason": b"late", "topic": b"tweets", "partition": b"%d" % partition, "offset": b"%d" % offset}
    return Record(0, 0, 0.0, b"", {prefix + name: text for name, text in place.items()})


@pytest.mark.row(20)
def test_a_letter_that_is_there_twice_is_counted() -> None:
    letters = Letters.read([letter(1), letter(2), letter(1), letter(1), letter(1, partition=1)])
    assert (letters.places, letters.twice) == ({(0, 1), (0, 2), (1, 1)}, 2)


def test_letters_of_before_the_prefix_are_read_and_those_with_it_win() -> None:
    stranger = {"partition": b"8", "offset": b"8"}
    both = Record(0, 0, 0.0, b"", {**letter(2).headers, **stranger})
    assert Letters.read([letter(1, prefix=""), both]).places == {(0, 1), (0, 2)}


def test_where_retention_has_deleted_letters_the_rejects_before_the_first_that_is_left_have_expired() -> None:
    letters = Letters.read([letter(5), letter(7)], begins=3)
    assert letters.account_for(0, "late", [1, 2, 5, 6, 7]) == 2
    assert letters.expired(0, "late", [1, 2, 5, 6, 7]) == 2, "that of 6 is missing"
    assert letters.expired(1, "late", [1, 2]) == 2, "nobody can tell"
    assert Letters.read([letter(5)]).expired(0, "late", [1, 2, 5]) == 0, "nothing was deleted"


def test_a_letter_that_was_written_again_has_not_expired() -> None:
    letters = Letters.read([letter(5), letter(1)], begins=3)
    assert letters.expired(0, "late", [1, 2, 5]) == 1


def test_rejects_are_divided_in_the_logs_order_whatever_their_reasons() -> None:
    lettered, summaries = divide([Rejects.of(0, "late", [1, 4, 9]), Rejects.of(0, "tombstone", [2, 3, 8])], 3)
    assert lettered == [Reject(0, 1, "late"), Reject(0, 2, "tombstone"), Reject(0, 3, "tombstone")]
    assert summaries == [Summary(0, "late", 4, 9, 2), Summary(0, "tombstone", 8, 8, 1)]
