"""One fault of each kind, to be planted in a lab of ``Lab.send_tweets``; each returns what an audit must name, no more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fakes.trending.audited import MINUTE, TAGS, Lab, tweet
from hypothesis import strategies as st

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


def behind_the_seal(lab: Lab, draw: st.DataObject) -> int:
    """Return the place of a record that no seal covers."""
    return draw.draw(st.integers(lab.sealed_to, len(lab.log) - 1))


def a_tweet_is_lost_on_the_way(lab: Lab, draw: st.DataObject) -> dict[str, int]:
    del lab.log[place := behind_the_seal(lab, draw)]
    window, hashtag = group_of(place)
    lab.counts[window, hashtag] -= 1
    return {"lost": 1, "differs from the ledger": 1}


def a_tweet_is_not_counted(lab: Lab, draw: st.DataObject) -> dict[str, int]:
    lab.counts[group_of(behind_the_seal(lab, draw))] -= 1
    return {"lost": 1, "differs from the store": 1}


def a_tweet_is_counted_twice(lab: Lab, draw: st.DataObject) -> dict[str, int]:
    lab.counts[group_of(behind_the_seal(lab, draw))] += 1
    return {"duplicated": 1, "differs from the store": 1}


def a_tweet_is_twice_in_the_log(lab: Lab, draw: st.DataObject) -> dict[str, int]:
    place = behind_the_seal(lab, draw)
    lab.log.append(replace(lab.log[place], offset=len(lab.log)))
    lab.counts[group_of(place)] += 1
    return {"duplicated": 1, "differs from the ledger": 1}


def a_tweet_is_counted_in_another_window(lab: Lab, draw: st.DataObject) -> dict[str, int]:
    window, hashtag = group_of(behind_the_seal(lab, draw))
    lab.counts[window, hashtag] -= 1
    lab.counts[window + draw.draw(st.sampled_from([600] if lab.sealed_to else [-600, 600])), hashtag] += 1
    return {"lost": 1, "duplicated": 1, "differs from the store": 2}


def two_hashtags_are_swapped(lab: Lab, draw: st.DataObject) -> dict[str, int]:
    window, hashtag = group_of(behind_the_seal(lab, draw))
    lab.counts[window, hashtag] -= 1
    lab.counts[window, "#swapped"] += 1
    return {"lost": 1, "duplicated": 1, "differs from the store": 2}


def an_id_is_nobodys(lab: Lab, _draw: st.DataObject) -> dict[str, int]:
    lab.send(tweet("#a"), MINUTE + 300, run="other", acknowledge=False)
    del lab.reserved["other"]
    return {"not_attempted": 1}


def the_order_of_one_sender_is_broken(lab: Lab, draw: st.DataObject) -> dict[str, int]:
    lab.send_tweets(2)
    place = draw.draw(st.integers(lab.sealed_to, len(lab.log) - 2))
    swap_ids(lab, place, place + 1)
    return {"disordered": 1}


def an_offset_reads_differently_the_second_time(lab: Lab, draw: st.DataObject) -> dict[str, int]:
    place = behind_the_seal(lab, draw)
    lab.log[place] = replace(lab.log[place], value=tweet("#other"))
    return {"lost": 1, "duplicated": 1, "differs from the store": 2, "differs from the ledger": 2}


def a_failed_send_has_arrived(lab: Lab, _draw: st.DataObject) -> dict[str, int]:
    lab.send(tweet("#a"), MINUTE + 300, acknowledge=False)
    lab.failed += 1
    return {"unknown_arrived": 1}


def somebody_else_writes(lab: Lab, _draw: st.DataObject) -> dict[str, int]:
    lab.send(tweet("#a"), MINUTE + 300, run=None)
    return {"without_id": 1}


def swap_ids(lab: Lab, place: int, other: int) -> None:
    """Let two records of the log have each other's id."""
    log = lab.log
    log[place], log[other] = replace(log[place], headers=log[other].headers), replace(log[other], headers=log[place].headers)


def group_of(place: int) -> tuple[int, str]:
    """Return window and hashtag of a tweet of ``Lab.send_tweets``."""
    return MINUTE + 7 * place // 60 * 60, TAGS[place % 3]


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
