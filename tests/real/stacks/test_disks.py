"""FAULTS.md row 16: a data directory that is full or read-only, on either runtime."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from infra.docker.engine import engine
from infra.docker.labels import STACK_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from real.harness import RealStack


@contextmanager
def data_directory(stack: RealStack, options: str) -> Iterator[str]:
    """Mount such a file system where the broker's data will be; yields the path or volume that an error must name."""
    if stack.runtime == "docker":
        with engine() as client:
            client.volumes.create(
                f"{stack.name}_kafka-data",
                driver_opts={"type": "tmpfs", "device": "tmpfs", "o": f"{options},uid=1000"},
                labels={STACK_LABEL: stack.paths.stack_id},
            )
        yield f"{stack.name}_kafka-data"  # goes with the stack
        return
    place = stack.paths.data / "kafka"
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True)
    try:
        yield str(place)
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.row(16, "D", "E")
@pytest.mark.parametrize(
    ("options", "verdict"),
    [("size=12k", "the disk that holds the data is full"), ("size=1m,ro", "the data directory cannot be written")],
    ids=["full", "read-only"],
)
def test_a_data_directory_that_cannot_be_written_is_fatal_with_its_path_and_no_restart_loop(
    any_stack: RealStack, options: str, verdict: str
) -> None:
    stack = any_stack
    with data_directory(stack, options) as place:
        started = time.monotonic()
        output = stack.command("start_up", *stack.up_arguments(), code=None)
        assert "error: " in output
        assert verdict in output
        assert place in output
        assert "Traceback" not in output
        assert time.monotonic() - started < 90, "it was tried again and again"
        stack.assert_nothing_left()
