"""The order of the suite: nothing long starts last, and the table names only files that are there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from order import JOURNEYS, longest_first, read_durations, scope_of

from infra.host.paths import CHECKOUT


def test_the_longest_file_comes_first_and_within_a_file_nothing_moves() -> None:
    names = ["tests/a.py::one", "tests/real/test_disks.py::b", "tests/real/test_docker.py::c", "tests/real/test_docker.py::a"]
    items: list[Any] = [SimpleNamespace(nodeid=name) for name in names]
    longest_first(items)
    assert [item.nodeid for item in items] == [names[2], names[3], names[1], names[0]]


def test_a_journey_is_alone_and_every_other_file_stays_together() -> None:
    assert scope_of(f"{JOURNEYS}::test_all[docker]") != scope_of(f"{JOURNEYS}::test_all[embedded]")
    assert scope_of("tests/a.py::one") == scope_of("tests/a.py::two[x::y]") == "tests/a.py"


def test_the_journeys_come_first_and_every_file_of_the_table_is_there() -> None:
    seconds = read_durations()
    assert max(seconds, key=seconds.__getitem__) == JOURNEYS
    assert [name for name in seconds if not (CHECKOUT / name).is_file() and name != JOURNEYS] == []
