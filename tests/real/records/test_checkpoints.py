"""FAULTS.md row 21: a damaged checkpoint ends in one diagnosis, and in a repair that keeps the data."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from real.conftest import new_stack

from infra.operations.epochs import ASIDE, checkpoint_path, start_file
from infra.operations.stream import submit_stream
from infra.supervision.output_tail import tail
from trending.stream.checkpoint import committed_offsets
from trending.stream.soundness import DAMAGED, numbered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from real.harness import RealStack


def newest(checkpoint: Path, folder: str) -> Path:
    return checkpoint / folder / str(numbered(checkpoint / folder)[-1])


def newest_change(checkpoint: Path) -> Path:
    """Return the state's change of the last batch that was finished."""
    return checkpoint / "state" / "0" / "0" / f"{numbered(checkpoint / 'commits')[-1] + 1}.changelog"


def refused(stack: RealStack) -> str:
    """Submit the stream, wait until it is over for good, return its last lines."""
    submit_stream(stack.name)

    def over() -> bool:
        status = stack.lab.supervisor.status("stream")
        return status is not None and not status.alive and not status.comes_back

    stack.wait_until(over, 90, "the stream gives up on its checkpoint")
    said = tail(stack.paths.output_file("stream", "err"), 30)
    stack.lab.supervisor.remove("stream")
    return said


def settled(stack: RealStack) -> Path:
    """Stop the stream after some batches and return its checkpoint."""
    stack.wait_until(lambda: stack.figure("stream", "batches") > 3, 60, "a few batches are done")
    stack.lab.supervisor.remove("stream")
    return checkpoint_path(stack.lab)


@pytest.fixture(scope="module")
def live(real_home: Path) -> Iterator[RealStack]:
    """One stack for both tests, taken down afterwards."""
    os.environ["TRENDING_HOME"] = str(real_home)
    stack = new_stack()
    try:
        stack.bring_up()
        yield stack
    finally:
        os.environ["TRENDING_HOME"] = str(real_home)
        stack.down()


@pytest.mark.row(21, "E")
def test_every_damaged_file_ends_in_the_diagnosis_and_a_rebuild_counts_everything_anew(live: RealStack) -> None:
    checkpoint = settled(live)
    for path in (
        newest(checkpoint, "offsets"),
        newest(checkpoint, "commits"),
        checkpoint / "metadata",
        newest_change(checkpoint),
    ):
        content = path.read_bytes()
        for broken in (b"", content[: len(content) // 2], bytes(len(content))):
            path.write_bytes(broken)
            began = time.monotonic()
            said = refused(live)
            assert DAMAGED in said, said
            assert "make rebuild" in said
            assert str(path) in said
            assert "Traceback" not in said
            assert time.monotonic() - began < 30
        path.write_bytes(content)

    # Without checksums it is Spark that finds it, in words of its own.
    change = newest_change(checkpoint)
    change.with_name(f".{change.name}.crc").unlink()
    change.write_bytes(b"\x7f" * 100)
    said = refused(live)
    assert DAMAGED in said, said
    assert "make rebuild" in said

    output = live.command("rebuild", f"--name={live.name}")
    assert "partition 0 is counted anew from offset 0" in output
    assert [path for path in live.paths.checkpoints.iterdir() if ASIDE in path.name], "the old one is set aside, not deleted"
    live.wait_well()
    live.audit()


@pytest.mark.row(21, "E")
def test_a_rebuild_of_a_healthy_stack_and_of_one_whose_start_was_lost_changes_no_count(live: RealStack) -> None:
    """Of the one that was rebuilt above: no rebuild leaves anything behind that the next one stumbles over."""
    assert "partition 0 is counted anew from offset 0" in live.command("rebuild", f"--name={live.name}")
    live.audit()
    checkpoint = settled(live)
    start_file(checkpoint).write_bytes(b"")
    live.command("start_up", *live.up_arguments())  # the store knows it too
    live.audit()
    live.command("rebuild", f"--name={live.name}")
    live.audit()
    assert committed_offsets(checkpoint, "tweets_topic")
