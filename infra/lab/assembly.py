"""A stack with everything needed to work on it, assembled from its recorded state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.console.reporting import say
from infra.host.paths import StackPaths
from infra.host.processes import (
    STACK_VARIABLE,
    another_page_port,
    end_processes,
    of_this_command,
    port_owner,
    require_ended,
    stack_processes,
)
from infra.kafka.cluster_id import new_cluster_id, ways_past
from infra.lab.checkpoints import delete_checkpoints
from infra.lab.deletion import delete_directory, forget_access
from infra.lab.remains import remains_of, words_of_copy
from infra.lab.runtime_factory import engine_in_use, kinds_within_reach, open_runtime, other_kinds, resolve_runtime, strays
from infra.lab.store import delete_store
from infra.stack.claim import claimed_here, require_unclaimed
from infra.stack.kept_blocks import forget_blocks
from infra.stack.profiles import declare
from infra.stack.runtime import ServiceState, taken
from infra.stack.state import StackState, Wanted, read_state, write_state
from infra.supervision.programs import PAGE
from infra.supervision.supervisor import Supervisor
from trending.access.kept import AccessFile, kept_access
from trending.errors import ConfigurationConflict, InvalidInput, LabError, NotOurs, StackAbsent
from trending.kafka.connection import KafkaConnection
from trending.settings import LabSettings, ProfileName, StackSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from psutil import Process

    from infra.docker.marks import DockerMarks
    from infra.stack.declaration import Stack
    from infra.stack.runtime import Runtime
    from trending.access.kept import Access

END_SECONDS = 5.0


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

    @property
    def access(self) -> AccessFile | None:
        """Where programs find what lets them into Kafka; None for brokers that ask nobody."""
        kept = _kept(self.state, self.paths)
        return AccessFile(path=self.paths.access, version=kept.version) if kept else None


def _kept(state: StackState, paths: StackPaths) -> Access | None:
    """Return what lets the stack's clients in; None for open brokers, whatever is left of a time when they were secure."""
    asks = state.settings.stack.secure or state.settings.access.bootstrap
    return kept_access(paths.access) if asks else None


def assemble(state: StackState, show: Callable[[str], None] = _silent) -> Lab:
    """Return the lab for a recorded state."""
    paths = StackPaths.of(state.settings.stack.name)
    supervisor = Supervisor(paths.run, paths.stack_id, f"make down NAME={paths.name}")
    kept = _kept(state, paths)
    connection = KafkaConnection(state.settings.bootstrap, kept.revealed if kept else {})
    version, probe = kept.version if kept else "", state.settings.access.probe_topic
    stack = declare(state.settings.stack, state.runtime, paths, state.cluster_id, connection, probe_topic=probe, access=version)
    return Lab(state, paths, supervisor, stack, open_runtime(state, stack, paths, supervisor, show))


def open_lab(name: str, show: Callable[[str], None] = _silent) -> Lab:
    """Return the lab of the stack ``name``; raises StackAbsent if there is none."""
    state = read_state(StackPaths.of(name))
    if state is None:
        cause = f"there is no stack {name}"
        raise StackAbsent(cause, str(StackPaths.of(name).state), f"make up NAME={name}")
    return assemble(state, show)


def record(settings: LabSettings, show: Callable[[str], None] = _silent, seen: DockerMarks | None = None) -> tuple[Lab, str]:
    """Record that the stack is wanted up with these settings and return it, with a word on its runtime.

    A stack that has data keeps its runtime and cluster id, also where its state file is lost: what exists is read from the
    machine before anything is recorded. ``seen`` is what Docker was seen to have of it before this run began.
    Raises ConfigurationConflict when asked for another runtime or profile, EngineUnavailable where the engine answers only now,
    StackBusy for a name that a demo has for itself, NotOurs where a demo's own turns out to have data.
    """
    paths = StackPaths.of(settings.stack.name)
    require_unclaimed(paths)
    earlier = read_state(paths)
    if earlier is None:
        runtime, why = resolve_runtime(settings.stack, paths, seen)
        state = StackState(wanted=Wanted.UP, runtime=runtime, cluster_id="", settings=settings)
        kept = assemble(state, show).runtime.kept_data()
        if kept.places:
            if claimed_here(paths):  # a demo's, which deletes its stack's data at the end
                cause = f"the name {paths.name} was found free, and has data: an engine that was silent then answers now"
                raise NotOurs(cause, ", ".join(kept.places), "the same command once more, which takes another name")
            of = f"of cluster {kept.cluster_id} " if kept.cluster_id else ""
            show(f"stack {paths.name} has data {of}that no state file remembers: it is adopted ({', '.join(kept.places)})")
        first = kept.cluster_id or _first_cluster_id(settings)
        state = state.model_copy(update={"cluster_id": first, "adopted": bool(kept.places), "engine": engine_in_use(runtime)})
    else:
        runtime, why = earlier.runtime, "as recorded for this stack"
        if not settings.stack.takes(runtime):
            cause = f"the stack {settings.stack.name} exists in the {runtime} runtime"
            raise ConfigurationConflict(
                cause, settings.stack.asked_for, f"RUNTIME={runtime} keeps it; or {ways_past(settings.stack.name)}"
            )
        if settings.stack.profile is not earlier.settings.stack.profile:
            cause = f"the stack {settings.stack.name} has data of the profile {earlier.settings.stack.profile}"
            raise ConfigurationConflict(
                cause,
                f"asked for {settings.stack.profile}",
                f"PROFILE={earlier.settings.stack.profile} keeps it; or {ways_past(settings.stack.name)}",
            )
        made_at = earlier.engine or engine_in_use(runtime)
        state = earlier.model_copy(update={"wanted": Wanted.UP, "settings": settings, "engine": made_at})
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


def note_topics(lab: Lab, made: Mapping[str, str]) -> None:
    """Record topics (name → id) that this stack has made in a cluster that is not its own, so that it may delete them."""
    state = read_state(lab.paths) or lab.state
    write_state(lab.paths, state.model_copy(update={"topics_made": {**state.topics_made, **made}}))


def _first_cluster_id(settings: LabSettings) -> str:
    # With ZooKeeper the cluster chooses its own id at its first start, and an external one has it; it is recorded then.
    named = settings.stack.profile is ProfileName.ZOOKEEPER or settings.stack.external
    return "" if named else new_cluster_id()


def require_ports(lab: Lab) -> None:
    """Raise PortTaken for the first port that another process has and that a service not yet running needs."""
    for service in lab.stack.services:
        if lab.runtime.observe(service).state is not ServiceState.RUNNING:
            require_free(lab.stack.name, service.ports)


def require_free(stack: str, ports: Iterable[int], *, page: bool = False) -> None:
    """Raise PortTaken for the first port that a process has; port 0 is none. ``page`` says that it would be the page's."""
    for port in ports:
        owner = port_owner(port) if port else None
        if owner is not None:
            raise taken(owner, stack, another_page_port() if page else "")


def require_page_port(lab: Lab) -> None:
    """Raise PortTaken if another process has the page's port, InvalidInput if one of the stack's services uses it."""
    port = lab.settings.page.page_port
    if not port:
        return
    require_port_of_its_own(port, lab.stack.ports)
    owner = port_owner(port)
    page = lab.supervisor.status(PAGE)
    if owner is not None and (page is None or owner.pid != page.pid):
        raise taken(owner, lab.stack.name, another_page_port())


def require_port_of_its_own(page_port: int, ports: tuple[int, ...]) -> None:
    """Raise InvalidInput if the page was given one of the services' ``ports``."""
    if page_port in ports:
        cause = f"page_port {page_port} is a port of the stack's services too"
        raise InvalidInput(cause, f"theirs are {ports}", "make up PAGE_PORT=8501")


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
    _sweep_strays(lab)
    if volumes:
        delete_checkpoints(lab)
        delete_store(lab)
        delete_directory(lab.paths)
    forget_blocks(lab.paths)  # last: they opened what was deleted


def _sweep_strays(lab: Lab) -> None:
    """Remove what carries the mark in the other runtime, but no data of it: the stack has been started there at some time."""
    remains = remains_of(lab.paths)
    for copy in remains.docker.copies:
        say(words_of_copy(lab.paths.name, copy))
    found = strays(lab.state.runtime, remains)
    for kind in other_kinds(lab.state.runtime, remains.unseen) if found else ():
        assemble(lab.state.model_copy(update={"runtime": kind})).runtime.destroy(volumes=False)
        say(f"removed what carried the mark of {lab.paths.name} in the {kind} runtime: {', '.join(map(str, found))}")


def sweep_machine(lab: Lab, *, volumes: bool) -> None:
    """Remove the stack from the machine, with ``volumes`` its data too; its state file stays.

    What lets it into Kafka goes last, because a topic that could not be deleted is tried again.
    """
    end_programs(lab)
    lab.runtime.destroy(volumes=volumes)
    forget_access(lab.paths)


def end_programs(lab: Lab) -> None:
    """End the stack's supervisord with its programs, and whatever process carries its mark."""
    lab.supervisor.shutdown()
    require_gone(lab, end_processes(stack_processes(lab.paths.stack_id), END_SECONDS))


def sweep_by_mark(name: str, *, volumes: bool, silence: str) -> None:
    """Take down a stack that has no readable state file, by its mark alone and whatever its runtime was.

    ``silence`` says why no Docker engine answers, in which case containers and volumes may be left; empty if one does.
    """
    paths = StackPaths.of(name)
    for kind in kinds_within_reach(silence):
        settings = LabSettings(stack=StackSettings(name=name))
        unknown = StackState(wanted=Wanted.DOWN, runtime=kind, cluster_id="", settings=settings)
        sweep_machine(assemble(unknown), volumes=volumes)
    if volumes:
        delete_directory(paths)


def require_gone(lab: Lab, survivors: Sequence[Process]) -> None:
    """Raise LabError if processes of the stack could not be ended."""
    if own := [each for each in survivors if each.pid in of_this_command()]:
        cause = f"this command was started with the variables that mark the programs of {lab.stack.name}, and would end itself"
        raise LabError(cause, str(own), f"once more from a shell without {STACK_VARIABLE} in its environment")
    require_ended(survivors, lab.stack.name, "make down once more")
