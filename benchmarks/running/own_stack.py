"""A stack of a measurement's own, brought up by the command that a person uses."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.prefect_costs import run_command
from infra.host.processes import free_port
from infra.operations.take_down import take_down

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def own_stack(name: str, port: int, **settings: object) -> Iterator[None]:
    """Have the stack running, at ``port`` or the next free one; nothing of it was there before, and nothing is left."""
    take_down(name, volumes=True)
    try:
        chosen = {"name": name, "port": free_port(port, 11), "runtime": "embedded", **settings}
        run_command([sys.executable, "-m", "flows.start_up", *(f"--{field}={value}" for field, value in chosen.items())])
        yield
    finally:
        take_down(name, volumes=True)
