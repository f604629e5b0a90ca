"""Operations on the stack's services: prepare, start, wait, stop, sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.console.reporting import say
from infra.docker.compose_stack import require_no_compose_stack
from infra.external.examination import Use, connection_of, examine_cluster
from infra.host.clock import SystemClock
from infra.host.paths import StackPaths, check_home
from infra.host.processes import stack_processes
from infra.host.secret_references import no_block
from infra.host.user import check_user
from infra.kafka.readiness import CLUSTER_ID, climb, service_ladder
from infra.kafka.versions import warning
from infra.lab.assembly import (
    assemble,
    end_orphans,
    end_unreachable,
    note_cluster,
    open_lab,
    record,
    require_free,
    require_page_port,
    require_port_of_its_own,
    require_ports,
    sweep,
    want,
)
from infra.lab.checkpoints import check_checkpoint, checkpoint_jars, note_checkpoint, root_of
from infra.lab.own_access import change_of_security, keep_own_access
from infra.lab.prerequisites import STARTING_DISK_MB, check_disk, check_java, check_memory
from infra.lab.remains import remains_of
from infra.lab.runtime_factory import require_runtime
from infra.lab.store import check_store, require_ledgers_kept
from infra.operations.producer import scenario_of
from infra.operations.stream import shown_group
from infra.operations.topic import check_topic, wanted_topics
from infra.stack.kept_blocks import in_blocks, keep_blocks, read_blocks
from infra.stack.profiles import client_ports
from infra.stack.runtime import Outcome
from infra.stack.state import busy, read_state
from infra.supervision.programs import STREAM
from trending.access.kept import keep_access
from trending.errors import ConfigurationConflict, PortTaken, StackAbsent
from trending.kafka.transactions import letters_id, redrive_id
from trending.settings import PageSettings, StackSettings, dead_letter_topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SecretStr

    from infra.docker.marks import DockerMarks
    from infra.lab.assembly import Lab
    from infra.stack.state import StackState, Wanted
    from trending.settings import LabSettings

READY_SECONDS = 60.0
QUORUM_READY_SECONDS = 120.0
"""The same for several brokers, whose JVMs start side by side and whose controllers elect a leader first. Three secure ones took
38 s on two cores at a load of 1, and more than 60 at a load of 13 (2026-11-30). One that dies is told at once.
"""


def check_machine(settings: StackSettings) -> None:
    """Raise for what can be seen before anything starts, a Prefect server included: home, its disk, user, Java, an engine."""
    check_home()
    check_user()
    check_disk(STARTING_DISK_MB)
    check_java()
    require_runtime(settings)


def check_access(settings: LabSettings) -> None:
    """Raise for what can be seen of an external cluster before anything starts; a secret in a Prefect block is read later."""
    access = settings.access
    if access.bootstrap and not access.kafka_secret.startswith("block:"):
        examine_cluster(access, connection_of(access), use_of(settings))


def use_of(settings: LabSettings) -> Use:
    """Return what a stack uses of an external cluster, without the ids of a job that runs: asking would fence it off."""
    name, topic = settings.stack.name, settings.stack.topic
    ids = () if _counts(name) else (letters_id(dead_letter_topic(topic)), redrive_id(topic))
    return Use(wanted_topics(settings), shown_group(name), ids)


def _counts(stack: str) -> bool:
    """Whether the stack's job runs now."""
    try:
        status = open_lab(stack).supervisor.status(STREAM)
    except StackAbsent:
        return False
    return status is not None and status.alive


def check_start(settings: LabSettings) -> None:
    """Raise for what can be seen of a start before anything is started: of the machine, ports that are taken, missing memory.

    A supervisord that does not answer is told here too. Nothing is recorded yet. A stack that another command works on, that a
    dead supervisor has left, or that has parts and no state file, is judged in preparation.
    """
    check_machine(settings.stack)
    scenario_of(settings)
    check_access(settings)
    require_port_of_its_own(settings.page.page_port, client_ports(settings.stack))
    paths = StackPaths.of(settings.stack.name)
    if busy(paths):
        return
    state = read_state(paths)
    _check_places(paths, settings, state)
    if state is not None:
        lab = assemble(state.model_copy(update={"settings": settings}))
        require_new_ports(settings)
        supervised = lab.supervisor.require_reachable()  # told at once: preparation, retries and the undo would ask a frozen one
        if not supervised and stack_processes(paths.stack_id):
            return  # its own programs, which a supervisor that died has left: preparation ends them, and then looks
        require_ports(lab)
        require_page_port(lab)
        if not supervised:
            check_memory()
    elif not remains_of(paths).things:
        try:
            require_free(settings.stack.name, client_ports(settings.stack))
            require_free(settings.stack.name, (settings.page.page_port,), page=True)
        except PortTaken:
            require_no_compose_stack(settings.stack.name)  # which may have the port, and says more
            raise
        check_memory()


def _check_places(paths: StackPaths, settings: LabSettings, earlier: StackState | None) -> None:
    """Raise LabError where counts or checkpoint cannot be where they are to be; what a Prefect block opens is looked at later."""
    if in_blocks(settings) or (earlier is not None and in_blocks(earlier.settings)):
        return
    if earlier is not None:
        require_ledgers_kept(paths, earlier, settings)
    check_store(paths, settings, earlier.cluster_id if earlier else "")
    check_checkpoint(paths, settings)


def require_new_ports(settings: LabSettings) -> None:
    """Raise PortTaken for a port that the recorded stack does not have yet and another process does.

    A service that runs has its own; it would be made anew at the other one, and what ran before be gone.
    """
    state = read_state(StackPaths.of(settings.stack.name))
    if state is not None:
        known = assemble(state).stack.ports
        wanted = assemble(state.model_copy(update={"settings": settings})).stack.ports
        require_free(settings.stack.name, [port for port in wanted if port not in known])


def check_own_start(settings: LabSettings) -> None:
    """Raise as ``check_start`` does, for a stack that gets a name of its own, and free ports where none was chosen."""
    check_machine(settings.stack)
    scenario_of(settings)
    check_access(settings)
    require_port_of_its_own(settings.page.page_port, client_ports(settings.stack))
    _check_places(StackPaths.of(settings.stack.name), settings, None)
    if settings.stack.port != StackSettings().port:
        require_free(settings.stack.name, client_ports(settings.stack))
    if settings.page.page_port != PageSettings().page_port:
        require_free(settings.stack.name, (settings.page.page_port,), page=True)
    check_memory()


def prepare_stack(
    settings: LabSettings, seen: DockerMarks | None = None, load_block: Callable[[str], SecretStr] = no_block
) -> str:
    """Check the prerequisites, record what is wanted, fetch what is missing; returns the runtime and why it was chosen.

    ``seen`` is what Docker had of the stack before the run began; if it is None, Docker is asked where that matters.
    ``load_block`` returns the value of a Prefect Secret block.
    """
    check_home()
    check_user()
    check_java()
    paths = StackPaths.of(settings.stack.name)
    earlier = read_state(paths)
    change = change_of_security(earlier, settings.stack)
    scenario_of(settings)
    check_topic(settings)
    require_new_ports(settings)
    blocks = read_blocks(settings, load_block)
    if earlier is not None:
        keep_blocks(paths, blocks, earlier.settings)
        require_ledgers_kept(paths, earlier, settings)
    lab, runtime = record(settings, say, seen)
    keep_blocks(paths, blocks, earlier.settings if earlier else None)
    if found := check_store(lab.paths, settings, lab.state.cluster_id):
        say(f"the counts go to {found}")
    if place := check_checkpoint(lab.paths, settings):
        say(f"the checkpoint goes to {place}")
    checkpoint_jars(root_of(lab.paths, settings))  # fetched before the job that runs is stopped
    note_checkpoint(lab)
    orphans = end_orphans(lab)
    if orphans:
        say(f"ended {orphans} processes that an earlier supervisor left behind")
    lab.runtime.require_no_namesake()
    require_ports(lab)
    require_page_port(lab)
    if not lab.supervisor.running():
        check_memory()
    lab.runtime.prepare()
    if change:
        say(change)
    renewed = keep_own_access(lab, say)
    if change or renewed:
        _stop_brokers(lab)
    return runtime


def _stop_brokers(lab: Lab) -> None:
    """Stop the brokers together: those that don't understand each other form no quorum, and without one none stops in order."""
    for service in reversed(lab.stack.brokers):
        lab.runtime.stop(service)


def enter_cluster(stack: str, load_block: Callable[[str], SecretStr]) -> str:
    """Keep what lets the stack's clients into its external cluster, and see that nothing is missing there.

    Returns who we are there. ``load_block`` returns the value of a Prefect Secret block. Raises AccessRefused or
    ConfigurationConflict with everything that is missing; nothing of the cluster is changed.
    """
    lab = open_lab(stack)
    connection = connection_of(lab.settings.access, load_block)
    cluster_id, who = examine_cluster(lab.settings.access, connection, use_of(lab.settings))
    known = lab.state.cluster_id
    if known and known != cluster_id:
        cause = f"another cluster answers at {connection.bootstrap} than the one on which stack {stack} has counted"
        ways = f"BOOTSTRAP of the cluster {known}; or make down NAME={stack} VOLUMES=1, which forgets what was counted there"
        raise ConfigurationConflict(cause, f"its id is {cluster_id}", ways)
    lab.paths.access.parent.mkdir(parents=True, exist_ok=True)
    keep_access(lab.paths.access, connection.settings)
    note_cluster(lab, cluster_id)
    return who


def start_supervisor(stack: str) -> Outcome:
    """Start the stack's supervisord, which owns its programs; returns what had to be done."""
    return Outcome.CREATED if open_lab(stack).supervisor.start() else Outcome.ADOPTED


def start_service(stack: str, service: str) -> Outcome:
    """Start one service of the stack; returns what had to be done."""
    lab = open_lab(stack)
    declared = lab.stack.service(service)
    return lab.runtime.start(declared)


def wait_for_service(stack: str, service: str) -> dict[str, str]:
    """Wait until the service is ready, by its ladder; returns the evidence of each rung. Known holes of the brokers are told."""
    lab = open_lab(stack)
    declared = lab.stack.service(service)
    seconds = QUORUM_READY_SECONDS if len(lab.stack.brokers) > 1 else READY_SECONDS
    evidence = climb(service_ladder(lab.runtime, lab.stack, declared), seconds, SystemClock(), say)
    if declared is lab.stack.brokers[-1]:
        note_cluster(lab, evidence[CLUSTER_ID])
        if known := warning(lab.runtime.kafka_version()):
            say(f"warning: {known}")
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
