"""The repair of one component. It holds the stack's lock and gives way to a take-down."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import psutil

from infra.console.interruptions import begun_despite_signals, finished_despite_signals, of_a_signal
from infra.console.reporting import say
from infra.health.examination import looks_of, programs_of
from infra.health.verdicts import Finding, Repair, Verdict, note_repair
from infra.host.clock import Clock, SystemClock
from infra.host.paths import StackPaths
from infra.host.processes import stack_processes
from infra.lab.assembly import Lab, end_orphans, open_lab
from infra.operations.page import launch_page
from infra.operations.producer import launch_producer
from infra.operations.services import start_service, start_supervisor, wait_for_service
from infra.operations.stream import submit_stream
from infra.stack.runtime import SUPERVISOR
from infra.stack.state import Wanted, read_state, stack_held, still_wanted, take_down_waits
from infra.supervision.programs import PRODUCER, STREAM, kind_of
from trending.errors import NotReady, Superseded

if TYPE_CHECKING:
    from collections.abc import Callable

HELD_SECONDS = 1.0
"""How long a repair waits for the lock. It is short, because the holder is already working on the stack."""
RECOVERY_SECONDS = 150.0
POLL_SECONDS = 0.25


def require_wanted(paths: StackPaths) -> None:
    """Raise Superseded if the stack is not wanted up any more, or a take-down is waiting."""
    if still_wanted(paths):
        return
    state = read_state(paths)
    if take_down_waits(paths) or state is None:
        cause = f"the stack {paths.name} is being taken down: nothing is repaired"
        raise Superseded(cause, "wanted is nothing" if state is None else "a take-down waits", "make status")
    cause = f"the stack {paths.name} is {state.wanted}: nothing is repaired, and nothing broken on purpose"
    back = "start" if state.wanted is Wanted.STOPPED else "up"
    raise Superseded(cause, f"wanted is {state.wanted}", f"make {back} NAME={paths.name}")


def repair(stack: str, finding: Finding, clock: Clock | None = None, *, booked: bool = True) -> str:
    """Bring one component back and wait until it is well; returns its evidence.

    Raises StackBusy if another command holds the stack, Superseded if it is taken down meanwhile, NotReady if the component is
    not well in time. With ``booked`` the repair counts against the budget before it is done, so that it counts even if the healer
    is killed in the middle.
    """
    clock = clock or SystemClock()
    paths = StackPaths.of(stack)
    with stack_held(paths, timeout=HELD_SECONDS):
        require_wanted(paths)
        lab = open_lab(stack)
        # It may have been repaired between the finding and the lock.
        finding = looks_of(lab)[finding.component]()
        if finding.verdict is not Verdict.UNHEALTHY:
            return _wait(lab, finding.component, clock)
        if not finding.repair:
            cause = f"{finding.component} can't be repaired by starting it again"
            raise NotReady(cause, finding.evidence, finding.next_command)
        say(f"{finding.component}: {finding.repair} because {finding.evidence.splitlines()[0]}")
        if booked:
            note_repair(paths.health, finding.component)
        if finding.repair is Repair.RESTART:
            _thaw(lab, finding.component)
        acts = _acts(lab, finding)
        try:
            for act in acts:
                require_wanted(paths)
                act()
        except BaseException as error:
            if finding.repair is Repair.RESTART and of_a_signal(error):
                left = f"the repair was abandoned, and {finding.component} may be missing: make up NAME={stack} starts it"
                begun_despite_signals(partial(_start_all_the_same, paths, acts[-1]), left)
            raise
        return _wait(lab, finding.component, clock)


def _start_all_the_same(paths: StackPaths, start: Callable[[], object]) -> None:
    """Start what a repair that was interrupted has ended, or is about to: frozen it was there, and now it would be missing."""
    with finished_despite_signals():
        if still_wanted(paths):
            start()


def _acts(lab: Lab, finding: Finding) -> list[Callable[[], object]]:
    stack, component = lab.paths.name, finding.component
    restart = finding.repair is Repair.RESTART
    service = lab.stack.find(component)
    if service is not None:
        ending: list[Callable[[], object]] = [lambda: lab.runtime.stop(service)] if restart else []
        return [*ending, lambda: lab.runtime.start(service)]
    if component == SUPERVISOR:
        return _everything_supervised(lab)
    ending = [lambda: lab.supervisor.remove(component)] if restart else []
    return [*ending, lambda: _launch(stack, component)]


def _everything_supervised(lab: Lab) -> list[Callable[[], object]]:
    """Return the repair of a dead supervisord: its orphaned programs are ended and started again under a new one."""
    stack = lab.paths.name

    def service(name: str) -> None:
        start_service(stack, name)
        wait_for_service(stack, name)

    return [
        lambda: end_orphans(lab),
        lambda: start_supervisor(stack),
        *[lambda name=each.name: service(name) for each in lab.stack.services],
        *[lambda name=name: _launch(stack, name) for name in programs_of(lab)],
    ]


def _launch(stack: str, program: str) -> None:
    if program == STREAM:
        submit_stream(stack)
    elif kind_of(program) == PRODUCER:
        launch_producer(stack)
    else:
        launch_page(stack)


def _thaw(lab: Lab, component: str) -> None:
    """Resume a frozen process, so that it can end cleanly instead of being killed."""
    for process in stack_processes(lab.paths.stack_id, component):
        with suppress(psutil.NoSuchProcess):
            process.resume()


def _wait(lab: Lab, component: str, clock: Clock) -> str:
    """Wait until ``component`` and whatever was started again with it is well; returns the component's evidence."""
    looks = looks_of(lab)
    deadline = clock.monotonic() + RECOVERY_SECONDS
    evidence = []
    for name in _brought_back_with(lab, component):
        while (finding := looks[name]()).verdict is not Verdict.HEALTHY:
            require_wanted(lab.paths)
            if clock.monotonic() > deadline:
                which = "" if name == component else f"{name} "
                cause = f"{component} was repaired and {which}is not well after {RECOVERY_SECONDS:.0f} s"
                raise NotReady(cause, finding.evidence, finding.next_command)
            clock.sleep(POLL_SECONDS)
        evidence.append(finding.evidence)
    return evidence[0]


def _brought_back_with(lab: Lab, component: str) -> list[str]:
    """Return the components that the repair of ``component`` starts again, itself first."""
    if component != SUPERVISOR:
        return [component]
    return [SUPERVISOR, *[each.name for each in lab.stack.services], *programs_of(lab)]


def repair_component(stack: str, finding: Finding) -> str:
    """Bring one component back. One attempt per check, because each counts against the budget."""
    return repair(stack, finding)
