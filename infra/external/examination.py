"""An external cluster examined before anything is started on it: it lets us in, and nothing that a stack needs is missing."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - dataclass fields are read at run time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException
from confluent_kafka.admin._acl import AclOperation
from cryptography import x509

from infra.external.entry import Entry
from infra.external.rights import Examiner, WantedTopic, require_all
from infra.host.secret_references import no_block, private_text, read_secret
from trending.access.kept import client_settings
from trending.errors import InvalidInput, endings_passed_on
from trending.kafka.connection import KafkaConnection
from trending.kafka.log_reader import READER_GROUP

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SecretStr

    from trending.access.settings import AccessSettings


@dataclass(frozen=True)
class Use:
    """What a stack uses of a cluster: its topics, the group in which its job shows how far it is, its transactional ids."""

    topics: Sequence[WantedTopic]
    group: str
    transactional_ids: Sequence[str]


def connection_of(access: AccessSettings, load_block: Callable[[str], SecretStr] = no_block) -> KafkaConnection:
    """Return the connection that ``access`` describes; raises InvalidInput where a secret or a file can't be had."""
    if access.client_pem:
        private_text("CLIENT_PEM", Path(access.client_pem))
    if access.ca_file and not Path(access.ca_file).is_file():
        cause = f"there is no file of CA_FILE: {access.ca_file}"
        raise InvalidInput(cause, "nothing was started", f"ls -l {access.ca_file} shows what is there")
    return KafkaConnection(
        access.bootstrap, client_settings(access, read_secret("KAFKA_SECRET", access.kafka_secret, load_block))
    )


@endings_passed_on()
def examine_cluster(access: AccessSettings, connection: KafkaConnection, use: Use) -> tuple[str, str]:
    """Return the cluster's id, and in words who we are there; raises with everything that is missing. Nothing is changed."""
    entry, who = Entry(connection), principal_of(access)
    view = entry.view()
    examiner = Examiner(entry.admin, connection, who)
    try:
        missing = [each for topic in use.topics for each in examiner.topic(topic)]
        missing += examiner.group(use.group, [AclOperation.DESCRIBE, AclOperation.READ])
        missing += examiner.group(READER_GROUP, [AclOperation.DESCRIBE])
        missing += [each for name in use.transactional_ids for each in examiner.transactions(name)]
    except (KafkaException, TimeoutError) as error:
        error.__traceback__ = None
        raise entry.explain(error) from None
    require_all(missing, who)
    return view.cluster_id, f"{who} in cluster {view.cluster_id}, brokers: {len(view.brokers)}"


def principal_of(access: AccessSettings) -> str:
    """Return who the cluster takes us for, as its ACLs name it: by the user, or by the certificate's subject.

    With OAUTHBEARER that is up to the tokens, which usually name the client.
    """
    if access.sasl_mechanism is not None:
        return f"User:{access.kafka_user}"
    if access.client_pem:
        certificate = x509.load_pem_x509_certificate(Path(access.client_pem).read_bytes())
        return f"User:{certificate.subject.rfc4514_string()}"
    return "User:ANONYMOUS"
