"""The order of the suite: nothing long starts last, and the table names only files that are there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from order import BY_RUNTIME, JOURNEYS, longest_first, read_durations, scope_of

from infra.host.paths import CHECKOUT


def test_the_longest_file_comes_first_and_within_a_file_nothing_moves() -> None:
    names = [
        "tests/a.py::one",
        "tests/real/stacks/test_disks.py::b",
        "tests/real/stacks/test_docker.py::c",
        "tests/real/stacks/test_docker.py::a",
    ]
    items: list[Any] = [SimpleNamespace(nodeid=name) for name in names]
    longest_first(items)
    assert [item.nodeid for item in items] == [names[2], names[3], names[1], names[0]]


def test_a_file_of_both_runtimes_goes_by_runtime_and_every_other_file_stays_together() -> None:
    for name in BY_RUNTIME:
        assert scope_of(f"{name}::test_all[docker]") == scope_of(f"{name}::test_more[a-docker]") == f"{name} docker"
        assert scope_of(f"{name}::test_all[embedded]") == f"{name} embedded"
    assert scope_of("tests/a.py::one") == scope_of("tests/a.py::two[x::docker]") == "tests/a.py"


def test_the_journeys_come_first_and_every_file_of_the_table_is_there() -> None:
    seconds = read_durations()
    assert max(seconds, key=seconds.__getitem__) == JOURNEYS
    assert [name for name in seconds if not (CHECKOUT / name).is_file()] == []
