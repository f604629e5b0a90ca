"""Take the stack down in the reverse of start-up's order. Works twice, on nothing, and without a Prefect server."""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING

from prefect import flow
from prefect.settings import PREFECT_API_REQUEST_TIMEOUT, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from flows.command_line import run_command
from flows.forms import TearDownCommand, TearDownForm
from flows.serving import run_on
from infra.docker.compose_stack import compose_stack
from infra.host.paths import StackPaths
from infra.lab.assembly import open_lab, sweep_by_mark
from infra.lab.remains import remains_of
from infra.prefect_services.server import current_server, stop_idle_server
from infra.stack.state import Wanted, down_asked_for, existing_stacks, read_state, stack_held
from tasks.infrastructure import mark_wanted, remove_service, stop_service, sweep_stack
from tasks.page import stop_page
from tasks.producer import stop_producer
from tasks.step import say
from tasks.stream import stop_stream
from trending.errors import ConfigurationConflict, LabError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

REQUEST_SECONDS = 15.0
"""How long a take-down waits for an answer of Prefect's server before it goes on without."""


@flow(name="tear-down", flow_run_name="tear-down {settings.name}")
def tear_down(settings: TearDownForm) -> bool:
    """Stop page, stream, producer and services, then sweep; returns whether there was anything to take down."""
    return take_down(settings, lambda task: task)


def take_down(settings: TearDownForm, through: Callable[[Any], Any]) -> bool:
    """Take the stack down, each task passed ``through`` something: itself in a flow, its plain function without a server."""
    settings.require_confirmed()
    stack, paths = settings.name, StackPaths.of(settings.name)
    with down_asked_for(paths), stack_held(paths):
        try:
            state = read_state(paths)
        except ConfigurationConflict:
            if not settings.volumes:
                raise
            sweep_by_mark(stack, volumes=True)
            say(f"the state of {stack} could not be read: everything that carries its mark is gone, its data too")
            return True
        if state is None:
            return take_down_unrecorded(settings)
        through(mark_wanted)(stack, Wanted.STOPPED if settings.stop_only else Wanted.DOWN)
        if open_lab(stack).supervisor.running():
            through(stop_page)(stack)
            through(stop_stream)(stack)
            through(stop_producer)(stack)
        for service in reversed(open_lab(stack).stack.services):
            through(stop_service if settings.stop_only else remove_service)(stack, service.name)
        if not settings.stop_only:
            through(sweep_stack)(stack, volumes=settings.volumes)
    words = "stopped; make start brings it back" if settings.stop_only else "down; its data is kept"
    say(f"stack {stack} is {'down and its data deleted' if settings.volumes else words}")
    return True


def take_down_unrecorded(settings: TearDownForm) -> bool:
    """Take down by its mark what no state file remembers; data stays unless it is asked for."""
    stack = settings.name
    found = remains_of(StackPaths.of(stack))
    if found.unseen and found.things:
        say(f"what the engine has of it could not be seen: {found.unseen}")
    if settings.stop_only or not (found.things or (found.data and settings.volumes)):
        say(f"there is no stack {stack}: nothing to {'stop' if settings.stop_only else 'take down'}")
        if found:
            say(f"but this carries its mark: {found.words()}; {found.ways(stack)}")
        elif (theirs := compose_stack(stack)) is not None:
            say(f"Docker Compose has one of that name, which is left alone; to take it down: {theirs.way_out}")
        return False
    sweep_by_mark(stack, volumes=settings.volumes)
    kept = "its data is gone too" if settings.volumes else "its data is kept" if found.data else "it had no data"
    say(f"stack {stack} had no state file: what carried its mark is gone ({found.words()}); {kept}")
    return True


def main(settings: TearDownForm) -> None:
    """Run from a terminal: through a server that answers, without one directly; the last stack takes our server along."""
    if not settings.stop_only:
        atexit.register(_stop_server_with_last_stack)
    server = current_server()
    if server is None:
        take_down(settings, lambda task: task.fn)
        return
    impatient = {PREFECT_API_REQUEST_TIMEOUT: REQUEST_SECONDS, PREFECT_CLIENT_MAX_RETRIES: 1}
    try:
        with temporary_settings(impatient):
            run_on(server, lambda: tear_down(settings))
    except LabError:
        raise
    except Exception as error:  # noqa: BLE001 - a locked database, a refused key, another version: whatever Prefect died of
        say(f"Prefect at {server.url} could not run it ({type(error).__name__}: {error}): going on without")
        take_down(settings, lambda task: task.fn)


def _stop_server_with_last_stack() -> None:
    if not any(wanted_up(name) for name in existing_stacks()):
        stop_idle_server()


def wanted_up(name: str) -> bool:
    """Whether a stack is wanted up or stopped, so that its server is still of use; a damaged one may be."""
    try:
        state = read_state(StackPaths.of(name))
    except ConfigurationConflict:
        return True
    return state is not None and state.wanted is not Wanted.DOWN


if __name__ == "__main__":
    run_command(TearDownCommand, main, "python -m flows.tear_down")
