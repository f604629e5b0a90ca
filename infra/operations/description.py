"""The parts of a stack and their state, as plain lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.docker.compose_stack import ComposeService, ComposeStack, compose_ladder
from infra.host.clock import SystemClock
from infra.kafka.readiness import CLUSTER_ID, climb, cluster_ladder, service_ladder
from infra.lab.remains import SUPERVISORD, marked_processes, remains_of
from infra.lab.runtime_factory import strays
from infra.operations.page import page_ladder
from infra.operations.program_ladder import fresh_heartbeat
from infra.stack.runtime import ServiceState
from infra.stack.state import Wanted
from infra.supervision.programs import PAGE, kind_of, programs_there
from trending.errors import BudgetSpent, EngineUnavailable, LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from infra.docker.marks import DockerMarks
    from infra.kafka.readiness import Rung
    from infra.lab.assembly import Lab
    from infra.lab.remains import Remains
    from infra.stack.declaration import Service
    from infra.stack.runtime import Observation

UNSEEN = "unseen"
"""The state of a container whose engine can't be asked."""


@dataclass(frozen=True)
class Line:
    """One part of the stack. ``trouble`` is set if its state is not the wanted one."""

    name: str
    state: str
    health: str
    ports: str
    detail: str
    trouble: bool


def describe(lab: Lab, seen: DockerMarks | None = None) -> list[Line]:
    """Return a line for each service and program, and one for each orphaned process.

    ``seen`` is what Docker was just seen to have of the stack; where it is None, Docker is asked.
    """
    wanted_up = lab.state.wanted is Wanted.UP
    lines = [_service(lab, service, wanted_up=wanted_up) for service in lab.stack.services]
    lines += [_cluster(lab)] if lab.stack.external and wanted_up else []
    lines += [_program(lab, name, wanted_up=wanted_up) for name in programs_there(lab.paths)]
    return lines + _leftovers(lab, seen)


def describe_compose(stack: ComposeStack) -> list[Line]:
    """Return a line for each container of a stack that Docker Compose brought up; nothing is written to its broker."""
    return [_compose_service(stack, service) for service in stack.services]


def describe_remains(found: Remains) -> list[Line]:
    """Return a line for each remaining part and each place of data of a stack without a state file."""
    things = [Line(thing.component, "left over", "-", "", f"{thing.kind} {thing.detail}", trouble=True) for thing in found.things]
    return things + [Line("data", "kept", "-", "", place, trouble=False) for place in found.data]


def _cluster(lab: Lab) -> Line:
    """Return the line of the cluster that a stack works on and that is somebody else's; nothing is written there."""
    where = lab.stack.connection.bootstrap
    try:
        climb(cluster_ladder(lab.stack)[:-1], 0.0, SystemClock())
    except LabError as error:
        return Line("cluster", "external", "unhealthy", "", f"{where}; {error.cause}", trouble=True)
    return Line("cluster", "external", "healthy", "", where, trouble=False)


def _compose_service(stack: ComposeStack, service: ComposeService) -> Line:
    return _service_line(service.observed, service.ports, lambda: compose_ladder(stack, service), wanted_up=True)


def _service(lab: Lab, service: Service, *, wanted_up: bool) -> Line:
    try:
        observed = lab.runtime.observe(service)
    except EngineUnavailable as error:  # the rest is shown all the same
        return Line(service.name, UNSEEN, "-", ", ".join(map(str, service.ports)), told(error), trouble=True)
    return _service_line(observed, service.ports, lambda: service_ladder(lab.runtime, lab.stack, service), wanted_up=wanted_up)


def _service_line(observed: Observation, ports: Iterable[int], ladder: Callable[[], list[Rung]], *, wanted_up: bool) -> Line:
    shown = ", ".join(map(str, ports))
    if observed.state is not ServiceState.RUNNING:
        after = f"; given up after {observed.deaths}; make up gives it its budget back" if observed.deaths else ""
        return Line(observed.name, observed.state, "-", shown, observed.detail + after, wanted_up)
    try:
        evidence = climb(ladder(), 0.0, SystemClock())
    except LabError as error:
        return Line(observed.name, observed.state, "unhealthy", shown, told(error), trouble=True)
    words = [said for rung, said in evidence.items() if rung != CLUSTER_ID]  # the metadata names it too
    return Line(observed.name, observed.state, "healthy", shown, "; ".join(words), trouble=not wanted_up)


def _program(lab: Lab, name: str, *, wanted_up: bool) -> Line:
    status = lab.supervisor.status(name)
    port = lab.settings.page.page_port if name == PAGE else 0
    shown = str(port or "")
    if status is None:
        unwanted = (name == PAGE and not port) or kind_of(name) in lab.state.resting
        return Line(name, "absent", "-", shown, "not asked for" if unwanted else "", wanted_up and not unwanted)
    try:
        beat = fresh_heartbeat(lab, name)
        if name == PAGE:
            climb(page_ladder(lab), 0.0, SystemClock())
    except LabError as error:
        state = ServiceState.GIVEN_UP if isinstance(error, BudgetSpent) else status.state.lower()
        return Line(name, state, "unhealthy", shown, told(error), wanted_up)
    figures = ", ".join(f"{figure} {shown_figure(value)}" for figure, value in beat.figures.items() if not _is_time(figure))
    return Line(name, status.state.lower(), "healthy", shown, "; ".join(filter(None, (beat.phase, figures))), trouble=False)


def told(error: LabError) -> str:
    """Return the error for the table of ``make status``, which names no next command where that would be itself."""
    itself = error.next_command.startswith("make status")
    return str(LabError(error.cause, error.evidence)) if itself else str(error)


def shown_figure(value: float) -> str:
    """Return a figure of a heartbeat for people: a count in full, whatever its size, anything else to three digits."""
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.3g}"


def _is_time(figure: str) -> bool:
    """Whether the figure is a moment, in seconds since 1970, that tells a person nothing."""
    return figure.endswith(("_at", "_until")) or figure == "watermark"


def _leftovers(lab: Lab, seen: DockerMarks | None) -> list[Line]:
    if silent := lab.supervisor.unreachable():
        way = f"its programs are shown as the machine has them; make down NAME={lab.paths.name} ends it by its mark"
        return [Line(SUPERVISORD, "silent", "-", "", f"{silent}; {way}", trouble=True)]
    others = [
        Line(thing.component, "left over", "-", "", f"{thing.kind} {thing.detail}; make down ends it", trouble=True)
        for thing in strays(lab.state.runtime, remains_of(lab.paths, seen))
    ]
    if lab.supervisor.lives():
        return others
    return others + [
        Line(process.component, "left over", "-", "", f"{process.detail}; make down ends it", trouble=True)
        for process in marked_processes(lab.paths.stack_id)
    ]
