"""Which test goes to which worker, and when: files whole and the longest first, each journey by itself and before them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    import pytest

DURATIONS = Path(__file__).with_name("durations.txt")
JOURNEYS = "tests/real/test_journey.py"


def read_durations() -> dict[str, float]:
    lines = (line.split() for line in DURATIONS.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return {name: float(seconds) for name, seconds in lines}


def longest_first(items: list[pytest.Item]) -> None:
    """Sort by the file's seconds; within a file the order stays, which its fixtures are made for."""
    seconds = read_durations()
    items.sort(key=lambda item: -seconds.get(item.nodeid.partition("::")[0], 1.0))


def scope_of(nodeid: str) -> str:
    """Return what goes to one worker with this test: its file, or a journey alone."""
    name = nodeid.partition("::")[0]
    return nodeid if name == JOURNEYS else name


class Scheduler(LoadFileScheduling):  # type: ignore[misc]
    """xdist's ``--dist loadfile``, save for the journeys."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)
