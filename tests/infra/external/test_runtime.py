"""A stack on somebody else's cluster: nothing there is touched but the topics that it has made."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, ClassVar

import pytest

from infra.external import runtime as external
from infra.external.runtime import ExternalRuntime
from infra.host.paths import StackPaths
from infra.stack.declaration import Service, ServiceKind
from infra.stack.profiles import client_ports, declare
from infra.stack.runtime import SUPERVISOR, KeptData, ServiceState
from trending.access.kept import keep_access
from trending.access.settings import AccessSettings
from trending.errors import InvalidInput, NotOurs
from trending.kafka.connection import KafkaConnection
from trending.settings import RuntimeKind, StackSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SETTINGS = StackSettings(name="lab", runtime=RuntimeKind.EXTERNAL)
ACCESS = AccessSettings(bootstrap="localhost:9092")
BROKER = Service("kafka", ServiceKind.KAFKA, 1, "", {}, (), 1, 1, {}, {}, 1)


class FakeClient:
    """A cluster whose topics have ids."""

    topics: ClassVar[dict[str, str]] = {}
    settings: ClassVar[dict[str, str]] = {}

    def __init__(self, connection: KafkaConnection) -> None:
        FakeClient.settings = dict(connection.settings)

    def topic(self, name: str, _timeout: float) -> SimpleNamespace | None:
        return SimpleNamespace(topic_id=self.topics[name]) if name in self.topics else None

    def delete_topic(self, name: str, _principal: str) -> None:
        del self.topics[name]


@pytest.fixture(autouse=True)
def cluster(monkeypatch: pytest.MonkeyPatch) -> type[FakeClient]:
    monkeypatch.setattr(external, "BrokerClient", FakeClient)
    FakeClient.topics = {"tweets": "1", "letters": "2", "theirs": "3"}
    FakeClient.settings = {}
    return FakeClient


def opened(home: Path, access: AccessSettings = ACCESS, **made: str) -> ExternalRuntime:
    paths = StackPaths(home, "lab")
    connection = KafkaConnection("localhost:9092", {"sasl.password": "kept"})
    return ExternalRuntime(declare(SETTINGS, RuntimeKind.EXTERNAL, paths, "", connection), paths, access, made)


def test_it_has_no_services_and_takes_no_ports(tmp_path: Path) -> None:
    stack = declare(SETTINGS, RuntimeKind.EXTERNAL, StackPaths(tmp_path, "lab"), "", KafkaConnection("far:9093"), "probe")
    assert stack.external
    assert (stack.services, stack.ports, stack.probe_topic, stack.connection.bootstrap) == ((), (), "probe", "far:9093")
    assert client_ports(SETTINGS) == ()
    assert not declare(StackSettings(), RuntimeKind.EMBEDDED, StackPaths(tmp_path, "lab"), "").external


def test_there_is_nothing_to_see_of_it_on_this_machine(tmp_path: Path) -> None:
    lab = opened(tmp_path)
    assert (lab.kind, lab.foundation, lab.checks()) == (RuntimeKind.EXTERNAL, SUPERVISOR, {})
    assert lab.kept_data() == KeptData((), "")
    assert lab.observe(BROKER).state is ServiceState.ABSENT
    assert (lab.output(BROKER, 9), lab.image(BROKER), lab.kafka_version()) == ("", "", "")
    assert "localhost:9092" in lab.data_place(BROKER)
    lab.require_no_namesake()
    lab.prepare()


@pytest.mark.parametrize("what", ["start", "stop", "remove"])
def test_a_broker_of_theirs_is_refused(tmp_path: Path, what: str) -> None:
    with pytest.raises(NotOurs, match="not this stack's own"):
        getattr(opened(tmp_path), what)(BROKER)


def test_and_never_broken(tmp_path: Path) -> None:
    sabotage = opened(tmp_path).sabotage
    acts: list[Callable[[Service], object]] = [sabotage.process, sabotage.pause, sabotage.resume, sabotage.kill]
    for act in acts:
        with pytest.raises(NotOurs, match="not broken on purpose"):
            act(BROKER)
    assert not sabotage.contained
    assert sabotage.keeper == "whoever runs the cluster"


def test_only_topics_that_it_has_made_are_deleted_and_only_when_asked_to(tmp_path: Path, cluster: type[FakeClient]) -> None:
    lab = opened(tmp_path, tweets="1", letters="another by now", gone="9")
    lab.destroy(volumes=False)
    assert set(cluster.topics) == {"tweets", "letters", "theirs"}
    lab.destroy(volumes=True)
    assert set(cluster.topics) == {"letters", "theirs"}
    lab.destroy(volumes=True)


def test_a_cluster_where_it_has_made_nothing_is_not_even_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external, "BrokerClient", None)
    opened(tmp_path).destroy(volumes=True)


def test_once_it_is_down_the_secret_is_read_anew(
    tmp_path: Path, cluster: type[FakeClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD_HERE", "again")
    sasl = {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "kafka_user": "lab"}
    access = AccessSettings(bootstrap="localhost:9092", **sasl, kafka_secret="env:PASSWORD_HERE")  # noqa: S106 - its place
    opened(tmp_path, access, tweets="1").destroy(volumes=True)
    assert cluster.settings["sasl.password"] == "again"
    paths = StackPaths(tmp_path, "lab")
    paths.run.mkdir(parents=True)
    keep_access(paths.access, {"sasl.password": "kept"})
    opened(tmp_path, access, letters="2").destroy(volumes=True)
    assert cluster.settings["sasl.password"] == "kept"
    paths.access.unlink()
    block = access.model_copy(update={"kafka_secret": "block:kafka"})
    with pytest.raises(InvalidInput, match="which only a flow reads"):
        opened(tmp_path, block, theirs="3").destroy(volumes=True)
    assert "theirs" in cluster.topics
