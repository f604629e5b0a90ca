"""Breaking parts of a stack on purpose: kill, freeze, starve. Only what carries the stack's mark is ever touched."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psutil

from infra.supervision.control_socket import supervisords
from trending.errors import LabError

if TYPE_CHECKING:
    from infra.lab.assembly import Lab
    from infra.stack.declaration import Service


TOO_SMALL_HEAP_MB = 24
LIMIT_MB = 200
HEAP_ABOVE_LIMIT_MB = 400


def program_process(lab: Lab, program: str) -> psutil.Process:
    """Return the process of a program; raises LabError where it does not run."""
    status = lab.supervisor.status(program)
    if status is None or not status.alive or not status.pid:
        cause = f"{program} does not run"
        raise LabError(cause, str(status), "make status")
    return psutil.Process(status.pid)


def jvm_of(process: psutil.Process) -> psutil.Process:
    """Return the JVM that a driver started; raises LabError where it has none."""
    for child in process.children(recursive=True):
        if child.name() == "java":
            return child
    cause = f"the driver {process.pid} has no JVM"
    raise LabError(cause, "", "make status")


def supervisord_process(lab: Lab) -> psutil.Process:
    """Return the stack's supervisord, the parent of its programs; raises LabError where there is none."""
    if found := supervisords(lab.paths.stack_id):
        return found[0]
    cause = "no supervisord of the stack is to be seen"
    raise LabError(cause, lab.paths.stack_id, "make status")


def exhaust_heap(lab: Lab, service: Service) -> None:
    """Start the service anew with a heap in which it can't live."""
    heap = f"-Xmx{TOO_SMALL_HEAP_MB}M -Xms{TOO_SMALL_HEAP_MB}M"
    _start_broken(lab, replace(service, heap_mb=TOO_SMALL_HEAP_MB, environment={**service.environment, "KAFKA_HEAP_OPTS": heap}))


def exceed_memory(lab: Lab, service: Service) -> None:
    """Start the container anew with a heap above its memory limit, so that the kernel kills it."""
    heap = f"-Xmx{HEAP_ABOVE_LIMIT_MB}M -Xms{HEAP_ABOVE_LIMIT_MB}M -XX:+AlwaysPreTouch"
    _start_broken(lab, replace(service, memory_mb=LIMIT_MB, environment={**service.environment, "KAFKA_HEAP_OPTS": heap}))


def _start_broken(lab: Lab, broken: Service) -> None:
    lab.runtime.remove(broken)
    lab.runtime.start(broken)
