"""The profiles: ``kraft`` (Kafka 4, the default) and ``zookeeper`` (ZooKeeper + Kafka, as in SPEC.md section 1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from infra.stack.declaration import Service, ServiceKind, Stack
from infra.stack.security import CLIENTS, CONTROLLER, INTERNAL, OPEN_PROTOCOLS, SECURE_PROTOCOLS, security_properties
from trending.access.settings import PROBE_TOPIC
from trending.errors import ConfigurationConflict
from trending.kafka.connection import KafkaConnection
from trending.kafka.open_transactions import LONGEST_SECONDS
from trending.settings import ProfileName, RuntimeKind, StackSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.host.paths import StackPaths

KRAFT_IMAGE = "apache/kafka:4.4.0"
KAFKA_IMAGE = "confluentinc/cp-kafka:7.4.4"
ZOOKEEPER_IMAGE = "confluentinc/cp-zookeeper:7.4.4"
CLEANER_BYTES = 4 * 2**20
"""Room for 150,000 keys, 24 bytes each. Kafka's own 128 MiB are taken at the start: no broker started with a heap of 192."""
ZOOKEEPER_HEAP_MB = 256
CONTROLLER_SHIFT = 10
INTERNAL_SHIFT = 20
"""A broker on port p uses p + 10 for controllers and, if there are several brokers, p + 20 for the others."""


STOP_SECONDS = 30
LAST_STOP_SECONDS = 10
"""Stop time of the last of several KRaft nodes: without a quorum it would wait five minutes for its controlled shutdown."""


@dataclass(frozen=True)
class Wiring:
    """How services reach each other: processes on loopback, containers by name on the stack's network."""

    runtime: RuntimeKind

    @property
    def containers(self) -> bool:
        """Whether the services are containers."""
        return self.runtime is RuntimeKind.DOCKER

    @property
    def bind(self) -> str:
        """Address that listeners bind; a container's ports are published on the host's loopback only."""
        return "0.0.0.0" if self.containers else "127.0.0.1"  # noqa: S104 - inside the container

    def peer(self, service: str) -> str:
        """Host under which another service reaches ``service``."""
        return service if self.containers else "127.0.0.1"

    def published(self, client: tuple[int, ...], private: tuple[int, ...]) -> tuple[int, ...]:
        """Ports that the service takes on the host: all of a process's, only the clients' of a container."""
        return client if self.containers else client + private


def declare(
    settings: StackSettings,
    runtime: RuntimeKind,
    paths: StackPaths,
    cluster_id: str,
    connection: KafkaConnection | None = None,
    probe_topic: str = PROBE_TOPIC,
    access: str = "",
) -> Stack:
    """Return the stack's declaration; raises ConfigurationConflict for an impossible combination.

    ``connection`` is how its clients reach the brokers, without more ado at their ports on this machine; ``access`` is the
    version of what lets them in. A stack on an external cluster has no services of its own.
    """
    connection = connection or KafkaConnection(settings.bootstrap)
    if runtime is RuntimeKind.EXTERNAL:
        return Stack(paths.stack_id, settings.name, cluster_id, connection, (), probe_topic)
    wiring = Wiring(runtime)
    if settings.profile is ProfileName.ZOOKEEPER:
        if not wiring.containers:
            cause = "the zookeeper profile needs the docker runtime"
            raise ConfigurationConflict(cause, "runtime=embedded, profile=zookeeper", "make up PROFILE=kraft")
        services: tuple[Service, ...] = (
            _zookeeper(settings),
            *(_zookeeper_broker(settings, number, wiring) for number in range(1, settings.brokers + 1)),
        )
    else:
        services = tuple(_kraft_broker(settings, number, wiring, cluster_id, access) for number in range(1, settings.brokers + 1))
    return Stack(paths.stack_id, settings.name, cluster_id, connection, services)


def client_ports(settings: StackSettings) -> tuple[int, ...]:
    """Return the ports that the services of a stack of these settings take; none where the brokers are not its own."""
    if settings.external:
        return ()
    of_zookeeper = (settings.zookeeper_port,) if settings.profile is ProfileName.ZOOKEEPER else ()
    return (*of_zookeeper, *range(settings.port, settings.port + settings.brokers))


def images_of(settings: StackSettings) -> tuple[str, ...]:
    """Return the images that a stack of these settings runs."""
    if settings.profile is ProfileName.ZOOKEEPER:
        return (settings.zookeeper_image or ZOOKEEPER_IMAGE, settings.kafka_image or KAFKA_IMAGE)
    return (settings.kafka_image or KRAFT_IMAGE,)


def broker_name(number: int) -> str:
    """Return the name of the broker ``number`` (from 1); the first has the contract's."""
    return "kafka" if number == 1 else f"kafka-{number}"


def broker_names(settings: StackSettings) -> tuple[str, ...]:
    """Return the names of all brokers of a stack of these settings."""
    return tuple(broker_name(number) for number in range(1, settings.brokers + 1))


def _kraft_broker(settings: StackSettings, number: int, wiring: Wiring, cluster_id: str, access: str) -> Service:
    controller = settings.port + number - 1 + CONTROLLER_SHIFT
    voters = ",".join(
        f"{n}@{wiring.peer(broker_name(n))}:{settings.port + n - 1 + CONTROLLER_SHIFT}" for n in range(1, settings.brokers + 1)
    )
    properties = {
        "process.roles": "broker,controller",
        "node.id": str(number),
        "controller.quorum.voters": voters,
        "controller.listener.names": CONTROLLER,
        **_listeners(settings, number, wiring, {CONTROLLER: controller}),
        **common_properties(settings),
        **(security_properties(broker_names(settings)) if settings.secure else {}),
    }
    image = settings.kafka_image or KRAFT_IMAGE
    broker = _broker(settings, number, wiring, image, properties, (controller,), {"CLUSTER_ID": cluster_id})
    return replace(broker, secure=True, access=access) if settings.secure else broker


def _zookeeper_broker(settings: StackSettings, number: int, wiring: Wiring) -> Service:
    properties = {
        "broker.id": str(number),
        "zookeeper.connect": f"zookeeper:{settings.zookeeper_port}",
        **_listeners(settings, number, wiring, {}),
        **common_properties(settings),
    }
    image = settings.kafka_image or KAFKA_IMAGE
    return _broker(settings, number, wiring, image, properties, (), {}, ("zookeeper",))


def _zookeeper(settings: StackSettings) -> Service:
    port = settings.zookeeper_port
    environment = {
        "ZOOKEEPER_CLIENT_PORT": str(port),
        "ZOOKEEPER_TICK_TIME": "2000",
        "KAFKA_HEAP_OPTS": f"-Xmx{ZOOKEEPER_HEAP_MB}M -Xms{ZOOKEEPER_HEAP_MB}M",
    }
    return Service(
        name="zookeeper",
        kind=ServiceKind.ZOOKEEPER,
        node_id=1,
        image=settings.zookeeper_image or ZOOKEEPER_IMAGE,
        properties={},
        ports=(port,),
        heap_mb=ZOOKEEPER_HEAP_MB,
        memory_mb=ZOOKEEPER_HEAP_MB * 2,
        environment=environment,
        volumes={"zookeeper-data": "/var/lib/zookeeper/data", "zookeeper-log": "/var/lib/zookeeper/log"},
        stop_seconds=STOP_SECONDS,
    )


def _broker(
    settings: StackSettings,
    number: int,
    wiring: Wiring,
    image: str,
    properties: Mapping[str, str],
    private_ports: tuple[int, ...],
    environment: Mapping[str, str],
    depends_on: tuple[str, ...] = (),
) -> Service:
    port = settings.port + number - 1
    internal = (port + INTERNAL_SHIFT,) if _among_brokers(settings) else ()
    heap = f"-Xmx{settings.heap_mb}M -Xms{settings.heap_mb}M"
    in_container = {**properties, "log.dirs": "/var/lib/kafka/data"}
    return Service(
        name=broker_name(number),
        kind=ServiceKind.KAFKA,
        node_id=number,
        image=image,
        properties=properties,
        ports=wiring.published((port,), (*private_ports, *internal)),
        heap_mb=settings.heap_mb,
        memory_mb=settings.heap_mb * 2,
        environment={**as_environment(in_container), "KAFKA_HEAP_OPTS": heap, **environment},
        volumes={f"{broker_name(number)}-data": "/var/lib/kafka/data"},
        stop_seconds=_stop_seconds(settings, number),
        depends_on=depends_on,
    )


def _stop_seconds(settings: StackSettings, number: int) -> int:
    # Services stop in reverse order, so the first broker is the last to stop. ZooKeeper outlives its brokers.
    last_of_several = number == 1 and settings.brokers > 1 and settings.profile is ProfileName.KRAFT
    return LAST_STOP_SECONDS if last_of_several else STOP_SECONDS


def as_environment(properties: Mapping[str, str]) -> dict[str, str]:
    """Return properties as variables for the public images: ``process.roles`` becomes ``KAFKA_PROCESS_ROLES``."""
    return {"KAFKA_" + name.upper().replace(".", "_"): value for name, value in properties.items()}


def _listeners(settings: StackSettings, number: int, wiring: Wiring, private: Mapping[str, int]) -> dict[str, str]:
    """Return the listener properties: one for host programs, INTERNAL for other brokers if there are any, or to be secure."""
    port = settings.port + number - 1
    clients = CLIENTS if settings.secure else "PLAINTEXT"
    listeners = {clients: port, **private}
    advertised = [f"{clients}://localhost:{port}"]
    if _among_brokers(settings):
        listeners[INTERNAL] = port + INTERNAL_SHIFT
        advertised.append(f"{INTERNAL}://{wiring.peer(broker_name(number))}:{port + INTERNAL_SHIFT}")
    protocols = SECURE_PROTOCOLS if settings.secure else OPEN_PROTOCOLS
    return {
        "listeners": ",".join(f"{name}://{wiring.bind}:{number_}" for name, number_ in listeners.items()),
        "advertised.listeners": ",".join(advertised),
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
        "inter.broker.listener.name": INTERNAL if _among_brokers(settings) else clients,
    }


def _among_brokers(settings: StackSettings) -> bool:
    """Whether brokers have a listener for each other: a secure one writes to itself there, with its certificate."""
    return settings.brokers > 1 or settings.secure


def common_properties(settings: StackSettings) -> dict[str, str]:
    """Return the broker properties that both profiles share; internal topics are replicated according to the broker count."""
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
        # Only Kafka's own topics are compacted here: consumer offsets, which have a few keys.
        "log.cleaner.dedupe.buffer.size": str(CLEANER_BYTES),
        # A transaction that its producer left open holds every reader; Kafka's own limit is 15 minutes.
        "transaction.max.timeout.ms": str(LONGEST_SECONDS * 1000),
    }
