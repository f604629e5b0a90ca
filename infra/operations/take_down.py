"""Takes a stack down, in the reverse order of start-up and with or without Prefect. It can run twice, or on nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

from infra.console.reporting import say
from infra.docker.compose_stack import compose_stack
from infra.docker.presence import engine_answers
from infra.embedded.runtime import broker_directories
from infra.host.paths import StackPaths
from infra.host.processes import users_processes
from infra.lab.assembly import open_lab, sweep_by_mark
from infra.lab.checkpoints import require_deletable_checkpoints
from infra.lab.deletion import require_deletable
from infra.lab.remains import remains_of
from infra.lab.store import check_deletable
from infra.operations.page import stop_page
from infra.operations.producer import stop_producer
from infra.operations.services import mark_wanted, remove_service, stop_service, sweep_stack
from infra.operations.stream import stop_stream
from infra.stack.state import NewerState, Wanted, down_asked_for, read_state, stack_held
from trending.errors import ConfigurationConflict, EngineUnavailable, LabError

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


class Run(Protocol):
    """Maps a step to the function to call for it: the step itself, or the task that wraps it."""

    def __call__(self, step: Callable[P, R], /) -> Callable[P, R]:
        """Return the function to call for the step."""
        ...


def directly(step: Callable[P, R]) -> Callable[P, R]:
    """Return the step itself."""
    return step


def take_down(stack: str, *, volumes: bool = False, stop_only: bool = False, run: Run = directly) -> bool:
    """Stop page, stream, producer and services, then sweep; returns whether there was anything to take down.

    ``run`` maps each step to the function that is called for it; the flow passes one that returns the task of the same name.
    Raises EngineUnavailable, with nothing touched, if the stack is Docker's and no engine answers; NotOurs, likewise, if data
    that is to be deleted lies behind a link, or beside something that the lab did not make; NewerState for a newer version's.
    """
    paths = StackPaths.of(stack)
    with down_asked_for(paths), stack_held(paths):
        if volumes:
            require_deletable(paths)
        try:
            state = read_state(paths)
        except NewerState:
            raise
        except ConfigurationConflict:
            if not volumes:
                raise
            silence = engine_answers() or ""
            if silence and not broker_directories(paths):
                cause = f"the state of {stack} cannot be read, and Docker, which may have its data, can't be asked"
                raise EngineUnavailable(cause, silence, f"start the engine, then make down NAME={stack} VOLUMES=1") from None
            sweep_by_mark(stack, volumes=True, silence=silence)
            unknown = "what it had made elsewhere, by CHECKPOINT, STORE_URL or BOOTSTRAP, is not known and stays"
            say(f"the state of {stack} could not be read: what carries its mark is gone, its data too; {unknown}{_but(silence)}")
            return True
        if state is None:
            return take_down_unrecorded(stack, volumes=volumes, stop_only=stop_only)
        _take_down_recorded(stack, volumes=volumes, stop_only=stop_only, run=run)
    _say_what_is_left_alone(paths)
    words = "stopped; make start brings it back" if stop_only else "down; its data is kept"
    say(f"stack {stack} is {'down and its data deleted' if volumes else words}")
    return True


def _say_what_is_left_alone(paths: StackPaths) -> None:
    """Name the processes of somebody's terminal that carry the stack's mark, as with a program's variables exported."""
    if theirs := users_processes(paths.stack_id):
        things = ", ".join(f"{process.name()} (pid {process.pid})" for process in theirs)
        say(f"left alone, since it has a terminal and so is somebody's, though it carries the mark of {paths.name}: {things}")


def _take_down_recorded(stack: str, *, volumes: bool, stop_only: bool, run: Run) -> None:
    for check in open_lab(stack).runtime.checks().values():
        check()  # first: a stack that cannot be reached runs on, and must not be recorded as wanted down
    if volumes:
        check_deletable(open_lab(stack))
        require_deletable_checkpoints(open_lab(stack))
    wanted = Wanted.STOPPED if stop_only else Wanted.DOWN
    unrecorded = _unrecorded(run, stack, wanted)
    if unrecorded:
        say(f"what is wanted of {stack} cannot be recorded ({unrecorded}): it is taken down all the same")
    if open_lab(stack).supervisor.running():
        run(stop_page)(stack)
        run(stop_stream)(stack)
        run(stop_producer)(stack)
    for service in reversed(open_lab(stack).stack.services):
        run(stop_service if stop_only else remove_service)(stack, service.name)
    if not stop_only:
        run(sweep_stack)(stack, volumes=volumes)
    if unrecorded and not volumes and (unrecorded := _unrecorded(run, stack, wanted)):
        cause = f"the stack {stack} is {wanted}, and that could not be recorded: a health check may bring it back"
        raise LabError(cause, unrecorded, f"free some space, then make {'stop' if stop_only else 'down'} once more")


def _unrecorded(run: Run, stack: str, wanted: Wanted) -> str:
    """Record what is wanted; returns why that failed, empty if it did not. A full disk is a reason to take a stack down."""
    try:
        run(mark_wanted)(stack, wanted)
    except OSError as error:
        return str(error)
    return ""


def take_down_unrecorded(stack: str, *, volumes: bool, stop_only: bool) -> bool:
    """Take down a stack without a state file, by its mark; its data stays unless ``volumes`` is set."""
    remains = remains_of(StackPaths.of(stack))
    if stop_only or not (remains.things or (remains.data and volumes)):
        say(f"there is no stack {stack}: nothing to {'stop' if stop_only else 'take down'}{_but(remains.unseen)}")
        if remains:
            say(f"but this carries its mark: {remains.words()}; {remains.next_commands(stack)}")
        elif (compose := compose_stack(stack)) is not None:
            say(f"Docker Compose has one of that name, which is left alone; to take it down: {compose.take_down_command}")
        return False
    silence = engine_answers() or ""
    sweep_by_mark(stack, volumes=volumes, silence=silence)
    kept = "its data is gone too" if volumes else "its data is kept" if remains.data else "it had no data"
    say(f"stack {stack} had no state file: what carried its mark is gone ({remains.words()}); {kept}{_but(silence)}")
    return True


def _but(unseen: str) -> str:
    """Return an addition to a message for the case that Docker could not be asked; otherwise empty."""
    return f"; what Docker has of it could not be seen ({unseen})" if unseen else ""
