"""Recognising a stack of Docker Compose by what an engine says; tests/real/test_compose.py has the real one."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from fakes.clock import FakeClock

from infra.docker import compose_stack as module
from infra.docker.compose_stack import compose_ladder, compose_stack
from infra.docker.labels import STACK_LABEL
from infra.kafka.readiness import climb
from infra.stack.declaration import ServiceKind
from infra.stack.runtime import ServiceState
from trending.errors import EngineUnavailable, NotReady, ServiceDied

if TYPE_CHECKING:
    from collections.abc import Iterator


def container(service: str, *ports: int, health: str = "", status: str = "running", code: int = 0, **labels: str) -> Any:
    """One container as the engine inspects it."""
    running = status == "running"
    state: dict[str, Any] = {
        "Status": status,
        "Running": running,
        "Restarting": False,
        "Paused": False,
        "Pid": 4711,
        "ExitCode": code,
        "OOMKilled": False,
    }
    bindings = {f"{port}/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}] for port in ports}
    return SimpleNamespace(
        id=service,
        name=f"my-{service}",
        status=status,
        labels={module.PROJECT_LABEL: "lab", module.SERVICE_LABEL: service, **labels},
        attrs={
            "State": {"StartedAt": "2026-11-23T06:57:12.123456789Z"} | state | ({"Health": {"Status": health}} if health else {}),
            "RestartCount": 0,
            "NetworkSettings": {"Ports": {**bindings, "9999/tcp": None}},
        },
    )


@pytest.fixture
def containers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the engine has; the filter by project is the engine's own."""
    made: list[Any] = []

    def listed(*, filters: dict[str, str], **_options: object) -> list[Any]:
        assert filters == {"label": f"{module.PROJECT_LABEL}=lab"}
        return made

    client = SimpleNamespace(containers=SimpleNamespace(list=listed), events=lambda **_filters: iter(()))

    @contextmanager
    def answering(_seconds: int) -> Iterator[Any]:
        yield client

    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    monkeypatch.setattr("infra.docker.engine.engine", answering)
    return made


def test_brokers_and_zookeeper_are_known_by_their_service_names(containers: list[Any]) -> None:
    containers += [container("kafka-2", 9093), container("kafka", 9092), container("zookeeper", 2181), container("kafkacat")]
    found = compose_stack("lab")
    assert found is not None
    assert [(each.name, each.kind, each.ports) for each in found.services] == [
        ("zookeeper", ServiceKind.ZOOKEEPER, (2181,)),
        ("kafka", ServiceKind.KAFKA, (9092,)),
        ("kafka-2", ServiceKind.KAFKA, (9093,)),
        ("kafkacat", None, ()),
    ]
    assert found.connection.bootstrap == "localhost:9092,localhost:9093"
    assert found.take_down_command == "docker compose -p lab down"


def test_a_project_without_a_broker_is_no_stack(containers: list[Any]) -> None:
    containers.append(container("db", 5432))
    assert compose_stack("lab") is None


def test_containers_that_carry_our_own_label_are_not_composes(containers: list[Any]) -> None:
    containers.append(container("kafka", 9092, **{STACK_LABEL: "lab-1"}))
    assert compose_stack("lab") is None


def test_without_an_engine_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_seconds: int) -> Any:
        raise EngineUnavailable("no Docker engine answers")

    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    monkeypatch.setattr("infra.docker.engine.engine", silent)
    assert compose_stack("lab") is None


def climbed(containers: list[Any], which: int = 0) -> dict[str, str]:
    found = compose_stack("lab")
    assert found is not None
    assert len(containers) == len(found.services)
    return climb(compose_ladder(found, found.services[which]), 0.0, FakeClock())


def test_a_stopped_container_is_dead_with_the_command_that_shows_why(containers: list[Any]) -> None:
    containers.append(container("kafka", status="exited", code=1))
    with pytest.raises(ServiceDied, match="kafka is exited") as caught:
        climbed(containers)
    assert caught.value.next_command == "docker logs my-kafka"
    assert "exit code 1" in caught.value.evidence


@pytest.mark.parametrize("health", ["starting", "unhealthy"])
def test_a_container_whose_own_check_does_not_hold_is_not_ready(containers: list[Any], health: str) -> None:
    containers.append(container("kafka", 9092, health=health))
    with pytest.raises(NotReady, match=f"the health check of kafka says {health}"):
        climbed(containers)


def test_only_the_last_broker_is_asked_for_the_cluster_and_is_only_looked_at(
    containers: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []
    monkeypatch.setattr(module, "watching_ladder", lambda at, brokers: asked.append((at.bootstrap, brokers)) or [])
    containers += [container("kafka", 9092, health="healthy"), container("kafka-2", 9093)]
    assert climbed(containers, 0) == {"running": "my-kafka, pid 4711", "own health check": "its own check: healthy"}
    assert asked == []
    assert climbed(containers, 1)["own health check"] == "its own check: none"
    assert asked == [("localhost:9092,localhost:9093", 2)]


def test_a_zookeeper_must_serve(containers: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "require_serving", lambda port: f"serves on {port}")
    containers += [container("zookeeper", 2181), container("kafka")]
    assert climbed(containers)["serving"] == "serves on 2181"


def test_a_broker_without_a_port_on_this_machine_is_judged_by_its_own_check(containers: list[Any]) -> None:
    containers.append(container("kafka", health="healthy"))
    found = compose_stack("lab")
    assert found is not None
    assert found.brokers == ()
    assert found.services[0].observed.state is ServiceState.RUNNING
    assert climbed(containers)["own health check"] == "its own check: healthy"
