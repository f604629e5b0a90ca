"""One stack at hand: its places, its supervisor, its declaration, its runtime, built from what is recorded."""

from __future__ import annotations

import base64
import shutil
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.embedded import EmbeddedRuntime
from infra.paths import StackPaths
from infra.processes import PortOwner, end_processes, port_owner, stack_processes
from infra.profiles import declare
from infra.runtime import ServiceState
from infra.state import StackState, Wanted, read_state, write_state
from infra.supervisor import Supervisor
from trending.errors import ConfigurationConflict, LabError, PortTaken, StackAbsent
from trending.settings import RuntimeKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.runtime import Runtime
    from infra.stack import Stack
    from trending.settings import LabSettings, StackSettings

END_SECONDS = 5.0


@dataclass(frozen=True)
class Lab:
    """A stack and the hands to work on it. Cheap to build; make one where it is used and pass names around."""

    state: StackState
    paths: StackPaths
    supervisor: Supervisor
    stack: Stack
    runtime: Runtime

    @property
    def settings(self) -> LabSettings:
        """The settings that the stack was last asked for."""
        return self.state.settings


def assemble(state: StackState) -> Lab:
    """Return the lab of a recorded state."""
    paths = StackPaths.of(state.settings.stack.name)
    supervisor = Supervisor(paths.run, paths.socket, paths.stack_id)
    stack = declare(state.settings.stack, state.runtime, paths, state.cluster_id)
    return Lab(state, paths, supervisor, stack, EmbeddedRuntime(stack, paths, supervisor))


def open_lab(name: str) -> Lab:
    """Return the stack ``name``; raises StackAbsent where there is none."""
    state = read_state(StackPaths.of(name))
    if state is None:
        cause = f"there is no stack {name}"
        raise StackAbsent(cause, str(StackPaths.of(name).state), f"make up NAME={name}")
    return assemble(state)


def choose_runtime(settings: StackSettings) -> tuple[RuntimeKind, str]:
    """Return the runtime for a stack that does not exist yet, and why."""
    if settings.runtime is RuntimeKind.AUTO:
        return RuntimeKind.EMBEDDED, "containers are not supported yet"
    return settings.runtime, "as asked for"


def record(settings: LabSettings) -> tuple[Lab, str]:
    """Record that the stack is wanted up with these settings and return it, with a word on its runtime.

    A stack that has data keeps its runtime and cluster id; raises ConfigurationConflict when asked for another runtime.
    """
    paths = StackPaths.of(settings.stack.name)
    known = read_state(paths)
    if known is None:
        runtime, why = choose_runtime(settings.stack)
        state = StackState(wanted=Wanted.UP, runtime=runtime, cluster_id=new_cluster_id(), settings=settings)
    else:
        runtime, why = known.runtime, "as recorded for this stack"
        if settings.stack.runtime not in {RuntimeKind.AUTO, runtime}:
            cause = f"the stack {settings.stack.name} exists in the {runtime} runtime"
            raise ConfigurationConflict(
                cause, f"asked for {settings.stack.runtime}", f"make down NAME={settings.stack.name} VOLUMES=1"
            )
        state = known.model_copy(update={"wanted": Wanted.UP, "settings": settings})
    lab = assemble(state)
    write_state(paths, state)
    return lab, f"runtime {runtime}: {why}"


def want(lab: Lab, wanted: Wanted) -> None:
    """Record what is wanted of the stack from now on."""
    write_state(lab.paths, lab.state.model_copy(update={"wanted": wanted}))


def new_cluster_id() -> str:
    """Return a new cluster id: 16 random bytes in URL-safe base64 without padding, as Kafka's Uuid has it."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode("ascii")


def require_ports(lab: Lab) -> None:
    """Raise PortTaken for the first port of a service that does not run and whose port somebody else has."""
    for service in lab.stack.services:
        if lab.runtime.observe(service).state is ServiceState.RUNNING:
            continue
        for port in service.ports:
            owner = port_owner(port)
            if owner is not None:
                raise taken(owner, lab.stack.name)


def taken(owner: PortOwner, name: str) -> PortTaken:
    """Return the error for a taken port, with the process's name and pid and a way out."""
    cause = f"port {owner.port} is taken by {owner.name}" + (f", pid {owner.pid}" if owner.pid else "")
    return PortTaken(cause, f"stack {name} needs 127.0.0.1:{owner.port}", "end that process, or make up PORT=19092")


def end_orphans(lab: Lab) -> int:
    """End processes of the stack that no supervisord owns any more; returns their number."""
    if lab.supervisor.running():
        return 0
    orphans = stack_processes(lab.paths.stack_id)
    require_gone(lab, end_processes(orphans, END_SECONDS))
    return len(orphans)


def sweep(lab: Lab, *, volumes: bool) -> None:
    """Leave nothing: supervisord, stray processes, socket, run directory; with ``volumes`` also data and state."""
    lab.supervisor.shutdown()
    require_gone(lab, end_processes(stack_processes(lab.paths.stack_id), END_SECONDS))
    lab.paths.socket.unlink(missing_ok=True)
    lab.runtime.destroy(volumes=volumes)
    if volumes:
        shutil.rmtree(lab.paths.root, ignore_errors=True)
    else:
        want(lab, Wanted.DOWN)


def require_gone(lab: Lab, survivors: Sequence[object]) -> None:
    """Raise LabError when processes of the stack could not be ended."""
    if survivors:
        cause = f"{len(survivors)} processes of {lab.stack.name} do not end"
        raise LabError(cause, str(survivors), "make down once more")
