"""Take the stack down in the reverse order of start-up. It can run twice, on nothing, and without a Prefect server."""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from prefect import Task, flow
from prefect.settings import PREFECT_API_REQUEST_TIMEOUT, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from flows.runs.server import run_on
from flows.runs.users_server import users_server_answers
from infra.forms.parameters import TearDownCommand, TearDownForm
from infra.forms.terminal import run_command
from infra.host.paths import StackPaths
from infra.host.reporting import say
from infra.operations.take_down import take_down
from infra.prefect_services.server import current_server, stop_idle_server
from infra.stack.state import Wanted, existing_stacks, read_state
from tasks import page, producer, services, stream
from trending.errors import ConfigurationConflict, LabError, NotReady

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.prefect_services.credentials import PrefectServer

P = ParamSpec("P")
R = TypeVar("R")
TASKS = {
    name: task for module in (page, producer, services, stream) for name, task in vars(module).items() if isinstance(task, Task)
}
"""Step → the task that wraps it."""
REQUEST_SECONDS = 15.0
"""How long a take-down waits for Prefect's server before it goes on without it."""


@flow(name="tear-down", flow_run_name="tear-down {settings.name}")
def tear_down(settings: TearDownForm) -> bool:
    """Stop page, stream, producer and services, then sweep; returns whether there was anything to take down."""
    settings.require_confirmed()
    return take_down(settings.name, volumes=settings.volumes, stop_only=settings.stop_only, run=as_task)


def as_task(step: Callable[P, R]) -> Callable[P, R]:
    """Return the task of the same name, which wraps the step."""
    task: Callable[P, R] = TASKS[step.__name__]
    return task


def main(settings: TearDownForm) -> None:
    """Run from a terminal: as a flow if a server answers, otherwise directly. With the last stack, our server is stopped."""
    if not settings.stop_only:
        atexit.register(_stop_server_with_last_stack)
    settings.require_confirmed()
    server = _server_at_hand()
    if server is None:
        take_down(settings.name, volumes=settings.volumes, stop_only=settings.stop_only)
        return
    impatient = {PREFECT_API_REQUEST_TIMEOUT: REQUEST_SECONDS, PREFECT_CLIENT_MAX_RETRIES: 1}
    try:
        with temporary_settings(impatient):
            run_on(server, lambda: tear_down(settings))
    except LabError:
        raise
    except Exception as error:  # noqa: BLE001 - a locked database, a refused key, another version: whatever Prefect died of
        say(f"Prefect at {server.url} could not run it ({type(error).__name__}: {error}): going on without")
        take_down(settings.name, volumes=settings.volumes, stop_only=settings.stop_only)


def _server_at_hand() -> PrefectServer | None:
    """Return the server that answers; one that refuses us is passed over, since a take-down needs none."""
    try:
        return current_server(users_server_answers)
    except NotReady as error:
        say(f"{error.cause}: going on without")
        return None


def _stop_server_with_last_stack() -> None:
    if not any(wanted_up(name) for name in existing_stacks()):
        stop_idle_server()


def wanted_up(name: str) -> bool:
    """Whether a stack is wanted up or stopped and so may still need the server; a stack with a damaged state file counts."""
    try:
        state = read_state(StackPaths.of(name))
    except ConfigurationConflict:
        return True
    return state is not None and state.wanted is not Wanted.DOWN


if __name__ == "__main__":
    run_command(TearDownCommand, main, "python -m flows.tear_down")
