"""Show the parts of a stack, their state and any leftovers. It does without Prefect, so that it answers at once."""

from __future__ import annotations

import sys
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from infra.docker.compose_stack import compose_stack
from infra.docker.marks import marked_things
from infra.forms.next_commands import with_name
from infra.forms.stacks import NamedStack
from infra.forms.terminal import run_command
from infra.host.paths import StackPaths
from infra.host.processes import stack_processes
from infra.kafka.readiness import ANSWER_SECONDS
from infra.lab.assembly import open_lab
from infra.lab.forgotten import forgotten_lines
from infra.lab.remains import LOOK_SECONDS, remains_of, words_of_copy
from infra.lab.store import store_place
from infra.operations.description import Line, describe, describe_compose, describe_remains
from infra.operations.epochs import earlier_records
from infra.operations.producer import quota_line, scenario_line
from infra.spark_cluster.standalone import describe_cluster
from infra.stack.state import Wanted, read_state, replay_at_work
from infra.supervision.programs import STREAM
from trending.errors import ConfigurationConflict, LabError, NotOurs, NotReady
from trending.kafka.open_transactions import TOLD_SECONDS, held_partitions
from trending.programs.refused import NAME as REFUSED
from trending.programs.refused import lines_of_all, read_refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.docker.marks import MarkedThings
    from infra.lab.assembly import Lab

UNFOLDED = 10_000
"""A width at which no line is folded."""


def main(settings: NamedStack) -> None:
    """Print one line for each part of the stack; exits with 1 if the stack is wanted up and a part is not.

    A name that the lab does not know may be that of a Docker Compose project, which is shown and never changed. Below it stands
    what checkouts that were moved or deleted have left.
    """
    seen = marked_things(LOOK_SECONDS)
    try:
        _show(settings, seen)
    finally:
        for copy in seen.of(StackPaths.of(settings.name).stack_id).copies:
            sys.stdout.write(f"{words_of_copy(settings.name, copy)}\n")
        for line in forgotten_lines(settings.name, seen):
            sys.stdout.write(f"{line}\n")
        if line := describe_cluster():
            sys.stdout.write(f"{line}\n")


def _show(settings: NamedStack, seen: MarkedThings) -> None:
    paths = StackPaths.of(settings.name)
    own = seen.of(paths.stack_id)
    try:
        recorded = read_state(paths) is not None
    except (ConfigurationConflict, NotOurs):  # what is there is shown all the same
        if there := remains_of(paths, own):
            _print(render(describe_remains(there), settings.name, f"{settings.name} (its state file cannot be used)"))
        raise
    remains = None if recorded else remains_of(paths, own)
    compose = None if recorded or remains else compose_stack(settings.name)
    title = f"{settings.name} (Docker Compose's, not ours: {compose.take_down_command})" if compose else settings.name
    if remains:
        title, lines = f"{settings.name} (no state file: {remains.next_commands(settings.name)})", describe_remains(remains)
    else:
        lines = describe_compose(compose) if compose else describe(open_lab(settings.name), own)
    _print(render(lines, settings.name, title))
    if recorded:
        lab = open_lab(settings.name)
        print_what_is_sent(lab)
        print_what_was_refused(lab)
        try:
            print_earlier_records(earlier_records(lab))
        except ConfigurationConflict as error:  # the table has been printed, which is what the user asked for
            sys.stdout.write(f"{with_name(str(error), settings.name)}\n")
        if not any(line.trouble for line in lines) and lab.state.wanted is Wanted.UP:
            print_held_partitions(lab)
    if remains:
        sys.exit(1)
    if any(line.trouble for line in lines):
        sys.stdout.write(f"next: {_next_command(settings.name)}\n")
        sys.exit(1)


def _next_command(stack: str) -> str:
    state = read_state(StackPaths.of(stack))
    if state is None or state.wanted is Wanted.UP:  # a stack of Docker Compose has no state
        return f"make health NAME={stack} says why; with HEAL=1 it brings back what is down"
    return f"it is not wanted up: make down NAME={stack} once more ends what runs, make up NAME={stack} brings all of it back"


def _print(table: Table) -> None:
    # Output to a pipe is not folded, so that it can be searched.
    width = None if sys.stdout.isatty() else UNFOLDED
    Console(width=width, highlight=False).print(table)


def print_what_is_sent(lab: Lab) -> None:
    """Print what the producer plays, and that a replay is at work."""
    if scenario := scenario_line(lab):
        sys.stdout.write(f"{scenario}\n")
    if quota := quota_line(lab):
        sys.stdout.write(f"{quota}\n")
    if replay_at_work(lab.paths):
        sys.stdout.write("a replay into this stack is at work; Ctrl-C in its terminal ends it\n")


def print_what_was_refused(lab: Lab) -> None:
    """Print a line for each reason for which the stream has refused records."""
    noted = read_refused(lab.paths.heartbeat(STREAM).with_name(REFUSED))
    if not noted:
        return
    from sqlalchemy.exc import DatabaseError  # noqa: PLC0415 - 0.2 s that every status would wait for

    from trending.serving.reader import StoreReader  # noqa: PLC0415 - as above

    try:
        with closing(StoreReader(store_place(lab))) as reader:
            reasons = reader.reasons()
    except (DatabaseError, LabError) as error:
        sys.stdout.write(f"how many records were refused cannot be read: {error}\n")
        return
    sys.stdout.writelines(f"{line}\n" for line in lines_of_all(reasons, noted))


def print_earlier_records(offsets: Mapping[int, int]) -> None:
    """Print a line for each partition (→ offset) that has records from before this stack began to count."""
    if not offsets:
        return
    from trending.audit.audit_report import not_audited  # noqa: PLC0415 - SQLAlchemy, 0.2 s that every status would wait for

    for partition, offset in sorted(offsets.items()):
        sys.stdout.write(f"{not_audited(partition, offset)}\n")


def print_held_partitions(lab: Lab) -> None:
    """Print a line for each partition that an open transaction holds; that is no trouble of the stack's."""
    with suppress(NotReady):  # the topic may not be there yet
        for held in held_partitions(lab.stack.connection, lab.settings.stack.topic, TOLD_SECONDS, ANSWER_SECONDS):
            sys.stdout.write(f"{held}\n")


def render(lines: list[Line], stack: str, title: str) -> Table:
    """Return the lines as a table."""
    marked = len(stack_processes(StackPaths.of(stack).stack_id))
    table = Table(title=f"stack {title}", caption=f"{marked} processes carry the stack's mark", box=None)
    for heading in ("name", "state", "health", "ports", "detail"):
        table.add_column(heading, overflow="fold")
    for line in lines:
        table.add_row(line.name, line.state, line.health, line.ports, with_name(line.detail, stack))
    return table


if __name__ == "__main__":
    run_command(NamedStack, main, ".venv/bin/python -m infra.commands.status")
