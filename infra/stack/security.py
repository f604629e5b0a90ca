"""What makes brokers secure: listeners that encrypt and ask who comes, and an authorizer that says what each may do.

Clients come to one listener with a user name and a password (PLAIN or SCRAM-SHA-512); brokers and controllers know each other by
certificates. Nothing is spoken in the clear. What is secret of it is not here: ``infra.kafka.broker_secrets``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trending.access.settings import SaslMechanism, SecurityProtocol

if TYPE_CHECKING:
    from collections.abc import Iterable

USER = "lab"
"""The stack's own user, who may do everything: its programs come as this one."""
CLIENTS, INTERNAL, CONTROLLER = "CLIENTS", "INTERNAL", "CONTROLLER"
"""The first is not called SASL_SSL: the public image demands settings of its own where an advertised listener contains SSL://."""
OPEN_PROTOCOLS = {"PLAINTEXT": "PLAINTEXT", INTERNAL: "PLAINTEXT", CONTROLLER: "PLAINTEXT"}
SECURE_PROTOCOLS = {
    CLIENTS: SecurityProtocol.SASL_SSL.value,
    INTERNAL: SecurityProtocol.SSL.value,
    CONTROLLER: SecurityProtocol.SSL.value,
}
AUTHORITY = "ca.pem"
"""The file with the certificate of the stack's own authority."""
PLAIN, SCRAM = SaslMechanism.PLAIN.value, SaslMechanism.SCRAM_SHA_512.value


def security_properties(brokers: Iterable[str]) -> dict[str, str]:
    """Return the properties of a secure KRaft broker that may be seen; ``brokers`` are the names on their certificates."""
    return {
        **{f"listener.name.{name.lower()}.ssl.client.auth": "required" for name in (INTERNAL, CONTROLLER)},
        f"listener.name.{CLIENTS.lower()}.sasl.enabled.mechanisms": f"{PLAIN},{SCRAM}",
        "ssl.keystore.type": "PEM",
        "ssl.truststore.type": "PEM",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        "super.users": ";".join([f"User:{USER}", *(f"User:CN={name}" for name in brokers)]),
    }


def hosts_of(service: str, qualified: str) -> tuple[str, ...]:
    """Return the hosts under which a broker is reached: on this machine, and by its names in the stack's network."""
    return tuple(dict.fromkeys(("localhost", service, qualified, "127.0.0.1", "::1")))


def key_store(broker: str) -> str:
    """Return the name of the file with a broker's key and certificate, beside that of their authority."""
    return f"{broker}.pem"
