"""The declaration of a stack: which services, with what settings, in what order. Plain data, the same for every runtime."""

from __future__ import annotations

import json
from collections.abc import Mapping  # noqa: TC003 - dataclass fields are read at run time
from dataclasses import asdict, dataclass
from enum import StrEnum

from infra.paths import short_hash


class ServiceKind(StrEnum):
    """What a service is; decides how it is started and when it is ready."""

    KAFKA = "kafka"
    ZOOKEEPER = "zookeeper"


@dataclass(frozen=True)
class Service:
    """One broker or ZooKeeper node.

    ``properties`` are the server's own property names and values; ``ports`` are published on 127.0.0.1, the same number inside
    and outside. ``depends_on`` names services that must be *ready* first.
    """

    name: str
    kind: ServiceKind
    node_id: int
    image: str
    properties: Mapping[str, str]
    ports: tuple[int, ...]
    heap_mb: int
    depends_on: tuple[str, ...] = ()

    @property
    def memory_mb(self) -> int:
        """Memory limit: the heap is at most half of it, the rest is for threads, buffers and the page cache."""
        return self.heap_mb * 2

    @property
    def config_hash(self) -> str:
        """Changes when anything in the declaration does; carried by what runs, to see drift."""
        return short_hash(json.dumps(asdict(self), sort_keys=True, default=str))


@dataclass(frozen=True)
class Stack:
    """The services of one stack in start order."""

    stack_id: str
    name: str
    cluster_id: str
    bootstrap: str
    services: tuple[Service, ...]

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
    """Changes when the program must be started anew: hash of its declaration and specification."""
