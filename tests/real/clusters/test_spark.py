"""The stream on Spark clusters: the one that Spark imitates, and a standalone one with two workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from real.harness import RealStack


def checkpoints(stack: RealStack) -> list[str]:
    """Return the stack's checkpoints; a second one would be a new epoch."""
    return sorted(path.name for path in stack.paths.checkpoints.iterdir() if path.is_dir())


def test_tasks_in_executors_of_their_own_count_what_tasks_in_the_driver_began(stack: RealStack) -> None:
    stack.bring_up(page_port="0")
    before, driver = checkpoints(stack), stack.program_pid("stream")
    stack.bring_up(page_port="0", spark_master="local-cluster[2,1,1024]")
    assert stack.program_pid("stream") != driver
    stack.wait_progress()
    assert "executors are well" in stack.paths.output_file("stream", "err").read_text(encoding="utf-8")
    stack.audit(resume=False)
    assert checkpoints(stack) == before, "another master is no reason for another checkpoint"
