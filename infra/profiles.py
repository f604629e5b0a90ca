"""The profiles: ``kraft`` (Kafka 4, the default) and ``zookeeper`` (ZooKeeper + Kafka, as in SPEC.md section 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.stack import Service, ServiceKind, Stack
from trending.errors import ConfigurationConflict
from trending.settings import ProfileName, RuntimeKind, StackSettings

if TYPE_CHECKING:
    from infra.paths import StackPaths

KRAFT_IMAGE = "apache/kafka:4.4.0"
_CONTROLLER_SHIFT = 10
_INTERNAL_SHIFT = 20
"""A broker on port p talks to controllers on p + 10 and, where there are several, to other brokers on p + 20."""


def declare(settings: StackSettings, runtime: RuntimeKind, paths: StackPaths, cluster_id: str) -> Stack:
    """Return the stack's declaration; raises ConfigurationConflict for a combination that can't be."""
    if settings.profile is ProfileName.ZOOKEEPER and runtime is RuntimeKind.EMBEDDED:
        cause = "the zookeeper profile needs the docker runtime"
        raise ConfigurationConflict(cause, "runtime=embedded, profile=zookeeper", "make up PROFILE=kraft")
    brokers = tuple(_kraft_broker(settings, number) for number in range(1, settings.brokers + 1))
    return Stack(paths.stack_id, settings.name, cluster_id, settings.bootstrap, brokers)


def _kraft_broker(settings: StackSettings, number: int) -> Service:
    port = settings.port + number - 1
    controller, internal = port + _CONTROLLER_SHIFT, port + _INTERNAL_SHIFT
    voters = ",".join(f"{n}@127.0.0.1:{settings.port + n - 1 + _CONTROLLER_SHIFT}" for n in range(1, settings.brokers + 1))
    alone = settings.brokers == 1
    listeners = [f"PLAINTEXT://127.0.0.1:{port}", f"CONTROLLER://127.0.0.1:{controller}"]
    advertised = [f"PLAINTEXT://localhost:{port}"]
    if not alone:
        listeners.append(f"INTERNAL://127.0.0.1:{internal}")
        advertised.append(f"INTERNAL://127.0.0.1:{internal}")
    properties = {
        "process.roles": "broker,controller",
        "node.id": str(number),
        "controller.quorum.voters": voters,
        "controller.listener.names": "CONTROLLER",
        "listeners": ",".join(listeners),
        "advertised.listeners": ",".join(advertised),
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT" if alone else "INTERNAL",
        **common_properties(settings),
    }
    return Service(
        name="kafka" if number == 1 else f"kafka-{number}",
        kind=ServiceKind.KAFKA,
        node_id=number,
        image=KRAFT_IMAGE,
        properties=properties,
        ports=(port, controller) if alone else (port, controller, internal),
        heap_mb=settings.heap_mb,
    )


def common_properties(settings: StackSettings) -> dict[str, str]:
    """Return the broker properties that both profiles share; replication of internal topics follows the broker count."""
    replicas = str(min(3, settings.brokers))
    in_sync = "2" if settings.brokers >= 3 else "1"  # noqa: PLR2004 - two of three
    return {
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": replicas,
        "offsets.topic.num.partitions": "1",
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": "1",
        "min.insync.replicas": in_sync,
        "group.initial.rebalance.delay.ms": "0",
    }
