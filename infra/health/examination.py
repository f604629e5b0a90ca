"""Examines every component of a stack in parallel: supervisor, services, cluster, topic, programs, freshness, machine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from infra.docker.compose_stack import ComposeStack, compose_ladder
from infra.health.freshness import FRESHNESS, freshness
from infra.health.verdicts import Finding, Repair, Verdict, block, down
from infra.host.clock import Clock, SystemClock, seconds_since
from infra.kafka.client import BrokerClient
from infra.kafka.readiness import ANSWER_SECONDS, Rung, climb, cluster_ladder, require_running, require_serving, topic_ladder
from infra.kafka.versions import warning
from infra.lab.assembly import Lab, open_lab
from infra.lab.own_access import require_valid
from infra.lab.prerequisites import check_disk, check_memory
from infra.operations.page import page_ladder
from infra.operations.producer import producer_ladder, wanted_producers
from infra.operations.stream import stream_ladder
from infra.stack.declaration import Service, ServiceKind
from infra.stack.runtime import SUPERVISOR, ServiceState
from infra.supervision.programs import PAGE, PRODUCER, STREAM, kind_of
from trending.errors import LabError, NotReady, PrerequisiteMissing, endings_passed_on

if TYPE_CHECKING:
    from collections.abc import Callable

LOOKS = 3
PAUSE_SECONDS = 2.0
"""A component counts as down after three looks in a row, so that Docker or supervisord has time to restart it first."""
CLUSTER = "cluster"
CERTIFICATES = "certificates"
TOPIC = "topic"
SERVICE_STARTING_SECONDS = 20.0
STARTING_SECONDS = {PRODUCER: 20.0, STREAM: 90.0, PAGE: 20.0}
"""Program → how long it may take to start."""
DISK_MB = 500
MEMORY_MB = 300
WORKERS = 12


def ladders(lab: Lab) -> dict[str, Callable[[Lab], list[Rung]]]:
    """Return program → the rungs that it must reach, but for the page."""
    return {**{name: partial(producer_ladder, name=name) for name in wanted_producers(lab)}, STREAM: stream_ladder}


def needs(lab: Lab) -> dict[str, tuple[str, ...]]:
    """Return component → the components that it depends on."""
    brokers = tuple(service.name for service in lab.stack.brokers)
    return {
        **{service.name: (lab.runtime.foundation, *service.depends_on) for service in lab.stack.services},
        CLUSTER: brokers,
        TOPIC: (CLUSTER,),
        **dict.fromkeys(ladders(lab), (SUPERVISOR, TOPIC)),
        PAGE: (SUPERVISOR,),
        FRESHNESS: (STREAM, TOPIC),
    }


def examine(lab: Lab, clock: Clock | None = None) -> list[Finding]:
    """Return a finding for each component; one that another component blocks is marked. Takes as long as the slowest look."""
    clock = clock or SystemClock()
    looks = [partial(look_again, partial(_look_safely, component, look), clock) for component, look in looks_of(lab).items()]
    with ThreadPoolExecutor(WORKERS) as pool:
        findings = list(pool.map(lambda look: look(), looks))
    return block(findings, needs(lab))


def looks_of(lab: Lab) -> dict[str, Callable[[], Finding]]:
    """Return component → one look at it."""
    return {
        **{name: partial(_checked, name, check) for name, check in lab.runtime.checks().items()},
        SUPERVISOR: partial(_supervisor, lab),
        **{service.name: partial(_service, lab, service) for service in lab.stack.services},
        **({CERTIFICATES: partial(_certificates, lab)} if lab.settings.stack.secure else {}),
        CLUSTER: partial(_climbed, CLUSTER, cluster_ladder(lab.stack)),
        TOPIC: partial(_climbed, TOPIC, topic_ladder(lab.stack.connection, lab.settings.stack.topic)),
        **{name: partial(_program, lab, name, ladder(lab)) for name, ladder in ladders(lab).items() if name in programs_of(lab)},
        **({PAGE: partial(_program, lab, PAGE, page_ladder(lab))} if PAGE in programs_of(lab) else {}),
        **({FRESHNESS: partial(freshness, lab, STARTING_SECONDS[STREAM])} if STREAM in programs_of(lab) else {}),
        "disk": partial(_machine, "disk", lambda: check_disk(DISK_MB)),
        "memory": partial(_machine, "memory", lambda: check_memory(MEMORY_MB)),
        "versions": partial(_versions, lab),
    }


def programs_of(lab: Lab) -> tuple[str, ...]:
    """Return the programs that should run, in the order of their start."""
    pages = (PAGE,) if lab.settings.page.page_port else ()
    return tuple(name for name in (*wanted_producers(lab), STREAM, *pages) if kind_of(name) not in lab.state.resting)


def look_again(look: Callable[[], Finding], clock: Clock) -> Finding:
    """Look until the component is well, at most three times, and return the last finding."""
    finding = look()
    for _again in range(LOOKS - 1):
        if finding.verdict is not Verdict.UNHEALTHY:
            break
        clock.sleep(PAUSE_SECONDS)
        finding = look()
    return finding


def _look_safely(component: str, look: Callable[[], Finding]) -> Finding:
    """Return the look's finding. An error becomes a finding too, so that it does not cost the others theirs."""
    try:
        with endings_passed_on():
            return look()
    except LabError as error:
        return down(component, error)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told with its component
        evidence = f"it could not be looked at: {type(error).__name__}: {error}"
        return Finding(component, Verdict.UNHEALTHY, evidence, "make status")


def _climbed(component: str, rungs: list[Rung]) -> Finding:
    try:
        evidence = climb(rungs, 0.0, SystemClock())
    except LabError as error:
        return down(component, error)
    words = list(evidence.values())
    fresh = [each for place, each in enumerate(words) if not any(each in earlier for earlier in words[:place])]
    return Finding(component, Verdict.HEALTHY, "; ".join(fresh))


def _checked(component: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(component, Verdict.HEALTHY, check())
    except LabError as error:
        return down(component, error)


def _supervisor(lab: Lab) -> Finding:
    try:
        answers = lab.supervisor.require_reachable()
    except LabError as error:
        return down(SUPERVISOR, error)  # no repair: starting another one would end programs that may be well
    if answers:
        return Finding(SUPERVISOR, Verdict.HEALTHY, "answers")
    return Finding(SUPERVISOR, Verdict.UNHEALTHY, f"no supervisord of {lab.paths.stack_id} runs", "make up", Repair.START)


def _service(lab: Lab, service: Service) -> Finding:
    try:
        observed = lab.runtime.observe(service)
        evidence = require_running(lab.runtime, service)
    except LabError as error:
        return down(service.name, error, Repair.START if error.retriable else Repair.NONE)
    try:
        answer = _answer(lab, service)
    except NotReady as error:
        age = seconds_since(observed.started_at or 0.0)
        if observed.state is ServiceState.RUNNING and age < SERVICE_STARTING_SECONDS:
            return Finding(service.name, Verdict.WARNING, f"starting for {age:.0f} s: {error.cause}", "make status")
        return down(service.name, error, Repair.RESTART)
    return Finding(service.name, Verdict.HEALTHY, f"{evidence}; {answer}")


def _answer(lab: Lab, service: Service) -> str:
    if service.kind is ServiceKind.ZOOKEEPER:
        return require_serving(service.ports[0])
    alone = replace(lab.stack.connection, bootstrap=f"localhost:{service.ports[0]}")
    view = BrokerClient(alone).cluster(ANSWER_SECONDS)
    return f"answers for cluster {view.cluster_id}"


def _program(lab: Lab, name: str, rungs: list[Rung]) -> Finding:
    try:
        evidence = climb(rungs, 0.0, SystemClock())
    except LabError as error:
        status = lab.supervisor.status(name)
        if status is None:
            return down(name, error, Repair.START)
        if not status.alive:
            final = status.state == "EXITED" and not status.comes_back
            return down(name, error, Repair.NONE if final else Repair.START)
        age = seconds_since(status.started)
        if age < STARTING_SECONDS[kind_of(name)]:
            return Finding(name, Verdict.WARNING, f"starting for {age:.0f} s: {error.cause}", "make status")
        return down(name, error, Repair.RESTART)
    return Finding(name, Verdict.HEALTHY, "; ".join(evidence.values()))


def _certificates(lab: Lab) -> Finding:
    try:
        until, renewed_soon = require_valid(lab)
    except LabError as error:
        return down(CERTIFICATES, error)
    if renewed_soon:
        return Finding(CERTIFICATES, Verdict.WARNING, until, "make up renews them")
    return Finding(CERTIFICATES, Verdict.HEALTHY, until)


def _machine(component: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(component, Verdict.HEALTHY, check())
    except PrerequisiteMissing as error:
        return Finding(component, Verdict.WARNING, f"{error.cause}, {error.evidence}", error.next_command)


def _versions(lab: Lab) -> Finding:
    try:
        version = lab.runtime.kafka_version()
    except LabError as error:
        return down("versions", error)
    if evidence := warning(version):
        return Finding("versions", Verdict.WARNING, evidence, "make up PROFILE=kraft NAME=another", version=version)
    words = f"Kafka {version}, no known hole" if version else "the brokers do not tell their version, so no hole can be named"
    return Finding("versions", Verdict.HEALTHY, words, version=version)


def examine_compose(stack: ComposeStack, clock: Clock | None = None) -> list[Finding]:
    """Return a finding for each container of a stack that Compose brought up; the lab repairs none of them."""
    clock = clock or SystemClock()
    looks = [partial(look_again, partial(_climbed, each.name, compose_ladder(stack, each)), clock) for each in stack.services]
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(lambda look: look(), looks))


def examine_components(stack: str) -> list[Finding]:
    """Examine every component in parallel."""
    return examine(open_lab(stack))


def examine_compose_services(stack: ComposeStack) -> list[Finding]:
    """Examine every container of a Compose project in parallel."""
    return examine_compose(stack)
