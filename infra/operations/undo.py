"""Undoes a failed start-up: removes in reverse order what the run has made, and has what ran before run as before."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from infra.console.interruptions import finished_despite_signals, of_a_signal, undo_abandoned
from infra.console.reporting import say
from infra.host.paths import StackPaths
from infra.host.processes import stack_processes, wait_for_end
from infra.lab.assembly import Lab, end_programs, open_lab
from infra.lab.checkpoints import delete_checkpoints
from infra.lab.deletion import delete_new, forget_access
from infra.lab.remains import CONTAINER, NETWORK, SUPERVISORD, VOLUME, remains_of, words_of_down
from infra.lab.runtime_factory import unseen_part
from infra.lab.store import counted_before, delete_new_store
from infra.operations.page import launch_page
from infra.operations.producer import launch_producer
from infra.operations.services import start_service, start_supervisor, wait_for_service
from infra.operations.stream import submit_stream
from infra.operations.take_down import take_down
from infra.stack.belongings import everything_in, strange_in
from infra.stack.kept_blocks import forget_blocks
from infra.stack.runtime import ServiceState
from infra.stack.state import StackState, read_state, write_state
from infra.supervision.budget import NAME as BUDGET
from infra.supervision.programs import PAGE, PRODUCERS, STREAM, programs_there
from trending.errors import ConfigurationConflict, LabError, NotOurs, UndoAbandoned, endings_passed_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from infra.docker.marks import DockerMarks
    from infra.lab.remains import Remains
    from trending.settings import LabSettings

LOOK = "make status"
STARTS = {**dict.fromkeys(PRODUCERS, launch_producer), STREAM: submit_stream, PAGE: launch_page}
ENDING_SECONDS = 5.0
"""How long the undo waits for what a program leaves for a moment: a driver's JVM ends after it. What stays is said to be left."""


@dataclass(frozen=True)
class Before:
    """What existed of a stack before a run, and must survive its undo. It is read before anything is recorded.

    ``running`` are services and programs; ``kept`` are services that had been stopped, or had died, and were not removed;
    ``supervised`` says whether a supervisord lived; ``data`` are the places of data that no state remembers;
    ``entries`` is what was in the stack's directory, at any depth (None if it did not exist); ``state`` is the recorded state;
    ``counted`` says whether a database has counts of the stack that no state remembers;
    ``declared`` is program → the hash of the declaration that it was started with;
    ``docker`` is what Docker had of the stack (None if it was not asked, because there is a recorded state).
    """

    running: frozenset[str]
    kept: frozenset[str]
    supervised: bool
    data: tuple[str, ...]
    entries: frozenset[Path] | None
    state: StackState | None
    docker: DockerMarks | None = None
    counted: bool = False
    declared: Mapping[str, str] = field(default_factory=dict)

    @property
    def nothing_ran(self) -> bool:
        """Whether nothing of the stack ran before, so that the run started everything that runs now."""
        return not self.running and not self.supervised


def found_before(stack: str, settings: LabSettings | None = None) -> Before:
    """Return what exists of the stack now; with ``settings`` a database that they name is asked too."""
    paths = StackPaths.of(stack)
    state = read_state(paths)
    entries = everything_in(paths.root) if state is None else None
    if state is not None:
        lab = open_lab(stack)
        return Before(running(lab), _kept(lab), lab.supervisor.lives(), (), entries, state, declared=_declared(paths))
    remains = remains_of(paths)
    runs, supervised = remains.running - {SUPERVISORD}, SUPERVISORD in remains.running
    kept = frozenset(thing.component for thing in remains.things if not thing.alive and thing.kind == CONTAINER)
    counted = settings is not None and counted_before(paths, settings)
    return Before(runs, kept, supervised, remains.data, entries, None, remains.docker, counted)


def _kept(lab: Lab) -> frozenset[str]:
    states = {service.name: lab.runtime.observe(service).state for service in lab.stack.services}
    return frozenset(name for name, state in states.items() if state not in {ServiceState.ABSENT, ServiceState.RUNNING})


def running(lab: Lab) -> frozenset[str]:
    """Return the names of the services and programs that run."""
    services = {service.name for service in lab.stack.services if lab.runtime.observe(service).state is ServiceState.RUNNING}
    statuses = {name: lab.supervisor.status(name) for name in programs_there(lab.paths)}
    return frozenset(services | {name for name, status in statuses.items() if status and status.alive})


def undo(stack: str, before: Before, error: BaseException) -> None:
    """Remove what was not there ``before``, stop what was there and did not run, restore the recorded state, say what is left.

    What ran and was changed, by another port say, is started again as that state has it. ``error`` is why: a failure or a signal.
    Data that this run made is deleted too, but only if the stack had none before. It is called in an ``except``, so it raises no
    error that would hide the cause; it raises UndoAbandoned if two more signals arrive.
    """
    lab = None
    try:
        with finished_despite_signals():
            if read_state(StackPaths.of(stack)) is None:
                return
            lab = open_lab(stack)
            say(f"{'interrupted' if of_a_signal(error) else 'start-up failed'}: undoing what this run has made")
            failed = [words for take_away in _undoing(lab, before) if (words := _try(take_away))]
            changed = _put_back(stack, before)
            done = _put_beside(lab, before) or "what this run had made was undone"
            say(_outcome(lab, before) or changed or _of_files(failed) or done)
    except UndoAbandoned:
        left = _outcome(lab, before) if lab else words_of_left(stack)
        say(f"the undo was abandoned. {left or 'Nothing of what this run had made is left'}")
        raise
    except Exception as another:  # noqa: BLE001 - the cause of the failure goes first
        say(f"this could not be undone, make down NAME={stack} does it: {another}")


def point_past_undo(stack: str, error: BaseException) -> None:
    """Give an error another command to run next where it names a look at a stack that the undo has removed."""
    if not isinstance(error, LabError) or StackPaths.of(stack).state.exists():
        return
    command = error.next_command
    if command == LOOK or command.startswith(f"{LOOK} "):
        error.rewrite(lambda text: f"make up NAME={stack} tries it once more" if text is command else text)


def take_down_own(stack: str) -> None:
    """Take down, with its data, a stack that this run has made for itself. Called in an ``except``, like ``undo``.

    Without a state file this run has nothing of it any more: start-up's own undo has said what is left. What carries the mark all
    the same was there before and not seen, as in an engine that answers only now.
    """
    if undo_abandoned() or not StackPaths.of(stack).state.exists():
        return
    try:
        with finished_despite_signals():
            _try(partial(take_down, stack, volumes=True))
            if left := words_of_left(stack):
                say(left)
    except UndoAbandoned:
        say(f"the take-down was abandoned. {words_of_left(stack) or 'Nothing is left'}")
        raise


def _try(take_away: Callable[[], object]) -> str:
    """Take something away; returns why it could not be, empty if it was."""
    try:
        with endings_passed_on():
            take_away()
    except Exception as error:  # noqa: BLE001 - the cause of the failure goes first, and the rest is undone all the same
        say(f"this could not be undone, make down does it: {error}")
        return str(error) or type(error).__name__
    return ""


def _of_files(failed: list[str]) -> str:
    """Return what may be left where nothing runs and there is no new data: recorded settings that could not be put back."""
    return f"Nothing that this run had made runs; its records could not all be put back ({'; '.join(failed)})" if failed else ""


def words_of_left(stack: str) -> str:
    """Return what the machine still has of a stack, and the command that ends it; empty for nothing."""
    remains = remains_of(StackPaths.of(stack))
    if not remains:
        return f"What Docker has of it could not be seen: {unseen}" if (unseen := _unseen(stack, remains)) else ""
    return f"This is left: {remains.words()}; {words_of_down(stack, data=bool(remains.data))}"


def _unseen(stack: str, remains: Remains) -> str:
    try:
        state = read_state(StackPaths.of(stack))
    except (ConfigurationConflict, NotOurs):
        return remains.unseen
    return "" if state is None else unseen_part(state.runtime, remains)


def _outcome(lab: Lab, before: Before) -> str:
    """Return what is there now and was not before, as the machine shows it; empty for nothing."""
    stack = lab.paths.name
    try:
        with endings_passed_on():
            remains = remains_of(lab.paths)
        known = before.running | before.kept | ({SUPERVISORD, BUDGET} if before.supervised else frozenset())
        things = {thing.component: str(thing) for thing in remains.things}
        left = {name: words for name, words in things.items() if name not in known}
        if before.kept or not before.nothing_ran:
            left.pop(NETWORK, None)  # it was there too
        left |= {name: name for name in running(lab) - before.running if name not in left}
        made = _made(lab, before, remains)
        left |= {place: place for place in made}
    except Exception as error:  # noqa: BLE001 - the cause of the failure goes first
        return f"Whether anything is left could not be seen ({error}); make status NAME={stack} looks"
    unseen = unseen_part(lab.state.runtime, remains)
    deletable = bool(made) and not lab.paths.data.is_symlink()
    if left:
        return f"This is left: {', '.join(left.values())}; {words_of_down(stack, data=deletable)}"
    return f"What is left in Docker could not be seen ({unseen}); make status NAME={stack} looks" if unseen else ""


def _fresh(lab: Lab, before: Before) -> bool:
    """Whether the brokers' data is this run's own, so that what came into the stack's directory goes with it."""
    kept = any(place.startswith(VOLUME) for place in before.data)
    return before.nothing_ran and before.state is None and not kept and not lab.state.adopted


def _made(lab: Lab, before: Before, remains: Remains) -> list[str]:
    """Return what this run has made and that is there of data; what the lab never makes was put there by somebody."""
    if not _fresh(lab, before):
        return []
    there = {place for place in remains.data if place.startswith(VOLUME) or lab.paths.data.is_symlink()}
    new, strange = _new(lab, before), set(strange_in(lab.paths))
    files = {path for path in new if path.is_symlink() or not path.is_dir()}
    ours = {path for path in files if strange.isdisjoint((path, *path.parents))}
    topmost = {next(each for each in (path, *path.parents) if each.parent not in new) for path in ours}
    return sorted((there - set(before.data)) | set(map(str, topmost)))


def _put_beside(lab: Lab, before: Before) -> str:
    """Return what somebody has put into the stack's directory while this run was at work; empty for nothing."""
    new = _new(lab, before) if _fresh(lab, before) else frozenset()
    beside = ", ".join(str(place) for place in strange_in(lab.paths) if place in new)
    return f"what this run had made was undone; this came meanwhile from somebody else and stays: {beside}" if beside else ""


def _new(lab: Lab, before: Before) -> frozenset[Path]:
    return (everything_in(lab.paths.root) or frozenset()) - (before.entries or frozenset())


def _undoing(lab: Lab, before: Before) -> Iterator[Callable[[], object]]:
    yield from (
        partial(_remove_program, lab, program) for program in reversed(programs_there(lab.paths)) if program not in before.running
    )
    started = [service for service in reversed(lab.stack.services) if service.name not in before.running]
    for service in started:
        yield partial(lab.runtime.stop if service.name in before.kept else lab.runtime.remove, service)
    fresh = _fresh(lab, before)
    if before.nothing_ran:
        yield partial(end_programs, lab)
        if not before.kept:
            yield partial(lab.runtime.destroy, volumes=fresh)
            yield partial(forget_access, lab.paths)
    if fresh:
        yield partial(delete_checkpoints, lab)
        if not before.counted:
            yield partial(delete_new_store, lab)
        yield partial(delete_new, lab.paths, before.entries)
    if before.nothing_ran and not before.kept:
        yield partial(forget_blocks, lab.paths)
    if before.state is not None:
        # What this run has made in other places stays recorded, so that a take-down may delete it.
        made = {"topics_made": lab.state.topics_made, "checkpoints_made": lab.state.checkpoints_made}
        yield partial(write_state, lab.paths, before.state.model_copy(update=made))
    else:
        yield partial(lab.paths.state.unlink, missing_ok=True)


def _put_back(stack: str, before: Before) -> str:
    """Start as recorded what ran before and was changed or ended; returns what could not be, and what does it."""
    names: list[str] = []
    try:
        with endings_passed_on():
            if before.state is None or not (names := _changed(open_lab(stack), before)):
                return ""
            start_supervisor(stack)
            for name in names:
                if name in STARTS:
                    STARTS[name](stack)
                else:
                    start_service(stack, name)
                    wait_for_service(stack, name)  # the programs' declarations need what the broker says
    except Exception as error:  # noqa: BLE001 - the cause of the failure goes first
        what = f"{', '.join(names) or 'what'} ran before and could not all be put back"
        return f"{what} ({error}): make up NAME={stack} does it"
    say(f"as before the start again: {', '.join(names)}")
    return ""


def _changed(lab: Lab, before: Before) -> list[str]:
    """Return what ran before and does not run now, or not as it was declared."""
    seen = {service.name: lab.runtime.observe(service) for service in lab.stack.services if service.name in before.running}
    changed = [name for name, each in seen.items() if each.drifted or each.state is not ServiceState.RUNNING]
    runs, declared = running(lab), _declared(lab.paths)
    programs = [name for name in programs_there(lab.paths) if name in before.running]
    return changed + [name for name in programs if name not in runs or declared.get(name) != before.declared.get(name)]


def _declared(paths: StackPaths) -> dict[str, str]:
    return {name: path.read_text() for name in programs_there(paths) if (path := paths.drift(name)).exists()}


def _remove_program(lab: Lab, program: str) -> None:
    if lab.supervisor.running():
        lab.supervisor.remove(program)
        wait_for_end(stack_processes(lab.paths.stack_id, program), ENDING_SECONDS)
