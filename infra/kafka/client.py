"""Talking to the broker with librdkafka: what it says of itself, topics, and a record written and read back."""

from __future__ import annotations

import json
import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from infra.kafka.acls import grant_command
from trending.access.settings import PROBE_TOPIC
from trending.errors import AccessRefused, ConfigurationConflict, NotReady, endings_passed_on
from trending.kafka.answers import answer_of, asked_again
from trending.kafka.log_reader import READER_GROUP

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from trending.kafka.connection import KafkaConnection

ADMIN_SETTINGS = {"client.id": "trending-admin", "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200}
LEARNING_SETTINGS = {**ADMIN_SETTINGS, "metadata.recovery.strategy": "none", "statistics.interval.ms": 20}
HEARD_SECONDS = 5.0
"""How long brokers may take to hear of a topic that another one has made."""
PROBE_SETTINGS = {"retention.ms": "600000", "min.insync.replicas": "1"}
LEARNING_SECONDS = 0.5
"""Longest wait for an answer; a broker that refuses connections costs this on top of the question's timeout."""


@dataclass(frozen=True)
class ClusterView:
    """What a broker says of its cluster."""

    cluster_id: str
    controller: int
    brokers: tuple[str, ...]


@dataclass(frozen=True)
class TopicView:
    """A topic as it exists. ``leaderless`` are the partitions without leader."""

    name: str
    topic_id: str
    partitions: int
    replication: int
    leaderless: tuple[int, ...]


class BrokerClient:
    """One librdkafka admin connection; make it inside the task that uses it.

    A client that was not answered is replaced before the next question. On 2026-11-26 one that had been asked while its broker
    was frozen failed with ``_TRANSPORT`` for 180 s, beside a producer that the same broker acknowledged (librdkafka 2.16.0; seen
    once, not in eight freezes made for it).
    """

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._current: AdminClient | None = None

    @contextmanager
    def _asked(self) -> Iterator[AdminClient]:
        """Yield the client for one question; give it up if nobody answered, which librdkafka reports with a negative code."""
        if self._current is None:
            self._current = AdminClient(self._connection.client(ADMIN_SETTINGS))
        try:
            with endings_passed_on():
                yield self._current
        except TimeoutError:
            self._current = None
            raise
        except KafkaException as error:
            if error.args[0].code() < 0:
                self._current = None
            raise

    def cluster(self, timeout: float) -> ClusterView:
        """Return the cluster's view within ``timeout`` seconds; raises NotReady when no broker answers.

        Raises ConfigurationConflict when one answers and advertises only addresses that nobody reaches. librdkafka closes the
        connection that was dialled as soon as it has learned the advertised addresses, so metadata of such a cluster comes back
        by luck, or not within 2 s (docs/decisions/0129).
        """
        try:
            with self._asked() as admin:
                view = asked_again(lambda: admin.list_topics(timeout=timeout))
        except KafkaException as error:
            require_dialled(self._connection.bootstrap, advertised(self._connection))
            cause = f"no broker answers at {self._connection.bootstrap}"
            raise NotReady(cause, reason(error), "make status") from error
        return ClusterView(
            str(view.cluster_id), view.controller_id, tuple(f"{node.host}:{node.port}" for node in view.brokers.values())
        )

    def topic(self, name: str, timeout: float) -> TopicView | None:
        """Return the topic, or None where it does not exist; raises NotReady when no broker answers."""
        topics = TopicCollection([name])
        try:
            with self._asked() as admin:
                view = asked_again(lambda: answer_of(admin.describe_topics(topics, request_timeout=timeout)[name], timeout))
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            cause = f"{name} cannot be described"
            raise NotReady(cause, reason(error), "make status") from error
        except TimeoutError as error:
            cause = f"no broker answers at {self._connection.bootstrap}"
            raise NotReady(cause, f"{timeout} s", "make status") from error
        leaderless = tuple(part.id for part in view.partitions if part.leader is None or part.leader.id < 0)
        replication = max((len(part.replicas) for part in view.partitions), default=0)
        return TopicView(name, str(view.topic_id), len(view.partitions), replication, leaderless)

    def create_topic(self, name: str, partitions: int, replication: int, settings: Mapping[str, str]) -> bool:
        """Create a topic; returns whether it was created, since one that exists is fine. Raises NotReady otherwise."""
        topic = NewTopic(name, partitions, replication, config=dict(settings))
        try:
            with self._asked() as admin:
                answer_of(admin.create_topics([topic], operation_timeout=10, request_timeout=15)[name], 20)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return False
            cause = f"the topic {name} cannot be created"
            raise NotReady(cause, reason(error), "make status") from error
        except TimeoutError as error:
            cause = f"the topic {name} was not created in time"
            raise NotReady(cause, "20 s", "make status") from error
        return True

    def require_topic(self, name: str, partitions: int, replication: int, settings: Mapping[str, str]) -> TopicView:
        """Return the topic once it has leaders; raises ConfigurationConflict when it exists with other settings."""
        view = self.topic(name, 5)
        if view is None or view.leaderless:
            cause = f"{name} has no leader yet"
            raise NotReady(cause, f"{view}", "make status")
        existing = self._settings_of(name)
        wanted = {"partitions": str(partitions), "replication": str(replication), **settings}
        actual = {
            "partitions": str(view.partitions),
            "replication": str(view.replication),
            **{key: existing[key] for key in settings},
        }
        differing = [f"{key} is {actual[key]}, asked for {wanted[key]}" for key in wanted if actual[key] != wanted[key]]
        if differing:
            cause = f"the topic {name} exists with other settings; it is never recreated behind your back"
            kept = " ".join(f"{key.upper()}={actual[key]}" for key in ("partitions", "replication") if actual[key] != wanted[key])
            only = all(actual[key] == wanted[key] for key in settings)  # else no setting of ours keeps it
            remedy = (f"make up {kept} keeps it; or " if only else "") + "make up TOPIC=another"
            raise ConfigurationConflict(cause, "; ".join(differing), remedy)
        return view

    def delete_topic(self, name: str, principal: str) -> None:
        """Delete a topic with all its records; one that does not exist is fine.

        Raises AccessRefused where ``principal`` may not delete it, NotReady otherwise.
        """
        try:
            with self._asked() as admin:
                answer_of(admin.delete_topics([name], operation_timeout=10, request_timeout=15)[name], 20)
        except (KafkaException, TimeoutError) as error:
            if isinstance(error, KafkaException) and error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return
            if isinstance(error, KafkaException) and error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                cause = f"{principal} may not delete the topic {name}, which this stack has made"
                grant = grant_command(self._connection.bootstrap, principal, ["Delete"], f"topic {name}")
                raise AccessRefused(cause, reason(error), f"{grant}, then make down VOLUMES=1 once more") from None
            cause = f"the topic {name} cannot be deleted"
            raise NotReady(cause, reason(error), "make status") from error

    def set_topic(self, name: str, settings: Mapping[str, str]) -> dict[str, str]:
        """Give a topic these settings; returns those that it had before, of the ones that were others. Raises NotReady."""
        existing = self._settings_of(name)
        before = {key: existing[key] for key, value in settings.items() if existing[key] != value}
        if not before:
            return {}
        changes = [ConfigEntry(key, settings[key], incremental_operation=AlterConfigOpType.SET) for key in before]
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=changes)
        try:
            with self._asked() as admin:
                answer_of(admin.incremental_alter_configs([resource], request_timeout=10)[resource], 10)
        except (KafkaException, TimeoutError) as error:
            cause = f"the settings of {name} cannot be changed"
            raise NotReady(cause, reason(error), "make status") from error
        return before

    def _settings_of(self, name: str) -> dict[str, str]:
        """Return what the topic's settings are, its own and the broker's.

        Any broker may be asked, and one that has not heard of a new topic yet is asked again.
        """
        resource = ConfigResource(ResourceType.TOPIC, name)
        deadline = time.monotonic() + HEARD_SECONDS
        while True:
            try:
                with self._asked() as admin:
                    found = asked_again(lambda: answer_of(admin.describe_configs([resource], request_timeout=10)[resource], 10))
                return {key: entry.value for key, entry in found.items()}
            except (KafkaException, TimeoutError) as error:
                if not _unheard_of(error) or time.monotonic() >= deadline:
                    cause = f"the settings of {name} cannot be read"
                    raise NotReady(cause, reason(error), "make status") from error
            time.sleep(HEARD_SECONDS / 50)

    @endings_passed_on()
    def round_trip(self, timeout: float, topic: str = PROBE_TOPIC) -> None:
        """Write a nonce to the probe topic and read it back; raises NotReady when it does not come back."""
        self.create_topic(topic, 1, 1, PROBE_SETTINGS)
        nonce = secrets.token_bytes(12)
        places: list[int] = []

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is None and message.offset() is not None:
                places.append(message.offset() or 0)

        with Producer(self._connection.client({"message.timeout.ms": int(timeout * 1000)})) as producer:
            producer.produce(topic, nonce, partition=0, on_delivery=delivered)
            producer.flush(timeout)
        if not places:
            cause = "a record could not be written"
            raise NotReady(cause, f"{topic} acknowledged nothing within {timeout} s", "make status")
        consumer = Consumer(self._connection.consumer({"group.id": READER_GROUP, "fetch.wait.max.ms": 20}))
        try:
            consumer.assign([TopicPartition(topic, 0, places[0] or OFFSET_BEGINNING)])
            message = consumer.poll(timeout)
        finally:
            consumer.close()
        if message is None or message.error() is not None or message.value() != nonce:
            cause = "a record was written and did not come back"
            raise NotReady(cause, f"{topic} offset {places[0]}", "make status")


def _unheard_of(error: KafkaException | TimeoutError) -> bool:
    return isinstance(error, KafkaException) and error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART


@endings_passed_on()
def advertised(connection: KafkaConnection) -> set[str]:
    """Return the addresses that the brokers behind the bootstrap servers give for themselves; none where no broker answers.

    They are read from librdkafka's statistics (STATISTICS.md: ``brokers``, whose ``source`` is ``learned``), since they are known
    there even when none of them can be reached.
    """
    learned: set[str] = set()

    def learn(statistics: str) -> None:
        brokers = json.loads(statistics)["brokers"].values()
        learned.update(broker["nodename"] for broker in brokers if broker["source"] == "learned")

    admin = AdminClient(connection.client({**LEARNING_SETTINGS, "stats_cb": learn}))
    deadline = time.monotonic() + LEARNING_SECONDS
    while not learned and time.monotonic() < deadline:
        admin.poll(LEARNING_SECONDS / 10)
    return learned


def require_dialled(bootstrap: str, addresses: set[str]) -> None:
    """Raise ConfigurationConflict if brokers advertise ``addresses`` that contradict the ones that programs dial.

    Dialled addresses that are missing are no contradiction while all that are there are dialled: those brokers may still come up.
    """
    dialled = set(bootstrap.split(","))
    if addresses and not dialled <= addresses and not dialled > addresses:
        cause = "the broker advertises another address than the one that programs dial"
        evidence = f"advertised {sorted(addresses)}, dialled {sorted(dialled)}"
        raise ConfigurationConflict(cause, evidence, "set the broker's advertised.listeners to localhost:<port>")


def reason(error: Exception) -> str:
    """Return librdkafka's name and words for an error, such as ``_TRANSPORT: Local: Broker transport failure``."""
    if isinstance(error, KafkaException) and isinstance(error.args[0], KafkaError):
        return f"{error.args[0].name()}: {error.args[0].str()}"
    return str(error) or type(error).__name__
