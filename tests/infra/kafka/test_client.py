"""The client over a pretended AdminClient; the round trip over librdkafka's own in-process mock cluster."""

from __future__ import annotations

import gc
import json
import threading
import time
import weakref
from concurrent.futures import Future
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from infra.kafka import client as broker
from infra.kafka.client import PROBE_TOPIC, BrokerClient, ClusterView, TopicView, advertised, reason, require_dialled
from trending.errors import ConfigurationConflict, NotReady
from trending.kafka.connection import KafkaConnection


class FakeAdmin:
    """Answers what the test puts in: a value, or an error."""

    made = 0
    altered: ClassVar[list[tuple[str, str, str]]] = []
    answers: ClassVar[dict[str, Any]] = {}
    """The cluster's, whichever client asks it."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        self._statistics = configuration.get("stats_cb")
        FakeAdmin.made += self._statistics is None

    def poll(self, _timeout: float) -> None:
        """Serve librdkafka's statistics: the server that was dialled, and what the cluster gave as its own addresses."""
        assert self._statistics is not None
        brokers = {"localhost:19092/bootstrap": {"nodename": "localhost:19092", "source": "configured"}}
        learned = {f"{each}/1": {"nodename": each, "source": "learned"} for each in self.answers.get("addresses", ())}
        self._statistics(json.dumps({"brokers": {**brokers, **learned}}))

    def _future(self, operation: str) -> Future[Any]:
        future: Future[Any] = Future()
        answer = self.answers.get(operation)
        if isinstance(answer, list):
            answer = answer.pop(0)
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        elif answer != "silence":
            future.set_result(answer)
        return future

    def list_topics(self, **_: Any) -> Any:
        if self.answers.get("cluster") == "silence":
            raise kafka_error(KafkaError._TRANSPORT)
        return self._future("cluster").result()

    def describe_topics(self, topics: Any, **_: Any) -> dict[str, Future[Any]]:
        return {topic: self._future("topic") for topic in topics.topic_names}

    def create_topics(self, topics: list[Any], **_: Any) -> dict[str, Future[Any]]:
        return {topic.topic: self._future("create") for topic in topics}

    def describe_configs(self, resources: list[Any], **_: Any) -> dict[Any, Future[Any]]:
        return {resource: self._future("configuration") for resource in resources}

    def incremental_alter_configs(self, resources: list[Any], **_: Any) -> dict[Any, Future[Any]]:
        FakeAdmin.altered += [(each.name, entry.name, entry.value) for each in resources for entry in each.incremental_configs]
        return {resource: self._future("alter") for resource in resources}


def kafka_error(code: int) -> KafkaException:
    return KafkaException(KafkaError(code))


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> BrokerClient:
    monkeypatch.setattr(broker, "AdminClient", FakeAdmin)
    monkeypatch.setattr(broker, "LEARNING_SECONDS", 0.01)
    monkeypatch.setattr(FakeAdmin, "made", 0)
    monkeypatch.setattr(FakeAdmin, "answers", {})
    monkeypatch.setattr(FakeAdmin, "altered", [])
    return BrokerClient(KafkaConnection("localhost:19092"))


def answer(_client: BrokerClient, **answers: Any) -> None:
    FakeAdmin.answers.update(answers)


def topic(*leaders: int | None, replicas: int = 1) -> SimpleNamespace:
    partitions = [
        SimpleNamespace(id=number, leader=None if leader is None else SimpleNamespace(id=leader), replicas=[1] * replicas)
        for number, leader in enumerate(leaders)
    ]
    return SimpleNamespace(topic_id="an-id", partitions=partitions)


def test_the_cluster_is_described_by_id_controller_and_addresses(client: BrokerClient) -> None:
    node = SimpleNamespace(id=1, host="localhost", port=19092)
    answer(client, cluster=SimpleNamespace(cluster_id="c", controller_id=1, brokers={1: node}))
    assert client.cluster(1) == ClusterView("c", 1, ("localhost:19092",))
    answer(client, cluster=SimpleNamespace(cluster_id="c", controller_id=-1, brokers={}))
    assert client.cluster(1) == ClusterView("c", -1, ())


@pytest.mark.parametrize("silence", ["silence", kafka_error(KafkaError._TRANSPORT)])
def test_a_broker_that_does_not_answer_is_not_ready_and_named_by_its_address(client: BrokerClient, silence: Any) -> None:
    answer(client, cluster=silence, topic=silence, create=silence)
    for ask in (client.cluster, lambda timeout: client.topic("tweets_topic", timeout)):
        with pytest.raises(NotReady) as caught:
            ask(0.01)
        assert "localhost:19092" in caught.value.cause or "_TRANSPORT" in caught.value.evidence


@pytest.mark.row(17)
def test_a_cluster_that_cannot_be_asked_since_it_names_another_address_is_told_at_once(client: BrokerClient) -> None:
    answer(client, cluster="silence", addresses=["elsewhere.invalid:19092"])
    with pytest.raises(ConfigurationConflict, match="advertises another address") as caught:
        client.cluster(0.01)
    assert caught.value.evidence == "advertised ['elsewhere.invalid:19092'], dialled ['localhost:19092']"
    answer(client, addresses=["localhost:19092"])
    with pytest.raises(NotReady, match="no broker answers"):
        client.cluster(0.01)


def test_the_addresses_that_a_cluster_gives_for_itself_are_learned_and_those_of_none_are_none() -> None:
    with Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 3, "log_level": 0}) as cluster:
        brokers = {f"{node.host}:{node.port}" for node in cluster.list_topics(timeout=10).brokers.values()}
        assert advertised(KafkaConnection(",".join(brokers))) == brokers
    started = time.monotonic()
    assert advertised(KafkaConnection("localhost:1")) == set()
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("addresses", [{"a:1", "b:1"}, {"a:1"}, {"a:1", "b:1", "c:1"}, set()])
def test_brokers_may_be_missing_and_more_may_be_there_than_are_dialled(addresses: set[str]) -> None:
    require_dialled("a:1,b:1", addresses)


@pytest.mark.parametrize("addresses", [{"a:2", "b:1"}, {"c:1"}])
def test_an_address_that_is_not_dialled_in_place_of_one_that_is_is_a_conflict(addresses: set[str]) -> None:
    with pytest.raises(ConfigurationConflict, match="advertises another address"):
        require_dialled("a:1,b:1", addresses)


@pytest.mark.row(12)
def test_a_client_that_was_not_answered_is_replaced_and_any_other_is_kept(client: BrokerClient) -> None:
    view = SimpleNamespace(cluster_id="c", controller_id=1, brokers={})
    answer(client, cluster=view, topic=topic(1))
    client.cluster(1)
    client.topic("tweets_topic", 1)
    answer(client, create=kafka_error(KafkaError.TOPIC_ALREADY_EXISTS))
    client.create_topic("tweets_topic", 1, 1, {})
    assert FakeAdmin.made == 1, "an error that a broker sent is an answer"
    answer(client, cluster="silence", topic="silence", create="silence")
    for ask in (client.cluster, lambda timeout: client.topic("tweets_topic", timeout)):
        for _twice in range(2):
            with pytest.raises(NotReady):
                ask(0.01)
    assert FakeAdmin.made == 4, "each silence but the last has another one asked"
    answer(client, cluster=view)
    assert client.cluster(1).cluster_id == "c"


def test_a_topic_is_seen_with_its_partitions_without_leader(client: BrokerClient) -> None:
    answer(client, topic=topic(1, None, -1, replicas=3))
    assert client.topic("tweets_topic", 1) == TopicView("tweets_topic", "an-id", 3, 3, (1, 2))


def test_a_topic_that_does_not_exist_is_none(client: BrokerClient) -> None:
    answer(client, topic=kafka_error(KafkaError.UNKNOWN_TOPIC_OR_PART))
    assert client.topic("tweets_topic", 1) is None


def test_creating_a_topic_that_exists_is_success_and_says_so(client: BrokerClient) -> None:
    answer(client, create=None)
    assert client.create_topic("tweets_topic", 1, 1, {})
    answer(client, create=kafka_error(KafkaError.TOPIC_ALREADY_EXISTS))
    assert not client.create_topic("tweets_topic", 1, 1, {})


@pytest.mark.parametrize(
    ("error", "named"),
    [(kafka_error(KafkaError.INVALID_REPLICATION_FACTOR), "INVALID_REPLICATION_FACTOR"), (TimeoutError(), "20 s")],
)
def test_a_topic_that_cannot_be_created_says_why(client: BrokerClient, error: Exception, named: str) -> None:
    answer(client, create=error)
    with pytest.raises(NotReady, match="tweets_topic") as caught:
        client.create_topic("tweets_topic", 1, 3, {})
    assert named in caught.value.evidence


def test_a_topic_is_required_with_leaders_and_the_settings_asked_for(client: BrokerClient) -> None:
    settings = {"message.timestamp.type": "LogAppendTime"}
    answer(client, topic=topic(1, 1), configuration={"message.timestamp.type": SimpleNamespace(value="LogAppendTime")})
    assert client.require_topic("tweets_topic", 2, 1, settings).partitions == 2


def test_a_topic_with_other_settings_is_refused_naming_every_difference(client: BrokerClient) -> None:
    settings = {"message.timestamp.type": "LogAppendTime"}
    answer(client, topic=topic(1), configuration={"message.timestamp.type": SimpleNamespace(value="CreateTime")})
    with pytest.raises(ConfigurationConflict, match="never recreated behind your back") as caught:
        client.require_topic("tweets_topic", 4, 1, settings)
    assert caught.value.evidence == (
        "partitions is 1, asked for 4; message.timestamp.type is CreateTime, asked for LogAppendTime"
    )
    assert caught.value.next_command == "make up TOPIC=another"


def test_a_topic_of_another_size_is_kept_by_the_first_way_out_and_no_way_deletes_it(client: BrokerClient) -> None:
    answer(client, topic=topic(1), configuration={})
    with pytest.raises(ConfigurationConflict) as caught:
        client.require_topic("tweets_topic", 4, 1, {})
    assert caught.value.next_command == "make up PARTITIONS=1 keeps it; or make up TOPIC=another"


@pytest.mark.parametrize("view", [kafka_error(KafkaError.UNKNOWN_TOPIC_OR_PART), topic(None)])
def test_a_topic_without_leader_is_not_there_yet(client: BrokerClient, view: Any) -> None:
    answer(client, topic=view)
    with pytest.raises(NotReady, match="has no leader yet"):
        client.require_topic("tweets_topic", 1, 1, {})


@pytest.mark.parametrize("error", [kafka_error(KafkaError._TIMED_OUT), TimeoutError()])
def test_settings_that_cannot_be_read_are_not_ready_and_no_crash(client: BrokerClient, error: Exception) -> None:
    answer(client, topic=topic(1), configuration=error)
    with pytest.raises(NotReady, match="settings of tweets_topic"):
        client.require_topic("tweets_topic", 1, 1, {})


def test_a_broker_that_has_not_heard_of_a_new_topic_yet_is_asked_again(
    client: BrokerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "HEARD_SECONDS", 0.2)
    unheard_of = kafka_error(KafkaError.UNKNOWN_TOPIC_OR_PART)
    found = {"retention.ms": SimpleNamespace(value="1")}
    answer(client, configuration=[unheard_of, unheard_of, found])
    assert client.set_topic("tweets_topic", {"retention.ms": "1"}) == {}
    answer(client, configuration=unheard_of)
    with pytest.raises(NotReady, match="settings of tweets_topic cannot be read"):
        client.set_topic("tweets_topic", {"retention.ms": "1"})


def test_only_the_settings_that_differ_are_changed_and_what_they_were_is_returned(client: BrokerClient) -> None:
    found = {name: SimpleNamespace(value=value) for name, value in (("retention.ms", "1"), ("retention.bytes", "-1"))}
    answer(client, configuration=found, alter=None)
    assert client.set_topic("tweets_topic", {"retention.ms": "1", "retention.bytes": "64"}) == {"retention.bytes": "-1"}
    assert FakeAdmin.altered == [("tweets_topic", "retention.bytes", "64")]
    assert client.set_topic("tweets_topic", {"retention.ms": "1"}) == {}
    assert len(FakeAdmin.altered) == 1, "nothing differs, nobody is asked"


@pytest.mark.parametrize("error", [kafka_error(KafkaError.INVALID_CONFIG), TimeoutError()])
def test_settings_that_cannot_be_changed_are_not_ready(client: BrokerClient, error: Exception) -> None:
    answer(client, configuration={"retention.ms": SimpleNamespace(value="1")}, alter=error)
    with pytest.raises(NotReady, match="settings of tweets_topic cannot be changed"):
        client.set_topic("tweets_topic", {"retention.ms": "2"})


def test_reasons_carry_librdkafkas_name_or_the_errors_own() -> None:
    assert reason(kafka_error(KafkaError._TRANSPORT)).startswith("_TRANSPORT: ")
    assert reason(ValueError("some words")) == "some words"
    assert reason(TimeoutError()) == "TimeoutError"


@pytest.fixture
def mock_cluster() -> Any:
    """A cluster inside librdkafka, on the loopback; it lives as long as the producer that it belongs to."""
    with Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0}) as owner:
        brokers = owner.list_topics(PROBE_TOPIC, timeout=5).brokers.values()
        yield ",".join(f"{each.host}:{each.port}" for each in brokers)


@pytest.mark.usefixtures("client")
def test_a_nonce_that_comes_back_is_no_error_time_after_time(mock_cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []

    class Watched(broker.Consumer):  # type: ignore[misc]
        """Writes down what was read."""

        def poll(self, timeout: float) -> Any:
            message = super().poll(timeout)
            read.append(message.value())
            return message

    monkeypatch.setattr(broker, "Consumer", Watched)
    client = BrokerClient(KafkaConnection(mock_cluster))
    client.round_trip(5)
    client.round_trip(5)
    assert len(set(read)) == 2


@pytest.mark.usefixtures("client")
def test_a_record_that_nobody_acknowledges_is_not_ready() -> None:
    with pytest.raises(NotReady, match="could not be written") as caught:
        BrokerClient(KafkaConnection("127.0.0.1:1")).round_trip(0.2)
    assert PROBE_TOPIC in caught.value.evidence


@pytest.mark.usefixtures("client")
def test_a_record_that_does_not_come_back_is_not_ready(mock_cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Deaf(broker.Consumer):  # type: ignore[misc]
        """Hears nothing."""

        def poll(self, _timeout: float) -> None:
            return None

    monkeypatch.setattr(broker, "Consumer", Deaf)
    with pytest.raises(NotReady, match="did not come back"):
        BrokerClient(KafkaConnection(mock_cluster)).round_trip(5)


class Silent(FakeAdmin):
    """Fails each request with an error of its own."""

    def _future(self, operation: str) -> Future[Any]:  # noqa: ARG002 - the one above takes it
        future: Future[Any] = Future()
        thread = threading.Thread(target=fail, args=(future,))
        thread.start()
        thread.join()
        return future


def fail(future: Future[Any]) -> None:
    """Fail it as a thread of confluent-kafka's does: the error's traceback has this frame, which has the future."""
    try:
        raise kafka_error(KafkaError._TRANSPORT)
    except KafkaException as error:
        future.set_exception(error)


@pytest.mark.parametrize("operation", ["topic", "create"])
def test_a_request_that_failed_does_not_keep_the_client_alive(operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "AdminClient", Silent)
    client = BrokerClient(KafkaConnection("localhost:19092"))
    alive = weakref.ref(client)
    gc.disable()
    try:
        with suppress(NotReady):
            client.topic("t", 1.0) if operation == "topic" else client.create_topic("t", 1, 1, {})
        del client
        assert alive() is None, "its sockets are open until the collector comes by"
    finally:
        gc.enable()
