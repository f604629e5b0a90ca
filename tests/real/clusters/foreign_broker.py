"""A broker that is somebody else's: SASL_SSL and ACLs, one listener for each way to be refused."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka.admin import AdminClient
from real.clusters.guests import allow, allow_stack

from infra.embedded.runtime import broker_command, format_command, render_properties
from infra.host.clock import SystemClock
from infra.host.environment import built_environment
from infra.kafka.cluster_id import new_cluster_id
from infra.kafka.readiness import climb, watching_ladder
from trending.kafka.connection import KafkaConnection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from confluent_kafka.admin._acl import AclOperation
    from confluent_kafka.admin._resource import ResourceType
    from fakes.clusters.certificates import Authority

JAAS = "org.apache.kafka.common.security.plain.PlainLoginModule required"
PASSWORDS = {"admin": "canary-admin-41", "alice": "canary-alice-42"}


@dataclass(frozen=True)
class ForeignBroker:
    """Where it listens. Who comes in at ``inside`` may do everything, as whoever runs the cluster does."""

    port: int
    authority: Authority

    @property
    def secure(self) -> str:
        return f"localhost:{self.port}"

    @property
    def mutual(self) -> str:
        return f"localhost:{self.port + 1}"

    @property
    def expired(self) -> str:
        return f"localhost:{self.port + 2}"

    @property
    def misnamed(self) -> str:
        return f"localhost:{self.port + 3}"

    @property
    def misled(self) -> str:
        """It sends its clients to an address that nobody listens at."""
        return f"localhost:{self.port + 4}"

    @property
    def inside(self) -> KafkaConnection:
        return KafkaConnection(f"127.0.0.1:{self.port + 5}")

    def allow(self, kind: ResourceType, name: str, *operations: AclOperation, who: str = "alice") -> None:
        """Give somebody rights."""
        allow(self.inside, who, kind, name, *operations)

    def allow_stack(self, stack: str, topic: str, who: str = "alice") -> None:
        """Give somebody what a stack needs."""
        allow_stack(self.inside, who, stack, topic)

    def topics(self) -> set[str]:
        """Return the topics, but for those of Kafka's own: the first question about a group makes one."""
        found = AdminClient(self.inside.client()).list_topics(timeout=10).topics
        return {name for name in found if not name.startswith("__")}


@contextmanager
def foreign_broker(directory: Path, port: int, authority: Authority) -> Iterator[ForeignBroker]:
    """Start a broker of its own, without supervision and without the lab's mark, and kill it at the end."""
    listeners = {"SECURE": port, "MUTUAL": port + 1, "EXPIRED": port + 2, "MISNAMED": port + 3, "MISLED": port + 4}
    inside = {"INSIDE": port + 5, "CONTROLLER": port + 6}
    advertised = {**listeners, "MISLED": port + 9, "INSIDE": port + 5}
    protocols = {"MUTUAL": "SSL", "MISLED": "PLAINTEXT", "INSIDE": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}
    users = "".join(f' user_{name}="{password}"' for name, password in PASSWORDS.items())
    properties = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{port + 6}",
        "controller.listener.names": "CONTROLLER",
        "listeners": ",".join(f"{name}://127.0.0.1:{number}" for name, number in {**listeners, **inside}.items()),
        "advertised.listeners": ",".join(
            f"{name}://{'127.0.0.1' if name == 'INSIDE' else 'localhost'}:{number}" for name, number in advertised.items()
        ),
        "listener.security.protocol.map": ",".join(
            f"{name}:{protocols.get(name, 'SASL_SSL')}" for name in {**listeners, **inside}
        ),
        "inter.broker.listener.name": "INSIDE",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(authority.sign("broker")),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.pem),
        "listener.name.mutual.ssl.client.auth": "required",
        "listener.name.expired.ssl.keystore.location": str(authority.sign("expired", days=-1)),
        "listener.name.misnamed.ssl.keystore.location": str(authority.sign("misnamed", host="elsewhere.example")),
        "sasl.enabled.mechanisms": "PLAIN",
        **{f"listener.name.{name}.plain.sasl.jaas.config": f"{JAAS}{users};" for name in ("secure", "expired", "misnamed")},
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:admin;User:ANONYMOUS",
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "1",
        "log.dirs": str(directory / "data"),
    }
    path = directory / "foreign.properties"
    path.write_text(render_properties(properties), encoding="ascii")
    environment = built_environment()
    subprocess.run(format_command(new_cluster_id(), path), env=environment, check=True, capture_output=True, timeout=60)
    with (directory / "foreign.log").open("w") as log:
        process = subprocess.Popen(broker_command(256, path), env=environment, stdout=log, stderr=log)
    broker = ForeignBroker(port, authority)
    try:
        climb(watching_ladder(broker.inside, 1), 60.0, SystemClock())
        yield broker
    finally:
        process.kill()
        process.wait()
