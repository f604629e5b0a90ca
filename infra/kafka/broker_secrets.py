"""The part of a secure broker's configuration that is secret, or says where a secret lies.

Each runtime puts it where only the broker reads it. It is no part of a service's declaration, which is shown by ``docker
inspect`` and hashed into a label.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from infra.stack.security import AUTHORITY, CLIENTS, PLAIN, SCRAM, key_store
from trending.access.java_client import MODULES, jaas_line
from trending.errors import ConfigurationConflict

if TYPE_CHECKING:
    from pathlib import PurePath

    from trending.kafka.connection import KafkaConnection


def require_certificates(connection: KafkaConnection, broker: str) -> Path:
    """Return the directory of the certificates that the stack's clients trust; raises ConfigurationConflict if it is gone."""
    directory = Path(connection.settings.get("ssl.ca.location", "")).parent
    if not (directory / key_store(broker)).is_file():
        cause = f"the key of {broker}, with which a secure broker starts, is not there"
        raise ConfigurationConflict(cause, f"it belongs in {directory}", "make up makes another one")
    return directory


def secret_files(connection: KafkaConnection, broker: str) -> dict[str, bytes]:
    """Return the files, by name, that a secure broker's properties tell of."""
    directory = require_certificates(connection, broker)
    return {path.name: path.read_bytes() for path in (directory / AUTHORITY, directory / key_store(broker))}


def secret_properties(connection: KafkaConnection, broker: str, directory: PurePath) -> dict[str, str]:
    """Return the properties of a secure broker whose files lie in ``directory``, as the broker sees it."""
    user, password = connection.settings["sasl.username"], connection.settings["sasl.password"]
    listener = f"listener.name.{CLIENTS.lower()}"
    return {
        "ssl.keystore.location": str(directory / key_store(broker)),
        "ssl.truststore.location": str(directory / AUTHORITY),
        f"{listener}.{PLAIN.lower()}.sasl.jaas.config": jaas_line(MODULES[PLAIN], {f"user_{user}": password}),
        f"{listener}.{SCRAM.lower()}.sasl.jaas.config": jaas_line(MODULES[SCRAM], {}),
    }
