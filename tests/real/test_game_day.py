"""A game day over every fault that a runtime has: each noticed, each recovered from, nothing lost."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from infra.faults import FaultName
from tasks.faults import faults_of

if TYPE_CHECKING:
    from real.harness import RealStack

ROW = re.compile(r"^\| ([a-z-]+) \| (\d+) \| ([\d.]+) \| ([\d.]+) \| [^|]+ \| (\d+) \| (\d+) \| (\d+) \|$", re.MULTILINE)
IN_CONTAINERS = {FaultName.BROKER_KILLED_BY_HAND, FaultName.BROKER_MEMORY_KILLED}


@pytest.mark.timeout(1200)
def test_every_fault_of_the_runtime_is_survived_and_costs_nothing(any_stack: RealStack) -> None:
    stack = any_stack
    stack.up()
    stack.wait_progress()
    output = stack.command("game_day", f"--name={stack.name}", "--hold_seconds=2", seconds=1100)
    rows = {row[0]: row for row in ROW.findall(output)}
    expected = set(FaultName) - {FaultName.ONE_BROKER_OF_THREE_KILLED}
    if stack.runtime == "embedded":
        expected -= IN_CONTAINERS
    assert rows.keys() == expected == {fault.name for fault in faults_of(stack.lab)}, output
    for name, row in rows.items():
        noticed, recovered, acknowledged, lost, duplicated = float(row[2]), float(row[3]), *map(int, row[4:])
        assert recovered >= noticed, name
        assert (recovered > 0) == (name != FaultName.TOPIC_ASKED_FOR_OTHERWISE), name
        assert acknowledged > 0
        assert lost == duplicated == 0, name
    assert stack.running() == {"kafka", "producer", "stream", "page"}
    stack.audit()
