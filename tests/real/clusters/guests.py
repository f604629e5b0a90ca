"""Users of somebody else's brokers, and the rights that the lab's documentation asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.admin._scram import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from trending.kafka.answers import answer_of

if TYPE_CHECKING:
    from trending.kafka.connection import KafkaConnection

ALL = [AclOperation.CREATE, AclOperation.DESCRIBE, AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE_CONFIGS]
ANSWER_SECONDS = 10.0


def make_user(inside: KafkaConnection, name: str, password: str) -> None:
    """Make a user who comes in with SCRAM-SHA-512, or give one another password."""
    scram = UserScramCredentialUpsertion(name, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), password.encode())
    admin = AdminClient(inside.client())
    answer_of(admin.alter_user_scram_credentials([scram])[name], ANSWER_SECONDS)


def allow(inside: KafkaConnection, who: str, kind: ResourceType, name: str, *operations: AclOperation) -> None:
    """Give a user rights."""
    literal, allowed = ResourcePatternType.LITERAL, AclPermissionType.ALLOW
    rules = [AclBinding(kind, name, literal, f"User:{who}", "*", operation, allowed) for operation in operations]
    admin = AdminClient(inside.client())
    for future in admin.create_acls(rules).values():
        answer_of(future, ANSWER_SECONDS)


def allow_stack(inside: KafkaConnection, who: str, stack: str, topic: str) -> None:
    """Give a user what the lab's documentation says that a stack needs."""
    for name in (topic, f"{topic}.dlq", "trending_probe"):
        allow(inside, who, ResourceType.TOPIC, name, *ALL)
    allow(inside, who, ResourceType.GROUP, f"{stack}-stream", AclOperation.DESCRIBE, AclOperation.READ)
    allow(inside, who, ResourceType.GROUP, "trending-reader", AclOperation.DESCRIBE)
    for name in (f"{topic}.dlq-letters", f"{topic}-redrive"):
        allow(inside, who, ResourceType.TRANSACTIONAL_ID, name, AclOperation.DESCRIBE, AclOperation.WRITE)
