"""Say what is there, how it is doing and what is left over; without Prefect, so that it answers at once."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from flows.command_line import run_command
from flows.forms import NamedStack
from infra.compose_stack import compose_stack
from infra.lab import open_lab
from infra.paths import StackPaths
from infra.processes import stack_processes
from infra.state import read_state
from tasks.status import Line, describe, describe_compose

UNFOLDED = 10_000
"""Columns of a line that is never folded."""


def main(settings: NamedStack) -> None:
    """Print one line for each part of the stack; exits with 1 when a stack that is wanted up has a part that is not.

    A name that the lab does not know may be that of a Docker Compose project, which is only looked at.
    """
    theirs = compose_stack(settings.name) if read_state(StackPaths.of(settings.name)) is None else None
    title = f"{settings.name} (Docker Compose's, not ours: {theirs.way_out})" if theirs else settings.name
    lines = describe_compose(theirs) if theirs else describe(open_lab(settings.name))
    # A pipe has no width: nothing may be folded there, since somebody will search in it.
    width = None if sys.stdout.isatty() else UNFOLDED
    Console(width=width, highlight=False).print(render(lines, settings.name, title))
    if any(line.trouble for line in lines):
        sys.stdout.write(f"next: make health NAME={settings.name} says why; with HEAL=1 it brings back what is down\n")
        sys.exit(1)


def render(lines: list[Line], stack: str, title: str) -> Table:
    """Return the table."""
    left = len(stack_processes(StackPaths.of(stack).stack_id))
    table = Table(title=f"stack {title}", caption=f"{left} processes carry the stack's mark", box=None)
    for heading in ("name", "state", "health", "ports", "detail"):
        table.add_column(heading, overflow="fold")
    for line in lines:
        table.add_row(line.name, line.state, line.health, line.ports, line.detail)
    return table


if __name__ == "__main__":
    run_command(NamedStack, main, "python -m flows.status")
