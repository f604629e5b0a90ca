"""Undoing a start-up that failed: what was there before stays, what came since goes, in reverse; data stays."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from infra.lab import PAGE, Lab, open_lab, sweep
from infra.paths import StackPaths
from infra.runtime import ServiceState
from infra.state import StackState, read_state, write_state
from tasks.producer import NAME as PRODUCER
from tasks.step import say
from tasks.stream import NAME as STREAM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAMS = (PRODUCER, STREAM, PAGE)


def present(stack: str) -> frozenset[str]:
    """Return the names of the stack's services and programs that run now; empty for a stack that does not exist."""
    state = read_state(StackPaths.of(stack))
    return running(open_lab(stack)) if state else frozenset()


def running(lab: Lab) -> frozenset[str]:
    """Return the names of the services and programs that run."""
    services = {service.name for service in lab.stack.services if lab.runtime.observe(service).state is ServiceState.RUNNING}
    statuses = {name: lab.supervisor.status(name) for name in PROGRAMS}
    return frozenset(services | {name for name, status in statuses.items() if status and status.alive})


def undo(stack: str, before: frozenset[str], known: StackState | None) -> None:
    """Take away what runs now and did not run ``before``, and forget the settings that failed for those ``known`` before.

    A stack that nobody knew before goes altogether: its data was made by this run too. Called from an ``except``: it must not
    raise over the cause.
    """
    if read_state(StackPaths.of(stack)) is None:
        return
    lab = open_lab(stack)
    say("start-up failed: undoing what this run has made")
    for take_away in _undoing(lab, before, known):
        try:
            take_away()
        except Exception as error:  # noqa: BLE001 - the cause of the failure goes first, and the rest is undone all the same
            say(f"this could not be undone, make down does it: {error}")


def _undoing(lab: Lab, before: frozenset[str], known: StackState | None) -> Iterator[Callable[[], object]]:
    if lab.supervisor.running():
        yield from (partial(lab.supervisor.remove, program) for program in reversed(PROGRAMS) if program not in before)
    yield from (partial(lab.runtime.remove, service) for service in reversed(lab.stack.services) if service.name not in before)
    if not before:
        yield partial(sweep, lab, volumes=known is None)
    if known is not None:
        yield partial(write_state, lab.paths, known)
