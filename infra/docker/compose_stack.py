"""A stack that Docker Compose brought up: recognised by Compose's labels, examined, never changed.

Its ladder is that of our own stacks, except that no record is written and read back: we make no topic in a foreign cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.docker.labels import PROJECT_LABEL, SERVICE_LABEL, STACK_LABEL
from infra.docker.presence import nobody_listens
from infra.kafka.readiness import Rung, require_serving, watching_ladder
from infra.stack.declaration import ServiceKind
from infra.stack.runtime import Observation, ServiceState
from trending.errors import EngineUnavailable, NotOurs, NotReady, ServiceDied
from trending.kafka.connection import KafkaConnection

if TYPE_CHECKING:
    from docker.models.containers import Container

LOOK_SECONDS = 5
"""Seconds after which an engine counts as absent; a command that only looks does not wait longer."""


@dataclass(frozen=True)
class ComposeService:
    """One container of a Compose project. ``kind`` is None unless it is a broker or ZooKeeper; ``own_check`` is Docker's word."""

    name: str
    kind: ServiceKind | None
    ports: tuple[int, ...]
    observed: Observation
    own_check: str


@dataclass(frozen=True)
class ComposeStack:
    """A Compose project that has a Kafka broker."""

    project: str
    services: tuple[ComposeService, ...]

    @property
    def brokers(self) -> tuple[ComposeService, ...]:
        """The brokers that publish a port on this machine."""
        return tuple(each for each in self.services if each.kind is ServiceKind.KAFKA and each.ports)

    @property
    def connection(self) -> KafkaConnection:
        """How clients on this machine reach it."""
        return KafkaConnection(",".join(f"localhost:{broker.ports[0]}" for broker in self.brokers))

    @property
    def take_down_command(self) -> str:
        """The command with which the user can take it down; the lab never runs it."""
        return f"docker compose -p {self.project} down"


def compose_stack(project: str) -> ComposeStack | None:
    """Return the Compose project's stack; None if there is none or no engine answers."""
    if nobody_listens():
        return None
    from infra.docker.containers import observe_container  # noqa: PLC0415 - it imports the SDK
    from infra.docker.engine import engine  # noqa: PLC0415 - the same

    try:
        with engine(LOOK_SECONDS) as client:
            filters: dict[str, Any] = {"label": f"{PROJECT_LABEL}={project}"}
            containers = [each for each in client.containers.list(all=True, filters=filters) if STACK_LABEL not in each.labels]
            found = [_service(each, observe_container(client, each, each.labels[SERVICE_LABEL])) for each in containers]
    except EngineUnavailable:
        return None
    # ZooKeeper first, in the order of their start.
    services = tuple(sorted(found, key=lambda each: (each.kind is not ServiceKind.ZOOKEEPER, each.name)))
    return ComposeStack(project, services) if any(each.kind is ServiceKind.KAFKA for each in services) else None


def require_no_compose_stack(project: str) -> None:
    """Raise NotOurs where Docker Compose has a stack of that name."""
    theirs = compose_stack(project)
    if theirs is not None:
        cause = f"Docker Compose has a stack named {project}; it is left alone"
        evidence = ", ".join(f"{each.name} ({each.observed.detail})" for each in theirs.services)
        raise NotOurs(cause, evidence, f"{theirs.take_down_command}, or make up NAME=another PORT=19092")


def compose_ladder(stack: ComposeStack, service: ComposeService) -> list[Rung]:
    """Return the rungs of one service."""
    rungs = [Rung("running", lambda: _require_running(service)), Rung("own health check", lambda: _require_healthy(service))]
    if service.kind is ServiceKind.ZOOKEEPER and service.ports:
        rungs.append(Rung("serving", lambda: require_serving(service.ports[0])))
    if stack.brokers and service is stack.brokers[-1]:
        rungs += watching_ladder(stack.connection, len(stack.brokers))
    return rungs


def _service(container: Container, observed: Observation) -> ComposeService:
    bindings: dict[str, list[dict[str, str]] | None] = container.attrs["NetworkSettings"]["Ports"]
    ports = sorted({int(binding["HostPort"]) for each in bindings.values() for binding in each or []})
    own_check = (container.attrs["State"].get("Health") or {}).get("Status", "")
    return ComposeService(observed.name, _kind(observed.name), tuple(ports), observed, own_check)


def _kind(service: str) -> ServiceKind | None:
    return next((kind for kind in ServiceKind if service == kind or service.startswith(f"{kind}-")), None)


def _require_running(service: ComposeService) -> str:
    if service.observed.state is not ServiceState.RUNNING:
        cause = f"{service.name} is {service.observed.state}"
        raise ServiceDied(cause, service.observed.detail, f"docker logs {service.observed.detail.split(',', 1)[0]}")
    if service.observed.frozen:
        container = service.observed.detail.split(",", 1)[0]
        cause = f"{service.name} is paused"
        raise NotReady(cause, service.observed.detail, f"docker unpause {container}")
    return service.observed.detail


def _require_healthy(service: ComposeService) -> str:
    if service.own_check not in {"", "healthy"}:
        cause = f"the health check of {service.name} says {service.own_check}"
        raise NotReady(cause, service.observed.detail, f"docker inspect {service.observed.detail.split(',', 1)[0]}")
    return f"its own check: {service.own_check or 'none'}"
