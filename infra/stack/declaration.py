"""The declaration of a stack: which services, with what settings, in what order. Plain data, the same for every runtime."""

from __future__ import annotations

import json
from collections.abc import Mapping  # noqa: TC003 - dataclass fields are read at run time
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from infra.host.paths import short_hash
from trending.access.settings import PROBE_TOPIC
from trending.kafka.connection import KafkaConnection  # noqa: TC001 - dataclass fields are read at run time

DEFAULT_NAME = "trending"
"""The stack whose containers have the plain names of the contract (SPEC, section 1)."""


class ServiceKind(StrEnum):
    """The kind of a service, which decides how it is started and when it is ready."""

    KAFKA = "kafka"
    ZOOKEEPER = "zookeeper"


@dataclass(frozen=True)
class Service:
    """One broker or ZooKeeper node.

    ``properties`` are the server's own property names and values, ``environment`` the same for a container's image. ``ports``
    are published on 127.0.0.1, the same number inside and outside. ``memory_mb`` limits a container: the heap is at most half
    of it, the rest is for threads, buffers and the page cache. ``volumes`` are name → place in the container. Past
    ``stop_seconds`` a service that was asked to stop is killed.
    ``depends_on`` names services that must be *ready* first. ``secure`` is a broker that asks its clients who they are, and
    ``access`` the version of what lets them in: it changes with password and certificates and tells nothing of them.
    """

    name: str
    kind: ServiceKind
    node_id: int
    image: str
    properties: Mapping[str, str]
    ports: tuple[int, ...]
    heap_mb: int
    memory_mb: int
    environment: Mapping[str, str]
    volumes: Mapping[str, str]
    stop_seconds: int
    depends_on: tuple[str, ...] = ()
    secure: bool = False
    access: str = ""

    @property
    def config_hash(self) -> str:
        """A hash of the declaration. The running service carries it, so that drift can be detected."""
        return short_hash(json.dumps(asdict(self), sort_keys=True, default=str))


@dataclass(frozen=True)
class Stack:
    """The services of one stack in start order; ``connection`` is how programs on this machine reach its brokers."""

    stack_id: str
    name: str
    cluster_id: str
    connection: KafkaConnection
    services: tuple[Service, ...]
    probe_topic: str = PROBE_TOPIC

    @property
    def external(self) -> bool:
        """Whether the brokers are somebody else's, and are there already."""
        return not self.services

    @property
    def network(self) -> str:
        """Name of the stack's private network."""
        return f"{self.name}_default"

    def qualified(self, service: str) -> str:
        """Return a name that is unique across stacks: the contract's for the default stack, a prefixed one for others."""
        return service if self.name == DEFAULT_NAME else f"{self.name}-{service}"

    def find(self, name: str) -> Service | None:
        """Return the service of that name, or None if the name is not a service's."""
        return next((service for service in self.services if service.name == name), None)

    def service(self, name: str) -> Service:
        """Return the service of that name; raises KeyError if there is none."""
        found = self.find(name)
        if found is None:
            raise KeyError(name)
        return found

    @property
    def brokers(self) -> tuple[Service, ...]:
        """The Kafka brokers."""
        return tuple(service for service in self.services if service.kind is ServiceKind.KAFKA)

    @property
    def ports(self) -> tuple[int, ...]:
        """Every port of the stack."""
        return tuple(port for service in self.services for port in service.ports)


@dataclass(frozen=True)
class Program:
    """A long-running process under supervision."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    stop_seconds: int
    drift_hash: str
    """Hash of the declaration and specification; when it changes, the program must be restarted."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Variables of the environment that must not appear in a configuration file."""
