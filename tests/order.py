"""Which test goes to which worker, and when: files whole and the longest first; files of both runtimes go by runtime."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    import pytest

DURATIONS = Path(__file__).with_name("durations.txt")
JOURNEYS = "tests/real/test_journey.py"
BY_RUNTIME = frozenset({JOURNEYS, "tests/real/test_game_day.py", "tests/real/records/test_foreign_records.py"})
"""Files whose tests share one stack a runtime: those of a runtime stay together, and the runtimes run side by side."""
RUNTIMES = ("docker", "embedded")


def read_durations() -> dict[str, float]:
    lines = (line.split() for line in DURATIONS.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return {name: float(seconds) for name, seconds in lines}


def longest_first(items: list[pytest.Item]) -> None:
    """Sort by the file's seconds; within a file the order stays, which its fixtures are made for."""
    seconds = read_durations()
    items.sort(key=lambda item: -seconds.get(item.nodeid.partition("::")[0], 1.0))


def scope_of(nodeid: str) -> str:
    """Return what goes to one worker with this test: its file, or the tests of its runtime in a file of both."""
    name, _colons, test = nodeid.partition("::")
    if name not in BY_RUNTIME:
        return name
    parameters = re.split(r"[-\[\]]", test.partition("[")[2])
    return f"{name} {next((runtime for runtime in RUNTIMES if runtime in parameters), '')}"


class Scheduler(LoadFileScheduling):  # type: ignore[misc]
    """xdist's ``--dist loadfile``, save for files of both runtimes."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)
