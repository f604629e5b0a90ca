"""FAULTS.md row 13: one of three brokers killed, replication 3, min ISR 2, on either runtime."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from real.harness import RealStack


def test_one_of_three_brokers_killed_loses_nothing_and_pauses_no_longer_than_the_election(any_stack: RealStack) -> None:
    stack = any_stack
    stack.settings |= {"brokers": "3", "replication": "3", "partitions": "3"}
    stack.up()
    status = stack.command("status", f"--name={stack.name}")
    assert "3 brokers" in status
    before = stack.figure("producer", "acknowledged")
    stack.kill(stack.service_pid("kafka-2"))
    killed = time.monotonic()
    stack.wait_until(lambda: stack.figure("producer", "acknowledged") > before + 100, 40, "acknowledgements go on")
    assert time.monotonic() - killed < 30
    assert stack.figure("producer", "failed") == 0
    stack.wait_progress()
    stack.audit()
