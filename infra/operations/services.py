"""Operations on the stack's services: prepare, start, wait, stop, sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.console.reporting import say
from infra.host.clock import SystemClock
from infra.host.user import check_user
from infra.kafka.readiness import climb, service_ladder
from infra.lab.assembly import (
    end_orphans,
    end_unreachable,
    note_cluster,
    open_lab,
    record,
    require_page_port,
    require_ports,
    sweep,
    want,
)
from infra.lab.prerequisites import check_java, check_memory
from infra.lab.runtime_factory import require_runtime
from infra.stack.runtime import Outcome

if TYPE_CHECKING:
    from infra.docker.marks import DockerMarks
    from infra.stack.state import Wanted
    from trending.settings import LabSettings, StackSettings

READY_SECONDS = 60.0


def check_machine(settings: StackSettings) -> None:
    """Raise for what can be seen before anything starts, a Prefect server included: user, Java, a wanted engine."""
    check_user()
    check_java()
    require_runtime(settings)


def prepare_stack(settings: LabSettings, seen: DockerMarks | None = None) -> str:
    """Check the prerequisites, record what is wanted, fetch what is missing; returns the runtime and why it was chosen.

    ``seen`` is what Docker had of the stack before the run began; if it is None, Docker is asked where that matters.
    """
    check_user()
    check_java()
    lab, runtime = record(settings, say, seen)
    orphans = end_orphans(lab)
    if orphans:
        say(f"ended {orphans} processes that an earlier supervisor left behind")
    lab.runtime.require_no_namesake()
    require_ports(lab)
    require_page_port(lab)
    if not lab.supervisor.running():
        check_memory()
    lab.runtime.prepare()
    return runtime


def start_supervisor(stack: str) -> Outcome:
    """Start the stack's supervisord, which owns its programs; returns what had to be done."""
    return Outcome.CREATED if open_lab(stack).supervisor.start() else Outcome.ADOPTED


def start_service(stack: str, service: str) -> Outcome:
    """Start one service of the stack; returns what had to be done."""
    lab = open_lab(stack)
    declared = lab.stack.service(service)
    return lab.runtime.start(declared)


def wait_for_service(stack: str, service: str) -> dict[str, str]:
    """Wait until the service is ready, by its ladder; returns the evidence of each rung."""
    lab = open_lab(stack)
    declared = lab.stack.service(service)
    evidence = climb(service_ladder(lab.runtime, lab.stack, declared), READY_SECONDS, SystemClock(), say)
    if declared is lab.stack.brokers[-1]:
        note_cluster(lab, evidence["cluster id"])
    return evidence


def stop_service(stack: str, service: str) -> None:
    """Stop one service and keep it and its data; if supervisord does not answer, end everything left of the stack."""
    lab = open_lab(stack)
    end_unreachable(lab)
    lab.runtime.stop(lab.stack.service(service))


def remove_service(stack: str, service: str) -> None:
    """Remove one service, keeping its data."""
    lab = open_lab(stack)
    lab.runtime.remove(lab.stack.service(service))


def sweep_stack(stack: str, *, volumes: bool) -> None:
    """End everything of the stack that still runs; with ``volumes`` delete its data too."""
    sweep(open_lab(stack), volumes=volumes)


def mark_wanted(stack: str, wanted: Wanted) -> None:
    """Record what is wanted of the stack."""
    want(open_lab(stack), wanted)
