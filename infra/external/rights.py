"""What a stack needs on a cluster that is there already, and what of it is missing: all in one go, each with its command."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from infra.kafka.acls import as_admin, grant_command
from infra.kafka.client import reason
from trending.errors import AccessRefused, ConfigurationConflict, LabError
from trending.kafka.answers import answer_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from confluent_kafka.admin import AdminClient

    from trending.kafka.connection import KafkaConnection

ANSWER_SECONDS = 5.0
_UNHEARD = logging.getLogger("trending-unheard")
_UNHEARD.addHandler(logging.NullHandler())
_UNHEARD.propagate = False
_ABSENT = KafkaError.UNKNOWN_TOPIC_OR_PART
_REFUSED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
_COORDINATOR_COMES = frozenset(
    {KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS}
)
"""A cluster that never had a group makes the topic for their offsets at the first question about one."""
USED = (AclOperation.DESCRIBE, AclOperation.READ, AclOperation.WRITE)
"""What is done with every topic of the stack: the job writes letters and reads them back, the probe its nonces."""


@dataclass(frozen=True)
class WantedTopic:
    """A topic that the stack uses. One that is there must have ``settings``; a missing one is made, so large."""

    name: str
    partitions: int
    replication: int
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Missing:
    """Something that the cluster lacks: what, and the command with which whoever runs it provides it."""

    what: str
    command: str
    right: bool = True
    """Whether it is a right; otherwise it is a fact about the cluster or the topic."""


class Examiner:
    """Asks one cluster, with a client that it has let in, what is missing for ``principal``."""

    def __init__(self, admin: AdminClient, connection: KafkaConnection, principal: str) -> None:
        self._admin = admin
        self._connection = connection
        self._as_admin = as_admin(connection.bootstrap)
        self._principal = principal

    def topic(self, wanted: WantedTopic) -> list[Missing]:
        """Return what is missing of rights and facts for a topic; for one that isn't there, whether it can be made."""
        try:
            asked = self._admin.describe_topics(
                TopicCollection([wanted.name]), include_authorized_operations=True, request_timeout=ANSWER_SECONDS
            )
            there = answer_of(asked[wanted.name], ANSWER_SECONDS)
        except KafkaException as error:
            if error.args[0].code() == _ABSENT:
                return self._creatable(wanted)
            if error.args[0].code() not in _REFUSED:
                raise
            # Whether it is there is hidden from us too.
            return [self._rights("topic", wanted.name, [AclOperation.CREATE, *USED, AclOperation.DESCRIBE_CONFIGS])]
        allowed = there.authorized_operations or []
        missing = [each for each in (*USED, AclOperation.DESCRIBE_CONFIGS) if each not in allowed]
        found = [self._rights("topic", wanted.name, missing)] if missing else []
        return found + (self._facts(wanted) if AclOperation.DESCRIBE_CONFIGS in allowed else [])

    def transactions(self, name: str) -> list[Missing]:
        """Return what is missing to write in transactions of that name. It begins to, so whoever else does is fenced off."""
        settings = self._connection.client({"transactional.id": name})
        try:
            # With a logger of its own: librdkafka prints what it calls fatal even where it should log nothing.
            Producer(settings, logger=_UNHEARD).init_transactions(ANSWER_SECONDS)
        except KafkaException as error:
            if error.args[0].code() not in _REFUSED:
                raise
            return [self._rights("transactional-id", name, [AclOperation.DESCRIBE, AclOperation.WRITE])]
        return []

    def group(self, name: str, needed: Sequence[AclOperation]) -> list[Missing]:
        """Return what of ``needed`` is missing for a consumer group."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                asked = self._admin.describe_consumer_groups(
                    [name], include_authorized_operations=True, request_timeout=ANSWER_SECONDS
                )
                allowed = answer_of(asked[name], ANSWER_SECONDS).authorized_operations or []
                break
            except KafkaException as error:
                code = error.args[0].code()
                if code == KafkaError.GROUP_ID_NOT_FOUND:
                    return []  # since Kafka 4.0 (KIP-1043) one that is allowed and isn't there; its first commit makes it
                if code in _REFUSED:
                    allowed = []
                    break
                if code not in _COORDINATOR_COMES or time.monotonic() >= deadline:
                    raise
                time.sleep(0.2)
        missing = [each for each in needed if each not in allowed]
        return [self._rights("group", name, missing)] if missing else []

    def _creatable(self, wanted: WantedTopic) -> list[Missing]:
        topic = NewTopic(wanted.name, wanted.partitions, wanted.replication, config=dict(wanted.settings))
        try:
            trial = self._admin.create_topics([topic], validate_only=True, request_timeout=ANSWER_SECONDS)
            answer_of(trial[wanted.name], ANSWER_SECONDS)
        except KafkaException as error:
            if error.args[0].code() in _REFUSED:
                return [self._rights("topic", wanted.name, [AclOperation.CREATE, *USED, AclOperation.DESCRIBE_CONFIGS])]
            what = f"topic {wanted.name} cannot be made: {reason(error)}"
            settings = "".join(f" --config {name}={value}" for name, value in wanted.settings.items())
            command = f"kafka-topics {self._as_admin} --create --topic {wanted.name} --partitions {wanted.partitions}{settings}"
            return [Missing(what, command, right=False)]
        return []

    def _facts(self, wanted: WantedTopic) -> list[Missing]:
        """Return the settings of a topic that is there and that counting depends on, where they are others."""
        resource = ConfigResource(ResourceType.TOPIC, wanted.name)
        found = answer_of(self._admin.describe_configs([resource], request_timeout=ANSWER_SECONDS)[resource], ANSWER_SECONDS)
        differing = {name: value for name, value in wanted.settings.items() if found[name].value != value}
        alter = f"kafka-configs {self._as_admin} --alter --topic {wanted.name}"
        return [
            Missing(f"topic {wanted.name} has {name}={found[name].value}", f"{alter} --add-config {name}={value}", right=False)
            for name, value in differing.items()
        ]

    def _rights(self, kind: str, name: str, operations: Iterable[AclOperation]) -> Missing:
        names = ["".join(word.capitalize() for word in each.name.split("_")) for each in operations]
        command = grant_command(self._connection.bootstrap, self._principal, names, f"{kind} {name}")
        return Missing(f"{', '.join(names)} on {kind} {name}", command)


def require_all(missing: list[Missing], principal: str) -> None:
    """Raise one error with all that is ``missing``: AccessRefused if a right is among it, otherwise ConfigurationConflict."""
    if not missing:
        return
    rights = any(each.right for each in missing)
    kind: type[LabError] = AccessRefused if rights else ConfigurationConflict
    cause = f"{principal} lacks rights on the cluster" if rights else "the cluster's topics are not as counting needs them"
    evidence = "; ".join(each.what for each in missing)
    raise kind(cause, evidence, "whoever runs the cluster: " + "\n        ".join(each.command for each in missing))
