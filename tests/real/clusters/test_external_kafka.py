"""A stack on somebody else's Kafka: who is refused is told why within 15 s, who is let in loses nothing and leaves nothing."""

from __future__ import annotations

import stat
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic
from fakes.clusters.certificates import Authority
from real.clusters.foreign_broker import PASSWORDS, ForeignBroker, foreign_broker
from real.conftest import new_stack

from infra.forms.stacks import LastStep
from infra.operations.services import check_access
from trending.errors import AccessRefused, ConfigurationConflict, InvalidInput, LabError, NotReady
from trending.settings import LabSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from real.harness import RealStack

TOLD_SECONDS = 15.0
UNSET = {"kafka_secret": "env:UNSET_HERE"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory, authority: Authority, real_home: Path) -> Iterator[ForeignBroker]:
    port = new_stack().port + 20
    with foreign_broker(tmp_path_factory.mktemp("foreign"), port, authority) as broker:
        yield broker


@pytest.fixture
def passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, password in PASSWORDS.items():
        monkeypatch.setenv(f"PASSWORD_OF_{name.upper()}", password)


def sasl(foreign: ForeignBroker, who: str, **more: str) -> dict[str, str]:
    """Return the settings with which somebody comes in."""
    return {
        "runtime": "external",
        "bootstrap": foreign.secure,
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "kafka_user": who,
        "kafka_secret": f"env:PASSWORD_OF_{who.upper()}",
        "ca_file": str(foreign.authority.pem),
        **more,
    }


REFUSALS: dict[str, tuple[type[LabError], str, Callable[[ForeignBroker], dict[str, str]]]] = {
    "password": (AccessRefused, "refuses the user name or the password", lambda them: sasl(them, "admin", kafka_user="bob")),
    "mechanism": (AccessRefused, "another SASL_MECHANISM", lambda them: sasl(them, "admin", sasl_mechanism="SCRAM-SHA-512")),
    "expired": (AccessRefused, "has expired", lambda them: sasl(them, "admin", bootstrap=them.expired)),
    "host": (AccessRefused, "is for another host", lambda them: sasl(them, "admin", bootstrap=them.misnamed)),
    "authority": (AccessRefused, "signed by nobody whom", lambda them: sasl(them, "admin", ca_file="")),
    "protocol": (AccessRefused, "another protocol", lambda them: {"runtime": "external", "bootstrap": them.secure}),
    "nobody": (NotReady, "no broker answers", lambda them: sasl(them, "admin", bootstrap=f"localhost:{them.port + 9}")),
    "name": (AccessRefused, "has no address", lambda them: sasl(them, "admin", bootstrap="nowhere.invalid:9093")),
    "misled": (ConfigurationConflict, "does not reach", lambda them: {"runtime": "external", "bootstrap": them.misled}),
    "unset": (InvalidInput, "it is not set here", lambda them: sasl(them, "admin", **UNSET)),
    "rights": (AccessRefused, "User:alice lacks rights", lambda them: sasl(them, "alice", topic="hidden")),
    "replication": (ConfigurationConflict, "not as counting needs", lambda them: sasl(them, "admin", replication="3")),
}


def settings_of(given: dict[str, str]) -> LabSettings:
    stack = {name: given[name] for name in ("runtime", "topic", "replication") if name in given}
    access: dict[str, Any] = {name: value for name, value in given.items() if name not in stack and value}
    return LabSettings.model_validate({"stack": stack, "access": access})


def refusal(given: dict[str, str]) -> LabError:
    """Return the error, which comes soon, without its frames, which hold Kafka clients."""
    began = time.monotonic()
    try:
        check_access(settings_of(given))
    except LabError as error:
        assert time.monotonic() - began < TOLD_SECONDS
        return error.with_traceback(None)
    raise AssertionError("nothing was refused")


@pytest.mark.usefixtures("passwords")
@pytest.mark.parametrize("case", REFUSALS)
def test_who_is_refused_is_told_why(foreign: ForeignBroker, case: str) -> None:
    kind, words, given = REFUSALS[case]
    before = foreign.topics()
    error = refusal(given(foreign))
    assert type(error) is kind
    assert words in error.cause
    assert error.evidence
    assert error.next_command
    assert not any(password in str(error) for password in PASSWORDS.values())
    assert foreign.topics() == before


@pytest.mark.usefixtures("passwords")
def test_a_certificate_is_enough_where_the_cluster_asks_for_one(foreign: ForeignBroker, authority: Authority) -> None:
    bare = {"runtime": "external", "bootstrap": foreign.mutual, "security_protocol": "SSL", "ca_file": str(authority.pem)}
    assert "refuses our certificate, or asks for one" in refusal(bare).cause
    pem = authority.sign("carol")
    error = refusal({**bare, "client_pem": str(pem)})
    assert error.cause == "User:CN=carol lacks rights on the cluster"
    assert "--allow-principal User:CN=carol --operation Create" in error.next_command
    foreign.allow_stack("trending", "tweets_topic", "CN=carol")
    check_access(settings_of({**bare, "client_pem": str(pem)}))
    pem.chmod(0o644)
    assert "others may read the file of CLIENT_PEM" in refusal({**bare, "client_pem": str(pem)}).cause


@pytest.fixture
def guest(stack: RealStack, foreign: ForeignBroker, passwords: None) -> Iterator[RealStack]:
    """A stack whose Kafka is the foreign broker, which may delete what it has made at the end."""
    stack.runtime = "external"
    stack.settings = {**sasl(foreign, "alice"), "topic": f"{stack.name}_tweets", "rate": "200"}
    yield stack
    for name in (f"{stack.name}_tweets", f"{stack.name}_tweets.dlq", "trending_probe"):
        foreign.allow(ResourceType.TOPIC, name, AclOperation.DELETE)


def test_a_guest_with_the_rights_that_it_needs_loses_nothing_and_shows_no_secret(
    guest: RealStack, foreign: ForeignBroker
) -> None:
    topic = guest.settings["topic"]
    output = guest.up(code=20)
    assert "User:alice lacks rights on the cluster" in output
    assert not guest.paths.state.exists()
    foreign.allow_stack(guest.name, topic)
    theirs = AdminClient(foreign.inside.client())
    theirs.create_topics([NewTopic("theirs", 1, 1)])["theirs"].result(10)

    assert "cluster: User:alice in cluster" in guest.up()
    stranger = Producer(foreign.inside.client())
    stranger.produce(topic, b"no tweet")
    assert stranger.flush(10) == 0
    guest.wait_progress()
    guest.wait_well()
    report = guest.audit_command()
    assert "rejected for other reasons: 1, dead letters: 1" in report
    assert "cluster" in guest.command("status", f"--name={guest.name}")
    assert guest.command("spy", f"--name={guest.name}", "--limit=3").count("hashtag_principal") == 3

    password = PASSWORDS["alice"]
    seen = [place for place in guest.paths.home.rglob("*") if place.is_file() and password.encode() in place.read_bytes()]
    assert seen == [guest.paths.access]
    assert stat.S_IMODE(guest.paths.access.stat().st_mode) == 0o600
    assert not [each.pid for each in psutil.process_iter(["cmdline"]) if password in " ".join(each.info["cmdline"] or ())]

    guest.down(volumes=False)
    assert not guest.paths.access.exists()
    assert {topic, f"{topic}.dlq", "theirs"} <= foreign.topics()
    refused = guest.command("tear_down", f"--name={guest.name}", "--volumes", code=20)
    assert f"User:alice may not delete the topic {topic}" in refused
    assert guest.paths.store.exists()
    for name in (topic, f"{topic}.dlq", "trending_probe"):
        foreign.allow(ResourceType.TOPIC, name, AclOperation.DELETE)
    guest.down_command()
    assert {topic, f"{topic}.dlq"}.isdisjoint(foreign.topics())
    assert "theirs" in foreign.topics()
    guest.assert_nothing_left()


def test_a_topic_that_was_there_goes_on_and_stays(guest: RealStack, foreign: ForeignBroker) -> None:
    """Its earlier records are not counted, its partitions and retention not touched; undone or taken down, it is there."""
    topic = guest.settings["topic"]
    theirs = AdminClient(foreign.inside.client())
    config = {"message.timestamp.type": "LogAppendTime", "retention.ms": "86400000"}
    theirs.create_topics([NewTopic(topic, 2, 1, config=config)])[topic].result(10)
    stranger = Producer(foreign.inside.client())
    for number in range(100):
        stranger.produce(topic, b"older", partition=number % 2)
    assert stranger.flush(10) == 0
    foreign.allow_stack(guest.name, topic)
    guest.bring_up(LastStep.STREAM)
    guest.wait_progress()
    guest.audit()
    guest.down(volumes=False)
    for name in (f"{topic}.dlq", "trending_probe"):
        foreign.allow(ResourceType.TOPIC, name, AclOperation.DELETE)
    guest.down_command()
    assert topic in foreign.topics()
    assert f"{topic}.dlq" not in foreign.topics()
