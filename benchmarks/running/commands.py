"""Row 19: a command's own cost. The status of a running stack; what a producer and a page import, against a bare import."""

from __future__ import annotations

import statistics
import sys

from benchmarks.contest import Sample
from benchmarks.prefect_costs import CHECKED, OnAStack, run_command

TIMES = 5
BARE = "import confluent_kafka, sqlalchemy"


def median_seconds(command: list[str]) -> Sample:
    """Return the median of a few starts of a command: one alone says more about the machine than about the command."""
    seconds = [run_command(command) for _time in range(TIMES)]
    return Sample(statistics.median(seconds), {"shortest": min(seconds)})


class Status(OnAStack):
    """``make status`` on a stack that is up, without make itself."""

    name = "status of a running stack"

    def measure(self) -> Sample:
        """Return its seconds."""
        return median_seconds([sys.executable, "-m", "infra.commands.status", "--name", CHECKED])


class Import:
    """A Python that imports something and ends."""

    def __init__(self, name: str, statement: str) -> None:
        self.name = name
        self.facts = {"statement": statement, "each": f"median of {TIMES}"}
        self._command = [sys.executable, "-c", statement]

    def prepare(self) -> None:
        """Have the bytecode compiled and the files in memory."""
        run_command(self._command)

    def measure(self) -> Sample:
        """Return its seconds."""
        return median_seconds(self._command)
