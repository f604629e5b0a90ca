"""A stack with everything needed to work on it, assembled from its recorded state."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.docker.compose_stack import compose_stack
from infra.docker.engine import ENGINE_REMEDY, engine, engine_answers
from infra.docker.marks import docker_marks
from infra.docker.runtime import DockerRuntime
from infra.docker.stand_ins import image_at_hand
from infra.embedded.runtime import EmbeddedRuntime, broker_directories
from infra.host.paths import StackPaths
from infra.host.processes import end_processes, port_owner, stack_processes
from infra.kafka.cluster_id import new_cluster_id, ways_past
from infra.lab.remains import LOOK_SECONDS
from infra.stack.profiles import declare, images_of
from infra.stack.runtime import ServiceState, taken
from infra.stack.state import StackState, Wanted, read_state, write_state
from infra.supervision.supervisor import Supervisor
from trending.errors import ConfigurationConflict, EngineUnavailable, InvalidInput, LabError, NotOurs, StackAbsent
from trending.settings import LabSettings, ProfileName, RuntimeKind, StackSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from infra.stack.declaration import Stack
    from infra.stack.runtime import Runtime

END_SECONDS = 5.0
PAGE = "page"
"""The one program that listens on a port."""


def _silent(_line: str) -> None:
    """Ignore the line."""


@dataclass(frozen=True)
class Lab:
    """A stack with its paths, supervisor and runtime. Cheap to build: make one where it is used, and pass names between tasks."""

    state: StackState
    paths: StackPaths
    supervisor: Supervisor
    stack: Stack
    runtime: Runtime

    @property
    def settings(self) -> LabSettings:
        """The settings that the stack was last started with."""
        return self.state.settings


def assemble(state: StackState, show: Callable[[str], None] = _silent) -> Lab:
    """Return the lab for a recorded state."""
    paths = StackPaths.of(state.settings.stack.name)
    supervisor = Supervisor(paths.run, paths.stack_id, f"make down NAME={paths.name}")
    stack = declare(state.settings.stack, state.runtime, paths, state.cluster_id)
    runtime: Runtime
    if state.runtime is RuntimeKind.DOCKER:
        runtime = DockerRuntime(stack, paths, show)
    else:
        runtime = EmbeddedRuntime(stack, paths, supervisor)
    return Lab(state, paths, supervisor, stack, runtime)


def open_lab(name: str, show: Callable[[str], None] = _silent) -> Lab:
    """Return the lab of the stack ``name``; raises StackAbsent if there is none."""
    state = read_state(StackPaths.of(name))
    if state is None:
        cause = f"there is no stack {name}"
        raise StackAbsent(cause, str(StackPaths.of(name).state), f"make up NAME={name}")
    return assemble(state, show)


def _runtime_of_data(settings: StackSettings, paths: StackPaths) -> tuple[RuntimeKind, str] | None:
    """Return the runtime that the stack's kept data belongs to, and the reason; None if no broker has data."""
    embedded = [str(place) for place in broker_directories(paths).values()]
    docker = [f"volume {name}" for name in docker_marks(paths.stack_id, LOOK_SECONDS).volumes]
    places = ", ".join(embedded + docker)
    if embedded and docker:
        cause = f"stack {paths.name} has data in both runtimes and no state file says which is in use"
        raise ConfigurationConflict(cause, places, ways_past(paths.name))
    if not places:
        return None
    kind = RuntimeKind.EMBEDDED if embedded else RuntimeKind.DOCKER
    if settings.runtime not in {RuntimeKind.AUTO, kind}:
        cause = f"stack {paths.name} has data of the {kind} runtime"
        remedy = f"make up NAME={paths.name} RUNTIME={kind}; or {ways_past(paths.name)}"
        raise ConfigurationConflict(cause, f"{places}; asked for {settings.runtime}", remedy)
    return kind, f"its data is there ({places})"


def choose_runtime(settings: StackSettings) -> tuple[RuntimeKind, str]:
    """Return the runtime for a stack that does not exist yet, and the reason."""
    if settings.runtime is RuntimeKind.DOCKER:
        # Checked before anything is recorded: if the engine does not answer, no stack comes into being.
        with engine():
            return settings.runtime, "as asked for"
    if settings.runtime is RuntimeKind.EMBEDDED:
        return settings.runtime, "as asked for"
    silence = engine_answers()
    if silence is not None:
        if settings.profile is ProfileName.ZOOKEEPER:
            raise EngineUnavailable(silence, "the zookeeper profile runs in containers only", ENGINE_REMEDY)
        return RuntimeKind.EMBEDDED, silence
    image = missing_image(settings)
    if image is not None and settings.profile is ProfileName.KRAFT:
        return RuntimeKind.EMBEDDED, f"a Docker engine answers, but {image} is not here (make images, or RUNTIME=docker)"
    return RuntimeKind.DOCKER, "a Docker engine answers"


def missing_image(settings: StackSettings) -> str | None:
    """Return the first image of the stack that is missing here and has no stand-in, or None."""
    with engine() as client:
        return next((image for image in images_of(settings) if image_at_hand(client, image) is None), None)


def record(settings: LabSettings, show: Callable[[str], None] = _silent, unseen: str = "") -> tuple[Lab, str]:
    """Record that the stack is wanted up with these settings; returns its lab and the reason for its runtime.

    A stack with data keeps its runtime and cluster id even if its state file is lost, because the machine is examined before
    anything is recorded. ``unseen`` says why Docker could not be asked for running containers when this run began.
    Raises ConfigurationConflict for another runtime than the existing one, EngineUnavailable if the engine answers only now.
    """
    paths = StackPaths.of(settings.stack.name)
    earlier = read_state(paths)
    if earlier is None:
        runtime, why = _runtime_of_data(settings.stack, paths) or choose_runtime(settings.stack)
        if unseen and runtime is RuntimeKind.DOCKER:
            # Existing containers could not be distinguished from those of this run, and the undo would end both.
            cause = "the Docker engine did not answer a moment ago, and does now"
            raise EngineUnavailable(cause, unseen, f"make up NAME={paths.name} once more")
        state = StackState(wanted=Wanted.UP, runtime=runtime, cluster_id="", settings=settings)
        kept = assemble(state, show).runtime.kept_data()
        if kept.places:
            of = f"of cluster {kept.cluster_id} " if kept.cluster_id else ""
            show(f"stack {paths.name} has data {of}that no state file remembers: it is adopted ({', '.join(kept.places)})")
        first = kept.cluster_id or _first_cluster_id(settings)
        state = state.model_copy(update={"cluster_id": first, "adopted": bool(kept.places)})
    else:
        runtime, why = earlier.runtime, "as recorded for this stack"
        if settings.stack.runtime not in {RuntimeKind.AUTO, runtime}:
            cause = f"the stack {settings.stack.name} exists in the {runtime} runtime"
            raise ConfigurationConflict(
                cause, f"asked for {settings.stack.runtime}", f"make down NAME={settings.stack.name} VOLUMES=1"
            )
        if settings.stack.profile is not earlier.settings.stack.profile:
            cause = f"the stack {settings.stack.name} has data of the profile {earlier.settings.stack.profile}"
            raise ConfigurationConflict(
                cause, f"asked for {settings.stack.profile}", f"make down NAME={settings.stack.name} VOLUMES=1"
            )
        state = earlier.model_copy(update={"wanted": Wanted.UP, "settings": settings})
    lab = assemble(state, show)
    write_state(paths, state)
    return lab, f"runtime {runtime}: {why}"


def want(lab: Lab, wanted: Wanted) -> None:
    """Record what is wanted of the stack from now on."""
    write_state(lab.paths, lab.state.model_copy(update={"wanted": wanted}))


def set_resting_programs(paths: StackPaths, programs: Iterable[str]) -> None:
    """Record the programs that are stopped on purpose, replacing earlier ones, so that a health check does not miss them."""
    state = read_state(paths)
    if state is not None:
        write_state(paths, state.model_copy(update={"resting": frozenset(programs)}))


def note_cluster(lab: Lab, cluster_id: str) -> None:
    """Record the id that the cluster chose for itself, so that its data can be recognised."""
    if not lab.state.cluster_id:
        write_state(lab.paths, lab.state.model_copy(update={"cluster_id": cluster_id}))


def _first_cluster_id(settings: LabSettings) -> str:
    # With ZooKeeper the cluster chooses its own id at its first start; it is recorded then.
    return "" if settings.stack.profile is ProfileName.ZOOKEEPER else new_cluster_id()


def require_no_compose_stack(lab: Lab) -> None:
    """Raise NotOurs if Docker Compose has a stack of this name, since the containers' names would collide."""
    if lab.state.runtime is not RuntimeKind.DOCKER:
        return
    compose = compose_stack(lab.stack.name)
    if compose is not None:
        cause = f"Docker Compose has a stack named {lab.stack.name}; it is left alone"
        evidence = ", ".join(f"{each.name} ({each.observed.detail})" for each in compose.services)
        raise NotOurs(cause, evidence, f"{compose.take_down_command}, or make up NAME=another PORT=19092")


def require_ports(lab: Lab) -> None:
    """Raise PortTaken for the first port that another process has and that a service not yet running needs."""
    for service in lab.stack.services:
        if lab.runtime.observe(service).state is ServiceState.RUNNING:
            continue
        for port in service.ports:
            owner = port_owner(port)
            if owner is not None:
                raise taken(owner, lab.stack.name)


def require_page_port(lab: Lab) -> None:
    """Raise PortTaken if another process has the page's port, InvalidInput if one of the stack's services uses it."""
    port = lab.settings.page.page_port
    if not port:
        return
    if port in lab.stack.ports:
        cause = f"page_port {port} is a port of the stack's services too"
        raise InvalidInput(cause, f"theirs are {lab.stack.ports}", "make up PAGE_PORT=8501")
    owner = port_owner(port)
    page = lab.supervisor.status(PAGE)
    if owner is not None and (page is None or owner.pid != page.pid):
        raise taken(owner, lab.stack.name, "PAGE_PORT=8502, or PAGE_PORT=0 for a stack without a page")


def end_orphans(lab: Lab) -> int:
    """End the stack's processes that no supervisord owns any more; returns their number.

    Raises SupervisorUnreachable if one lives but does not answer, because its programs are not orphans.
    """
    if lab.supervisor.require_reachable():
        return 0
    orphans = stack_processes(lab.paths.stack_id)
    require_gone(lab, end_processes(orphans, END_SECONDS))
    return len(orphans)


def end_unreachable(lab: Lab) -> None:
    """For a take-down, end what supervisord cannot: orphans, or a supervisord that does not answer and its programs."""
    if not lab.supervisor.running():
        lab.supervisor.shutdown()  # a frozen one is resumed and ends its programs in order
        require_gone(lab, end_processes(stack_processes(lab.paths.stack_id), END_SECONDS))


def sweep(lab: Lab, *, volumes: bool) -> None:
    """Remove everything: supervisord, stray processes, containers, networks; with ``volumes`` also data and state."""
    sweep_machine(lab, volumes=volumes)
    if volumes:
        shutil.rmtree(lab.paths.root, ignore_errors=True)
    else:
        want(lab, Wanted.DOWN)


def sweep_machine(lab: Lab, *, volumes: bool) -> None:
    """Remove the stack from the machine, with ``volumes`` its data too; its state file stays."""
    lab.supervisor.shutdown()
    require_gone(lab, end_processes(stack_processes(lab.paths.stack_id), END_SECONDS))
    lab.runtime.destroy(volumes=volumes)


def sweep_by_mark(name: str, *, volumes: bool) -> str:
    """Take down a stack that has no readable state file, by its mark alone and whatever its runtime was.

    Returns the reason why Docker could not be asked, in which case containers and volumes may be left; empty if it was.
    """
    paths = StackPaths.of(name)
    silence = engine_answers() or ""
    for kind in [RuntimeKind.EMBEDDED] if silence else [RuntimeKind.EMBEDDED, RuntimeKind.DOCKER]:
        settings = LabSettings(stack=StackSettings(name=name))
        unknown = StackState(wanted=Wanted.DOWN, runtime=kind, cluster_id="", settings=settings)
        sweep_machine(assemble(unknown), volumes=volumes)
    if volumes:
        shutil.rmtree(paths.root, ignore_errors=True)
    return silence


def require_gone(lab: Lab, survivors: Sequence[object]) -> None:
    """Raise LabError if processes of the stack could not be ended."""
    if survivors:
        cause = f"{len(survivors)} processes of {lab.stack.name} do not end"
        raise LabError(cause, str(survivors), "make down once more")
