"""One fault of each kind, to be planted in any lab that has a tweet of ours which no seal covers.

Each returns what an audit must name then, and did not name before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fakes.audits.audited import Lab, tweet
from hypothesis import strategies as st

from trending.tweets.rule import Kind, classify

if TYPE_CHECKING:
    from collections.abc import Callable

    from trending.audit.audit_report import AuditReport


def found_by(report: AuditReport) -> dict[str, int]:
    """Return the figures of a report that are not 0 and would be, were nothing wrong or unknown."""
    names = ("lost", "duplicated", "unknown_arrived", "not_attempted", "disordered")
    names += ("without_id", "in_flight", "dropped_by_spark")
    figures = {name: getattr(report, name) for name in names}
    differences = {f"differs from the {each.witness}": 0 for each in report.differences}
    for each in report.differences:
        differences[f"differs from the {each.witness}"] += 1
    return {name: number for name, number in (figures | differences).items() if number}


def ours(lab: Lab) -> list[int]:
    """Return the places of the acknowledged tweets that no seal covers."""
    acknowledged = {each.first_offset for each in lab.acknowledged}
    return [
        place
        for place, record in enumerate(lab.log)
        if record.offset >= lab.sealed_to
        and record.offset in acknowledged
        and classify(record.value, record.append_time, lab.rule).kind is Kind.TWEET
    ]


def behind_the_seal(lab: Lab, draw: st.DataObject) -> int:
    """Return the place of one of them."""
    return draw.draw(st.sampled_from(ours(lab)))


def at_the_end(lab: Lab) -> float:
    """Return the time of the last record."""
    return lab.log[-1].append_time


def a_tweet_is_lost_on_the_way(lab: Lab, draw: st.DataObject) -> dict[str, int]:
    place = behind_the_seal(lab, draw)
    lab.counts[group_of(lab, place)] -= 1
    del lab.log[place]
    return {"lost": 1, "differs from the ledger": 1}


def a_tweet_is_not_counted(lab: Lab, draw: st.DataObject) -> dict[str, int]:
    lab.counts[group_of(lab, behind_the_seal(lab, draw))] -= 1
    return {"lost": 1, "differs from the store": 1}


def a_tweet_is_counted_twice(lab: Lab, draw: st.DataObject) -> dict[str, int]:
    lab.counts[group_of(lab, behind_the_seal(lab, draw))] += 1
    return {"duplicated": 1, "differs from the store": 1}


def a_tweet_is_twice_in_the_log(lab: Lab, draw: st.DataObject) -> dict[str, int]:
    place = behind_the_seal(lab, draw)
    lab.log.append(replace(lab.log[place], offset=len(lab.log)))
    lab.counts[group_of(lab, place)] += 1
    return {"duplicated": 1, "differs from the ledger": 1}


def a_tweet_is_counted_in_another_window(lab: Lab, draw: st.DataObject) -> dict[str, int]:
    window, hashtag = group_of(lab, behind_the_seal(lab, draw))
    lab.counts[window, hashtag] -= 1
    lab.counts[window + draw.draw(st.sampled_from([600] if lab.sealed_to else [-600, 600])), hashtag] += 1
    return {"lost": 1, "duplicated": 1, "differs from the store": 2}


def two_hashtags_are_swapped(lab: Lab, draw: st.DataObject) -> dict[str, int]:
    window, hashtag = group_of(lab, behind_the_seal(lab, draw))
    lab.counts[window, hashtag] -= 1
    lab.counts[window, "#swapped"] += 1
    return {"lost": 1, "duplicated": 1, "differs from the store": 2}


def an_id_is_nobodys(lab: Lab, _draw: st.DataObject) -> dict[str, int]:
    lab.send(tweet("#a", at_the_end(lab)), at_the_end(lab), run="nobody", acknowledge=False)
    del lab.reserved["nobody"]
    return {"not_attempted": 1}


def the_order_of_one_sender_is_broken(lab: Lab, draw: st.DataObject) -> dict[str, int]:
    number = draw.draw(st.integers(2, 5))
    for _ in range(number):
        lab.send(tweet("#a", at_the_end(lab)), at_the_end(lab))
    place = len(lab.log) - draw.draw(st.integers(2, number))
    swap_ids(lab, place, place + 1)
    return {"disordered": 1}


def an_offset_reads_differently_the_second_time(lab: Lab, draw: st.DataObject) -> dict[str, int]:
    place = behind_the_seal(lab, draw)
    lab.log[place] = replace(lab.log[place], value=tweet("#other", lab.log[place].append_time))
    return {"lost": 1, "duplicated": 1, "differs from the store": 2, "differs from the ledger": 2}


def a_failed_send_has_arrived(lab: Lab, _draw: st.DataObject) -> dict[str, int]:
    lab.send(tweet("#a", at_the_end(lab)), at_the_end(lab), acknowledge=False)
    lab.failed += 1
    return {"unknown_arrived": 1}


def somebody_else_writes(lab: Lab, _draw: st.DataObject) -> dict[str, int]:
    lab.send(tweet("#a", at_the_end(lab)), at_the_end(lab), run=None)
    return {"without_id": 1}


def swap_ids(lab: Lab, place: int, other: int) -> None:
    """Let two records of the log have each other's id."""
    log = lab.log
    log[place], log[other] = replace(log[place], headers=log[other].headers), replace(log[other], headers=log[place].headers)


def group_of(lab: Lab, place: int) -> tuple[int, str]:
    """Return window and hashtag of a tweet."""
    record = lab.log[place]
    verdict = classify(record.value, record.append_time, lab.rule)
    return lab.window(verdict.time), verdict.label


HARMLESS = {a_failed_send_has_arrived, somebody_else_writes}
PLANTS: list[Callable[[Lab, st.DataObject], dict[str, int]]] = [
    a_tweet_is_lost_on_the_way,
    a_tweet_is_not_counted,
    a_tweet_is_counted_twice,
    a_tweet_is_twice_in_the_log,
    a_tweet_is_counted_in_another_window,
    two_hashtags_are_swapped,
    an_id_is_nobodys,
    the_order_of_one_sender_is_broken,
    an_offset_reads_differently_the_second_time,
    a_failed_send_has_arrived,
    somebody_else_writes,
]
