"""Take the stack down in the reverse order of start-up. It can run twice, on nothing, and without a Prefect server."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from prefect import Task, flow
from prefect.exceptions import TerminationSignal
from prefect.settings import PREFECT_API_REQUEST_TIMEOUT, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from flows.runs.named_commands import names_its_stack
from flows.runs.server import run_on, stop_at_exit
from flows.runs.users_server import users_server_answers
from infra.console.interruptions import finished_despite_signals, undo_abandoned, undo_under_way
from infra.console.reporting import say
from infra.forms.stacks import TearDownCommand, TearDownForm
from infra.forms.terminal import run_command
from infra.host.paths import StackPaths
from infra.lab.forgotten import forgotten_lines, take_down_homeless
from infra.operations.take_down import Run, directly, take_down
from infra.operations.undo import words_of_left
from infra.prefect_services.server import current_server, stop_idle_server
from infra.stack.state import Wanted, existing_stacks, read_state
from tasks import page, producer, services, stream
from trending.errors import ConfigurationConflict, LabError, NotOurs, NotReady, UndoAbandoned

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
_ended: ContextVar[list[bool]] = ContextVar("ended")
"""The results of flow runs whose take-down came to its end, whatever became of the run. ``main`` sets it."""


@flow(name="tear-down", flow_run_name="tear-down {settings.name}")
@names_its_stack
def tear_down(settings: TearDownForm) -> bool:
    """Stop page, stream, producer and services, then sweep; returns whether there was anything to take down."""
    settings.require_confirmed()
    # Prefect has replaced the handler of SIGTERM since `main` was entered.
    with finished_despite_signals() if undo_under_way() else nullcontext():
        there = _take_down(settings, as_task)
    _ended.get([]).append(there)
    return there


def _take_down(settings: TearDownForm, run: Run) -> bool:
    """Take down the stack, or that of a checkout which is gone, and list what else such checkouts have left."""
    if settings.left_by:
        there = take_down_homeless(settings.name, settings.left_by, volumes=settings.volumes)
    else:
        there = take_down(settings.name, volumes=settings.volumes, stop_only=settings.stop_only, run=run)
    for line in forgotten_lines(settings.name):
        say(line)
    return there


def as_task(step: Callable[P, R]) -> Callable[P, R]:
    """Return the task of the same name, which wraps the step."""
    task: Callable[P, R] = TASKS[step.__name__]
    return task


def main(settings: TearDownForm) -> None:
    """Run from a terminal to its end; the second signal abandons it. With the last stack, our server is stopped."""
    if not settings.stop_only:
        stop_at_exit(_stop_server_with_last_stack)
    settings.require_confirmed()
    try:
        with finished_despite_signals():
            _with_or_without_server(settings)
    except UndoAbandoned:
        say(f"this was abandoned. {words_of_left(settings.name) or 'Nothing is left'}")
        raise
    except PermissionError:
        with suppress(OSError):  # the file that may not be read; the cause goes first
            say(f"this take-down has not come to its end. {words_of_left(settings.name) or 'Nothing runs'}")
        raise


def _with_or_without_server(settings: TearDownForm) -> None:
    """Run as a flow if a server answers, otherwise directly."""
    server = _server_at_hand()
    if server is None:
        _take_down(settings, directly)
        return
    ended: list[bool] = []
    _ended.set(ended)
    impatient = {PREFECT_API_REQUEST_TIMEOUT: REQUEST_SECONDS, PREFECT_CLIENT_MAX_RETRIES: 1}
    try:
        with temporary_settings(impatient):
            run_on(server, lambda: tear_down(settings))
    except (LabError, PermissionError):
        raise
    except (Exception, TerminationSignal) as error:
        if undo_abandoned():
            raise UndoAbandoned from error
        if ended:
            why = f"{type(error).__name__}: {error}"
            unsent = f"Prefect at {server.url} did not take the end of the run ({why}): it may show it as running"
            say(f"{unsent}; the take-down itself is done")
            return
        say(f"Prefect at {server.url} could not run it ({type(error).__name__}: {error}): going on without")
        _take_down(settings, directly)


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
    """Whether a stack is wanted up or stopped and so may still need the server; one whose state file cannot be used counts."""
    try:
        state = read_state(StackPaths.of(name))
    except (ConfigurationConflict, NotOurs):
        return True
    return state is not None and state.wanted is not Wanted.DOWN


if __name__ == "__main__":
    run_command(TearDownCommand, main, ".venv/bin/python -m flows.tear_down")
