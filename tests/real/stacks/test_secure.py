"""A lab with passwords: brokers that encrypt, ask who comes and let each do what it may, and secrets that nobody reads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psutil
import pytest
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic
from docker.errors import NotFound
from real.clusters.guests import allow, make_user
from real.places import places_of

from infra.docker.containers import PLACE
from infra.docker.engine import engine
from infra.forms.stacks import LastStep
from infra.stack.profiles import CONTROLLER_SHIFT, INTERNAL_SHIFT
from trending.kafka.answers import answer_of
from trending.kafka.connection import KafkaConnection
from trending.kafka.log_reader import log_ends, read_log

if TYPE_CHECKING:
    from docker.models.containers import Container
    from real.harness import RealStack

TOPIC = "tweets_topic"
READER, READERS_PASSWORD = "reader", "no more than reading"
WRONG = {"sasl_password": "another"}


def refusals(connection: KafkaConnection) -> set[int]:
    """Return the codes of the errors that a client is told; requires that it gets nothing else."""
    errors: list[KafkaError] = []
    admin = AdminClient(connection.client({"error_cb": errors.append}))
    with pytest.raises(KafkaException):
        admin.list_topics(timeout=3)
    while admin.poll(0.1):
        continue
    return {error.code() for error in errors} - {KafkaError._ALL_BROKERS_DOWN}


def without(connection: KafkaConnection, *names: str, **others: str) -> KafkaConnection:
    kept = {name: value for name, value in connection.settings.items() if name not in names}
    return replace(connection, settings={**kept, **{name.replace("_", "."): value for name, value in others.items()}})


def make_reader(connection: KafkaConnection) -> KafkaConnection:
    """Make a user who may read the tweets and nothing else, as the lab's user does; returns how that one comes in."""
    make_user(connection, READER, READERS_PASSWORD)
    for kind, name in ((ResourceType.GROUP, "trending-reader"), (ResourceType.TOPIC, TOPIC)):
        allow(connection, READER, kind, name, AclOperation.READ)
    return without(
        connection, "sasl.mechanism", sasl_mechanism="SCRAM-SHA-512", sasl_username=READER, sasl_password=READERS_PASSWORD
    )


def write_error(connection: KafkaConnection, topic: str) -> int:
    outcome: list[KafkaError | None] = []

    def delivered(error: KafkaError | None, _message: Message) -> None:
        outcome.append(error)

    with Producer(connection.client()) as producer:
        producer.produce(topic, b"nothing of mine", on_delivery=delivered)
        producer.flush(10)
    assert outcome, "no answer"
    return outcome[0].code() if outcome[0] else 0


def require_secret(stack: RealStack, password: str) -> None:
    """Require that password and keys are in files of their user's only, and in no command line or environment."""
    brokers = [service.name for service in stack.lab.stack.brokers] if stack.runtime == "embedded" else []
    assert places_of(password.encode(), stack.paths.home) == dict.fromkeys(
        ["access.json", *(f"{name}.properties" for name in brokers)], 0o600
    )
    for name, directory in ((each.name, each.parent) for each in stack.paths.certificates.glob("*/kafka*.pem")):
        key = (directory / name).read_bytes().splitlines()[1]
        assert places_of(key, stack.paths.home) == {name: 0o600}
    for process in psutil.process_iter(["cmdline"]):
        assert password not in " ".join(process.info["cmdline"] or ())
        try:
            assert password not in str(process.environ())
        except psutil.Error:
            continue


def require_others_let_in(stack: RealStack) -> None:
    """Require that ``make client`` prints both files, and that kcat's lets a client in. Java's was tried by hand."""
    output = stack.command("client", f"--name={stack.name}")
    assert {str(stack.paths.java_client), str(stack.paths.kcat)} <= set(output.split())
    settings = dict(line.split("=", 1) for line in stack.paths.kcat.read_text(encoding="utf-8").splitlines())
    assert len(AdminClient(settings).list_topics(timeout=5).brokers) == 3


def test_secure_brokers_let_in_who_may_come_and_nothing_is_lost(stack: RealStack) -> None:
    stack.settings |= {"secure": "true", "brokers": "3", "replication": "3", "rate": "200"}
    stack.bring_up(LastStep.STREAM)
    lab = stack.lab
    connection = lab.stack.connection
    password = connection.settings["sasl.password"]

    assert refusals(KafkaConnection(connection.bootstrap)) <= {KafkaError._TRANSPORT}
    assert KafkaError._AUTHENTICATION in refusals(without(connection, **WRONG))
    assert KafkaError._SSL in refusals(without(connection, "ssl.ca.location"))
    own_protocol = without(connection, "sasl.mechanism", "sasl.username", "sasl.password", security_protocol="SSL")
    for shift in (CONTROLLER_SHIFT, INTERNAL_SHIFT):
        among_brokers = replace(own_protocol, bootstrap=f"localhost:{stack.port + shift}")
        assert refusals(among_brokers) <= {KafkaError._SSL, KafkaError._TRANSPORT}
    key = str(next(stack.paths.certificates.glob("*/kafka-2.pem")))
    a_brokers = without(among_brokers, ssl_certificate_location=key, ssl_key_location=key)
    assert len(AdminClient(a_brokers.client()).list_topics(timeout=5).brokers) == 3

    reader = make_reader(connection)
    stack.wait_until(lambda: log_ends(reader, TOPIC)[0][1] > 0, 30, "user and rule are known to every broker")
    assert next(read_log(reader, TOPIC, {0: 0}, {0: 1})).offset == 0
    assert write_error(reader, TOPIC) == KafkaError.TOPIC_AUTHORIZATION_FAILED
    with pytest.raises(Exception, match=r"(?i)authorization"):
        log_ends(reader, f"{TOPIC}.dlq")
    readers = AdminClient(reader.client())
    with pytest.raises(KafkaException, match="AUTHORIZATION_FAILED"):
        answer_of(readers.create_topics([NewTopic("mine", 1, 1)])["mine"], 10)

    stack.wait_progress()
    require_secret(stack, password)
    stack.audit(resume=False)
    require_others_let_in(stack)
    stack.down(volumes=False)
    assert places_of(password.encode(), stack.paths.home) == {}
    assert not stack.paths.certificates.exists()


def test_a_count_goes_on_when_its_broker_becomes_secure_and_open_again(stack: RealStack) -> None:
    stack.settings |= {"rate": "200"}
    stack.bring_up(LastStep.STREAM)
    stack.wait_progress()
    driver = stack.program_pid("stream")
    for secure in ("true", "false"):
        stack.bring_up(LastStep.STREAM, secure=secure)
        assert stack.program_pid("stream") != driver
        driver = stack.program_pid("stream")
        assert (stack.lab.stack.connection.settings.get("security.protocol") == "SASL_SSL") is (secure == "true")
        stack.wait_progress()
        stack.audit()
    assert len([path for path in stack.paths.checkpoints.iterdir() if path.is_dir()]) == 1, "no new epoch"


def inside(container: Container, *command: str) -> str:
    code, output = container.exec_run(list(command))
    assert code == 0, output
    return str(output.decode())


@pytest.mark.docker
def test_a_secure_broker_in_a_container_shows_no_secret(docker_stack: RealStack) -> None:
    stack = docker_stack
    stack.settings |= {"secure": "true"}
    stack.bring_up(LastStep.TOPIC)
    connection = stack.lab.stack.connection
    password = connection.settings["sasl.password"]
    assert KafkaError._AUTHENTICATION in refusals(without(connection, **WRONG))
    require_secret(stack, password)
    with engine() as client:
        container = client.containers.get(stack.lab.stack.qualified("kafka"))
        assert password not in str(container.attrs)
        assert inside(container, "sh", "-c", f"stat -c '%a %U' {PLACE}/*") == "600 appuser\n" * 3
        (volume,) = [each["Name"] for each in container.attrs["Mounts"] if each["Destination"] == str(PLACE)]
        container.restart()
        stack.wait_until(lambda: log_ends(connection, TOPIC, 2.0) == {0: (0, 0)}, 30, "the same container again")
        assert password not in container.logs().decode()
        assert "QuorumController" in container.logs().decode()
        stack.down()
        with pytest.raises(NotFound):
            client.volumes.get(volume)
