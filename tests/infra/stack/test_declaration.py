from __future__ import annotations

from typing import Any

import pytest

from infra.host.paths import StackPaths
from infra.stack.declaration import ServiceKind, Stack
from infra.stack.profiles import declare, images_of
from trending.errors import ConfigurationConflict
from trending.settings import ProfileName, RuntimeKind, StackSettings

EMBEDDED, DOCKER = RuntimeKind.EMBEDDED, RuntimeKind.DOCKER


def declared(runtime: RuntimeKind = EMBEDDED, cluster_id: str = "abc", **settings: Any) -> Stack:
    return declare(StackSettings(**settings), runtime, StackPaths.of("trending"), cluster_id)


def test_zookeeper_in_the_embedded_runtime_is_refused_clearly() -> None:
    with pytest.raises(ConfigurationConflict, match="the zookeeper profile needs the docker runtime") as caught:
        declared(profile=ProfileName.ZOOKEEPER)
    assert caught.value.next_command == "make up PROFILE=kraft"


def test_one_broker_takes_its_port_and_the_controllers() -> None:
    stack = declared(port=19092)
    assert stack.connection.bootstrap == "localhost:19092"
    assert stack.ports == (19092, 19102)
    (kafka,) = stack.brokers
    assert kafka.name == "kafka"
    assert kafka.properties["advertised.listeners"] == "PLAINTEXT://localhost:19092"
    assert kafka.properties["inter.broker.listener.name"] == "PLAINTEXT"


def test_three_brokers_never_share_a_port_and_know_all_controllers() -> None:
    stack = declared(brokers=3, port=19092)
    assert [service.name for service in stack.services] == ["kafka", "kafka-2", "kafka-3"]
    assert len(set(stack.ports)) == len(stack.ports) == 9
    assert stack.connection.bootstrap == "localhost:19092,localhost:19093,localhost:19094"
    voters = {service.properties["controller.quorum.voters"] for service in stack.services}
    assert voters == {"1@127.0.0.1:19102,2@127.0.0.1:19103,3@127.0.0.1:19104"}
    assert {service.node_id for service in stack.services} == {1, 2, 3}


@pytest.mark.parametrize(("brokers", "replicas", "in_sync"), [(1, "1", "1"), (2, "2", "1"), (3, "3", "2")])
def test_internal_topics_are_replicated_as_the_broker_count_allows(brokers: int, replicas: str, in_sync: str) -> None:
    for service in declared(brokers=brokers).services:
        assert service.properties["offsets.topic.replication.factor"] == replicas
        assert service.properties["transaction.state.log.replication.factor"] == replicas
        assert service.properties["transaction.state.log.min.isr"] == in_sync
        assert service.properties["min.insync.replicas"] == in_sync


def test_only_the_last_of_several_kraft_nodes_to_stop_is_not_waited_for() -> None:
    assert [service.stop_seconds for service in declared(brokers=3).services] == [10, 30, 30]
    assert [service.stop_seconds for service in declared(brokers=1).services] == [30]
    zookeeper = declared(DOCKER, profile=ProfileName.ZOOKEEPER, brokers=3)
    assert [service.stop_seconds for service in zookeeper.services] == [30, 30, 30, 30]


def test_topics_are_never_created_behind_the_users_back() -> None:
    assert declared().services[0].properties["auto.create.topics.enable"] == "false"


def test_embedded_listeners_are_on_the_loopback_only() -> None:
    for service in declared(brokers=3).services:
        assert all("//127.0.0.1:" in listener for listener in service.properties["listeners"].split(","))


def test_the_heap_is_at_most_half_of_the_memory_limit() -> None:
    for service in declared(heap_mb=300).services:
        assert service.heap_mb == 300
        assert service.memory_mb >= 600


def test_the_configuration_hash_is_stable_and_changes_with_every_setting() -> None:
    assert declared().services[0].config_hash == declared().services[0].config_hash
    others = [declared(heap_mb=600), declared(port=9192), declared(brokers=2)]
    hashes = {stack.services[0].config_hash for stack in [declared(), *others]}
    assert len(hashes) == 4


def test_settings_that_are_not_the_services_leave_the_hash_alone() -> None:
    assert declared(topic="another").services[0].config_hash == declared().services[0].config_hash


def test_the_zookeeper_profile_has_the_contracts_names_images_and_ports_in_order() -> None:
    stack = declared(DOCKER, profile=ProfileName.ZOOKEEPER)
    zookeeper, kafka = stack.services
    assert (zookeeper.name, zookeeper.image, zookeeper.ports) == ("zookeeper", "confluentinc/cp-zookeeper:7.4.4", (2181,))
    assert (kafka.name, kafka.image, kafka.ports) == ("kafka", "confluentinc/cp-kafka:7.4.4", (9092,))
    assert zookeeper.kind is ServiceKind.ZOOKEEPER
    assert kafka.depends_on == ("zookeeper",)
    assert kafka.properties["zookeeper.connect"] == "zookeeper:2181"
    assert stack.brokers == (kafka,)


def test_images_are_the_pinned_ones_unless_the_user_names_others() -> None:
    assert images_of(StackSettings()) == ("apache/kafka:4.4.0",)
    assert images_of(StackSettings(kafka_image="apache/kafka:4.2.2")) == ("apache/kafka:4.2.2",)
    assert set(images_of(StackSettings(profile=ProfileName.ZOOKEEPER))) == {
        "confluentinc/cp-zookeeper:7.4.4",
        "confluentinc/cp-kafka:7.4.4",
    }
    assert declared(DOCKER, kafka_image="apache/kafka:4.2.2").services[0].image == "apache/kafka:4.2.2"


def test_containers_publish_client_ports_only_and_reach_each_other_by_name() -> None:
    stack = declared(DOCKER, brokers=3)
    assert stack.ports == (9092, 9093, 9094)
    assert "INTERNAL://kafka-2:9113" in stack.services[1].properties["advertised.listeners"]
    assert stack.services[1].environment["KAFKA_NODE_ID"] == "2"


def test_the_declaration_is_the_same_for_both_runtimes_but_for_the_wiring() -> None:
    docker, embedded = declared(RuntimeKind.DOCKER), declared(EMBEDDED)
    differing = {name for name, value in docker.services[0].properties.items() if value != embedded.services[0].properties[name]}
    assert differing == {"listeners", "controller.quorum.voters"}


def test_the_default_stack_has_the_contracts_bare_names_and_others_are_prefixed() -> None:
    assert declared().qualified("kafka") == "kafka"
    other = declare(StackSettings(name="other"), DOCKER, StackPaths.of("other"), "abc")
    assert other.qualified("kafka") == "other-kafka"
    assert other.network != declared().network


def test_a_service_is_found_by_its_name_and_a_program_is_none() -> None:
    stack = declared(DOCKER, brokers=3)
    assert stack.service("kafka-2") == stack.find("kafka-2") == stack.services[1]
    assert stack.find("producer") is None
    with pytest.raises(KeyError, match="producer"):
        stack.service("producer")
