"""A stack on an external cluster, on a machine of pretend: getting in, topics, what is recorded and kept."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any

import pytest
from fakes.plain import lab_stack
from pydantic import SecretStr

from infra.health.examination import examine, needs
from infra.host.secret_references import no_block
from infra.kafka.client import TopicView
from infra.lab.assembly import Lab, open_lab, record, sweep_machine
from infra.operations import services
from infra.operations.description import describe
from infra.operations.epochs import counting_epoch, known_topic_id
from infra.operations.services import check_access, enter_cluster
from infra.operations.stream import stream_spec, submit_stream
from infra.operations.topic import create_topic
from infra.operations.undo import found_before, undo
from infra.stack.runtime import Outcome
from infra.stack.state import read_state
from trending.access.settings import AccessSettings
from trending.errors import AccessRefused, ConfigurationConflict, InvalidInput
from trending.kafka.transactions import letters_id, redrive_id
from trending.programs.specifications import ProducerSpec
from trending.settings import LabSettings, RuntimeKind

if TYPE_CHECKING:
    from fakes.world import World

    from infra.external.examination import Use
    from trending.kafka.connection import KafkaConnection

REFERENCE = {"kafka_secret": "env:PASSWORD_HERE"}
SASL: dict[str, Any] = {
    "bootstrap": "kafka.example:9093",
    "security_protocol": "SASL_SSL",
    "sasl_mechanism": "PLAIN",
    "kafka_user": "alice",
    **REFERENCE,
}


class Cluster:
    """What would examine a cluster; remembers what it was asked for."""

    def __init__(self) -> None:
        self.cluster_id = "theirs"
        self.uses: list[Use] = []
        self.connections: list[KafkaConnection] = []

    def examine(self, _access: AccessSettings, connection: KafkaConnection, use: Use) -> tuple[str, str]:
        self.uses.append(use)
        self.connections.append(connection)
        return self.cluster_id, "User:alice in cluster theirs"


@pytest.fixture
def cluster(world: World, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    cluster = Cluster()
    world.external, world.cluster_id = True, cluster.cluster_id
    monkeypatch.setenv("PASSWORD_HERE", "canary-7")
    monkeypatch.setattr(services, "examine_cluster", cluster.examine)
    return cluster


def settings(**access: Any) -> LabSettings:
    stack = lab_stack().model_copy(update={"runtime": RuntimeKind.EXTERNAL, "replication": 3, "partitions": 2})
    return LabSettings(stack=stack, access=AccessSettings(**{**SASL, **access}))


def entered() -> Lab:
    record(settings())
    assert enter_cluster("lab", no_block) == "User:alice in cluster theirs"
    return open_lab("lab")


def test_what_lets_it_in_is_kept_for_every_client_and_named_in_no_state(cluster: Cluster) -> None:
    lab = entered()
    assert lab.stack.external
    assert lab.stack.connection.client()["sasl.password"] == "canary-7"
    assert cluster.connections[0].settings == lab.stack.connection.settings
    assert stat.S_IMODE(lab.paths.access.stat().st_mode) == 0o600
    assert "canary-7" not in lab.paths.state.read_text()
    assert lab.state.cluster_id == "theirs"
    access = lab.access
    assert access is not None
    spec = ProducerSpec(
        bootstrap=lab.stack.connection.bootstrap,
        access=access,
        topic="tweets",
        heartbeat=lab.paths.heartbeat("producer"),
        settings=lab.settings.producer,
        ledger=lab.paths.ledger,
        topic_id="",
    )
    assert "canary-7" not in spec.model_dump_json()
    assert spec.connection == lab.stack.connection
    sweep_machine(lab, volumes=False)
    assert not lab.paths.access.exists()
    with pytest.raises(ConfigurationConflict, match="is gone"):
        assert spec.connection


def test_a_changed_password_is_another_version_of_the_specification(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    first = entered().access
    assert entered().access == first
    monkeypatch.setenv("PASSWORD_HERE", "another")
    assert entered().access != first
    assert len(cluster.uses) == 3


def test_another_cluster_behind_the_same_address_is_refused(cluster: Cluster) -> None:
    entered()
    cluster.cluster_id = "another"
    with pytest.raises(ConfigurationConflict, match=r"another cluster answers at kafka\.example:9093") as caught:
        enter_cluster("lab", no_block)
    assert "VOLUMES=1, which forgets what was counted there" in caught.value.next_command


def test_a_block_is_read_by_whoever_can(cluster: Cluster) -> None:
    record(settings(kafka_secret="block:kafka"))  # noqa: S106 - its place
    with pytest.raises(InvalidInput, match="which only a flow reads"):
        enter_cluster("lab", no_block)
    enter_cluster("lab", lambda name: SecretStr(f"of {name}"))
    assert cluster.connections[0].settings["sasl.password"] == "of kafka"


def test_it_is_looked_at_before_anything_starts(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    check_access(LabSettings())
    check_access(settings(kafka_secret="block:kafka"))  # noqa: S106 - its place
    assert cluster.uses == []

    def refuse(*_asked: object) -> None:
        raise AccessRefused("no")

    check_access(settings())
    (use,) = cluster.uses
    assert [each.name for each in use.topics] == ["tweets_topic", "tweets_topic.dlq", "trending_probe"]
    assert use.group == "lab-stream"
    monkeypatch.setattr(services, "examine_cluster", refuse)
    for check in (services.check_start, services.check_own_start):
        with pytest.raises(AccessRefused):
            check(settings())


def test_the_ids_of_a_job_that_runs_are_left_alone(cluster: Cluster, world: World) -> None:
    lab = entered()
    assert cluster.uses[-1].transactional_ids == (letters_id("tweets_topic.dlq"), redrive_id("tweets_topic"))
    lab.supervisor.start()
    create_topic("lab")
    submit_stream("lab")
    assert "stream" in world.programs
    enter_cluster("lab", no_block)
    assert cluster.uses[-1].transactional_ids == ()


@pytest.mark.usefixtures("cluster")
def test_missing_topics_are_made_and_recorded_as_its_own(world: World, said: list[str]) -> None:
    theirs = TopicView("tweets_topic", "theirs", 6, 3, ())
    world.topics["tweets_topic"] = theirs
    entered()
    assert create_topic("lab") is Outcome.CREATED
    state = read_state(open_lab("lab").paths)
    assert state is not None
    assert state.topics_made == {"tweets_topic.dlq": "id-of-tweets_topic.dlq", "trending_probe": "id-of-trending_probe"}
    assert world.topics["tweets_topic"] is theirs
    assert "tweets_topic" not in world.topic_settings
    assert world.topics["tweets_topic.dlq"].replication == 3
    assert world.topic_settings["tweets_topic.dlq"]["cleanup.policy"] == "delete"
    assert "retention.ms" in world.topic_settings["tweets_topic.dlq"]
    assert "tweets_topic is there already: its retention and its partitions stay as they are" in said
    assert create_topic("lab") is Outcome.ADOPTED
    again = read_state(open_lab("lab").paths)
    assert again == state


@pytest.mark.usefixtures("cluster")
def test_its_state_and_health_show_the_cluster_as_somebody_elses(world: World) -> None:
    lab = entered()
    line = next(each for each in describe(lab) if each.name == "cluster")
    assert (line.state, line.health, line.detail, line.trouble) == ("external", "healthy", "kafka.example:9093", False)
    assert needs(lab)["cluster"] == ()
    found = {each.component: each for each in examine(lab)}
    assert found["cluster"].evidence.startswith("cluster theirs")
    world.external = False
    line = next(each for each in describe(lab) if each.name == "cluster")
    assert (line.health, line.trouble) == ("unhealthy", True)
    assert "no broker answers" in line.detail


@pytest.mark.usefixtures("cluster")
def test_the_job_gets_in_the_same_way() -> None:
    lab = entered()
    lab.supervisor.start()
    create_topic("lab")
    spec = stream_spec(lab, counting_epoch(lab, known_topic_id(lab)))
    options = spec.connection.spark_options()
    assert options["kafka.security.protocol"] == "SASL_SSL"
    assert 'password="canary-7"' in options["kafka.sasl.jaas.config"]


@pytest.mark.usefixtures("cluster")
def test_topics_made_by_a_start_that_fails_on_a_stack_that_was_there_stay_recorded() -> None:
    entered()
    before = found_before("lab")
    create_topic("lab")
    undo("lab", before, ConfigurationConflict("no"))
    state = read_state(open_lab("lab").paths)
    assert state is not None
    assert "tweets_topic" in state.topics_made
