"""What a runtime is: the small interface behind which a stack's services are containers or local processes."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from infra.host.marks import mark_of_process
from infra.host.processes import another_port
from trending.errors import LabError, PortTaken

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import psutil

    from infra.host.processes import PortOwner
    from infra.stack.declaration import Service
    from trending.settings import RuntimeKind


SUPERVISOR = "supervisor"
ENGINE = "engine"
"""Components of a stack on which services run."""


class ServiceState(StrEnum):
    """What a service is observed to be."""

    ABSENT = "absent"
    RUNNING = "running"
    STOPPED = "stopped"
    EXITED = "exited"
    GIVEN_UP = "given up"


class Outcome(StrEnum):
    """What ``start`` had to do."""

    ADOPTED = "adopted"
    CREATED = "created"
    RECREATED = "recreated"
    STARTED = "started"


@dataclass(frozen=True)
class Observation:
    """A service as the machine has it at this moment."""

    name: str
    state: ServiceState
    detail: str = ""
    exit_code: int | None = None
    memory_killed: bool = False
    drifted: bool = False
    started_at: float | None = None
    """When the present life began, seconds since the epoch; None where nothing runs."""
    comes_back: bool = False
    """It has just died, and whoever keeps it starts it again."""
    host_memory: bool | None = False
    """The kernel's OOM killer struck when it ended, outside any limit of its own; None where that cannot be known."""
    deaths: str = ""
    """Why nobody starts it any more, in words: the rule that it has used up."""
    frozen: bool = False
    """It runs and was stopped in the middle: a paused container, or a process after SIGSTOP."""


@dataclass(frozen=True)
class KeptData:
    """Data of a stack's brokers: where it lies, and the id of the cluster that it was made for; empty where it holds none yet."""

    places: tuple[str, ...]
    cluster_id: str


def taken(owner: PortOwner, stack: str, instead: str = "") -> PortTaken:
    """Return the error for a taken port: the process's name and pid, whose it is if it is a stack's, and a way out.

    ``instead`` is the option with another port, by default one that is free.
    """
    cause = f"port {owner.port} is taken by {owner.name}" + (f", pid {owner.pid}" if owner.pid else "")
    mark, remedy = mark_of_process(owner.pid) if owner.pid else None, "end that process"
    if mark is not None:
        # A process of a stack that is ended by hand is started again by its supervisor.
        cause += f", of {mark.called} in {mark.home}"
        way = "make server-stop" if "_" in mark.name else f"make down NAME={mark.name}"
        remedy = f"TRENDING_HOME={shlex.quote(mark.home)} {way} ends it"
    return PortTaken(cause, f"stack {stack} needs 127.0.0.1:{owner.port}", f"{remedy}, or make up {instead or another_port()}")


def unseen_process(service: Service, runtime: RuntimeKind) -> LabError:
    """Return the error for a service whose process is not on this machine, or not there at all."""
    cause = f"the process of {service.name} is not to be seen on this machine"
    return LabError(cause, f"runtime {runtime}", "make status")


class Sabotage(Protocol):
    """What a game day does to the services of a runtime. Every method raises LabError where there is nothing to do it to."""

    @property
    def keeper(self) -> str:
        """Who starts a service again that died."""
        ...

    @property
    def contained(self) -> bool:
        """Whether a service has a limit of memory of its own, and stays down when it was killed by hand."""
        ...

    def process(self, service: Service) -> psutil.Process:
        """Return the Java process of a service on this machine."""
        ...

    def pause(self, service: Service) -> None:
        """Freeze a service."""
        ...

    def resume(self, service: Service) -> None:
        """Undo ``pause``; fine where the service is not frozen any more."""
        ...

    def kill(self, service: Service) -> None:
        """Kill a service as a person does."""
        ...


class Runtime(Protocol):
    """Start, stop, remove, observe, logs: all that differs between containers and local processes."""

    @property
    def kind(self) -> RuntimeKind:
        """Which runtime this is."""
        ...

    @property
    def foundation(self) -> str:
        """The component without which no service can be well."""
        ...

    @property
    def sabotage(self) -> Sabotage:
        """What a game day does to the services."""
        ...

    def checks(self) -> Mapping[str, Callable[[], str]]:
        """Return component → check, for each component that a stack has in this runtime only.

        A check returns its evidence, or raises LabError.
        """
        ...

    def require_no_namesake(self) -> None:
        """Raise NotOurs where somebody else has services under the names that ours would have."""
        ...

    def prepare(self) -> None:
        """Have everything at hand that ``start`` needs, downloads included; changes nothing that runs."""
        ...

    def start(self, service: Service) -> Outcome:
        """Reconcile one service towards running: adopt what is right, recreate what drifted, refuse what is not ours."""
        ...

    def stop(self, service: Service) -> None:
        """Stop a service and keep it and its data; fine where it does not run."""
        ...

    def remove(self, service: Service) -> None:
        """Remove a service and keep its data; fine where there is none."""
        ...

    def observe(self, service: Service) -> Observation:
        """Return what the machine has."""
        ...

    def output(self, service: Service, lines: int) -> str:
        """Return the last lines of the service's output."""
        ...

    def image(self, service: Service) -> str:
        """Return the image that the service runs from; empty for a process of this machine."""
        ...

    def kafka_version(self) -> str:
        """Return the version of the brokers, or an empty string where it can't be told."""
        ...

    def data_place(self, service: Service) -> str:
        """Return where the service's data lies, in words that a person finds it by."""
        ...

    def kept_data(self) -> KeptData:
        """Return the data that this machine keeps of the stack's brokers, read without starting anything.

        Raises ConfigurationConflict where it can't tell its cluster or does not fit the declaration, NotOurs for a stranger's.
        """
        ...

    def destroy(self, *, volumes: bool) -> None:
        """Remove everything of the stack that the other operations leave; with ``volumes``, the data as well."""
        ...
