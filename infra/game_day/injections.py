"""Breaking parts of a stack on purpose: kill, freeze, starve. Only what carries the stack's mark is ever touched."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import psutil
from docker.errors import NotFound

from infra.docker.containers import STACK_LABEL
from infra.docker.engine import engine
from infra.supervision.control_socket import supervisords
from trending.errors import LabError, NotOurs
from trending.settings import RuntimeKind

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

    from infra.lab.assembly import Lab
    from infra.stack.declaration import Service


TOO_SMALL_HEAP_MB = 24
LIMIT_MB = 200
HEAP_ABOVE_LIMIT_MB = 400


def service_process(lab: Lab, service: Service) -> psutil.Process:
    """Return the Java process of a service on this machine, in either runtime; raises LabError where it is not to be seen."""
    if lab.runtime.kind is RuntimeKind.EMBEDDED:
        status = lab.supervisor.status(service.name)
        if status is not None and status.alive:
            return psutil.Process(status.pid)
    else:
        with engine() as client:
            pid = int(_container(client, lab, service).attrs["State"]["Pid"])
        try:
            init = psutil.Process(pid)
            family = [init, *init.children(recursive=True)]
        except psutil.NoSuchProcess:
            family = []
        for process in reversed(family):
            if process.name() == "java":
                return process
    cause = f"the process of {service.name} is not to be seen on this machine"
    raise LabError(cause, f"runtime {lab.runtime.kind}", "make status")


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


def freeze(process: psutil.Process) -> None:
    """Stop a process without ending it."""
    process.send_signal(signal.SIGSTOP)


def thaw(process: psutil.Process) -> None:
    """Let a stopped process go on; fine where it has ended."""
    if process.is_running():
        process.send_signal(signal.SIGCONT)


def pause_service(lab: Lab, service: Service) -> None:
    """Freeze a service: a container is paused, a process stopped."""
    if lab.runtime.kind is RuntimeKind.EMBEDDED:
        freeze(service_process(lab, service))
    else:
        with engine() as client:
            _container(client, lab, service).pause()


def unpause_service(lab: Lab, service: Service) -> None:
    """Undo pause_service; fine where it is not frozen any more."""
    if lab.runtime.kind is RuntimeKind.EMBEDDED:
        thaw(service_process(lab, service))
        return
    with engine() as client:
        container = _container(client, lab, service)
        if container.status == "paused":
            container.unpause()


def kill_container(lab: Lab, service: Service) -> None:
    """Kill a container as a person does, which Docker does not undo by itself."""
    with engine() as client:
        _container(client, lab, service).kill("SIGKILL")


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


def _container(client: DockerClient, lab: Lab, service: Service) -> Container:
    """Return the service's container; raises LabError where there is none, NotOurs for anybody else's of that name."""
    name = lab.stack.qualified(service.name)
    try:
        container = client.containers.get(name)
    except NotFound as error:
        cause = f"there is no container {name}"
        raise LabError(cause, str(error.explanation or error), "make status") from error
    if container.labels.get(STACK_LABEL) != lab.paths.stack_id:
        cause = f"the container {name} is not of {lab.stack.name}: it is left alone"
        raise NotOurs(cause, container.short_id, "make status")
    return container
