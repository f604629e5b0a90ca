"""The one value that every Kafka client is made from."""

from __future__ import annotations

from pathlib import Path

import pytest

from trending.kafka.connection import KafkaConnection

CHECKOUT = Path(__file__).resolve().parents[3]
COMMITTED = {"isolation.level": "read_committed"}
PLAIN = KafkaConnection("localhost:9092,localhost:9093")
SECURED = KafkaConnection("kafka.example:9093", {"security.protocol": "SASL_SSL", "sasl.password": "hunter2"})


HERE = {"broker.address.family": "v4", "metadata.recovery.strategy": "none"}


def test_a_client_of_the_lab_knows_where_kafka_is_and_says_nothing_by_itself() -> None:
    assert PLAIN.client() == {"bootstrap.servers": "localhost:9092,localhost:9093", "log_level": 0, **HERE}
    assert PLAIN.client(silent=False) == {"bootstrap.servers": "localhost:9092,localhost:9093", **HERE}


@pytest.mark.parametrize(
    ("bootstrap", "here"),
    [
        ("localhost:9092", True),
        ("127.0.0.1:9092,localhost:9093", True),
        ("kafka.example:9092", False),
        ("localhost:9092,kafka.example:9092", False),
        ("[::1]:9092", False),
    ],
)
def test_brokers_of_this_machine_are_dialled_where_they_listen_and_others_as_librdkafka_does(bootstrap: str, here: bool) -> None:  # noqa: FBT001
    """Debian's /etc/hosts gives localhost the address ::1 too, where none listens: a third of the requests failed of it."""
    client = KafkaConnection(bootstrap).client()
    assert {name: client[name] for name in HERE if name in client} == (HERE if here else {})


def test_what_a_person_says_of_the_address_goes_before() -> None:
    assert KafkaConnection("localhost:9092", {"broker.address.family": "v6"}).client()["broker.address.family"] == "v6"


def test_a_client_gets_what_all_clients_get_and_its_own_above_it() -> None:
    own = {"client.id": "trending-admin", "security.protocol": "SSL"}
    assert SECURED.client(own) == {
        "bootstrap.servers": "kafka.example:9093",
        "log_level": 0,
        "security.protocol": "SSL",
        "sasl.password": "hunter2",
        "client.id": "trending-admin",
    }
    assert own == {"client.id": "trending-admin", "security.protocol": "SSL"}


def test_each_client_has_a_configuration_to_itself() -> None:
    first = PLAIN.client()
    first["group.id"] = "one"
    assert "group.id" not in PLAIN.client()


@pytest.mark.row(34)
def test_every_consumer_reads_committed_records_only_whatever_it_asks_for() -> None:
    dirty = {"isolation.level": "read_uncommitted", "group.id": "one"}
    assert PLAIN.consumer(dirty) == {**PLAIN.client(), **COMMITTED, "group.id": "one", "enable.auto.commit": False}
    loose = KafkaConnection("kafka.example:9093", {"isolation.level": "read_uncommitted"})
    assert loose.consumer()["isolation.level"] == loose.spark_options()["kafka.isolation.level"] == "read_committed"


def test_every_consumer_is_configured_as_one() -> None:
    """A consumer made from ``client()`` would read whatever librdkafka's default level is."""
    modules = [path for floor in ("flows", "tasks", "infra", "src") for path in sorted((CHECKOUT / floor).rglob("*.py"))]
    made = [line.strip() for path in modules for line in path.read_text(encoding="utf-8").splitlines() if " Consumer(" in line]
    assert made
    assert all("connection.consumer(" in line for line in made), made


def test_spark_gets_the_same_with_kafka_before_each_name() -> None:
    committed = {"kafka.isolation.level": "read_committed"}
    assert PLAIN.spark_options() == {"kafka.bootstrap.servers": "localhost:9092,localhost:9093", **committed}
    assert SECURED.spark_options() == {
        "kafka.bootstrap.servers": "kafka.example:9093",
        "kafka.security.protocol": "SASL_SSL",
        **committed,
    }


def test_connections_are_equal_by_what_they_say_and_show_no_settings() -> None:
    assert KafkaConnection("kafka.example:9093", dict(SECURED.settings)) == SECURED
    assert KafkaConnection("kafka.example:9093") != SECURED
    assert "hunter2" not in repr(SECURED)
    assert "kafka.example:9093" in repr(SECURED)


def test_no_module_configures_a_client_by_hand() -> None:
    modules = [path for floor in ("flows", "tasks", "infra", "src") for path in sorted((CHECKOUT / floor).rglob("*.py"))]
    by_hand = [
        path.relative_to(CHECKOUT).as_posix() for path in modules if "bootstrap.servers" in path.read_text(encoding="utf-8")
    ]
    assert by_hand == ["src/trending/kafka/connection.py"]
