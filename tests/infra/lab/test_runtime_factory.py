"""Which runtime a stack gets, and why; and that nothing else tells the runtimes apart."""

from __future__ import annotations

import ast
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes.compose import composed

from infra.docker.marks import DockerMarks
from infra.docker.runtime import DockerRuntime
from infra.embedded.runtime import EmbeddedRuntime
from infra.host.paths import StackPaths
from infra.lab import runtime_factory as module
from infra.lab.assembly import record
from infra.stack.runtime import KeptData
from infra.stack.state import read_state
from trending.errors import ConfigurationConflict, EngineUnavailable, NotOurs
from trending.settings import LabSettings, ProfileName, RuntimeKind, StackSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fakes.world import World

CHECKOUT = Path(__file__).resolve().parents[3]
COMPARING = ["infra/lab/runtime_factory.py", "infra/stack/profiles.py", "src/trending/settings.py"]
"""The factory, the declaration's model and the settings."""


@pytest.fixture(autouse=True)
def _docker_has_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the machine's own engine out of it: with one these tests would ask it, without one they would not."""
    monkeypatch.setattr(module, "docker_marks", lambda _stack_id, _seconds: DockerMarks())


def settings(**stack: Any) -> LabSettings:
    return LabSettings(stack=StackSettings(**{"name": "lab", "runtime": RuntimeKind.EMBEDDED, **stack}))


@pytest.mark.row(1)
def test_auto_goes_embedded_where_no_engine_answers_and_says_why(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "engine_answers", lambda: "no Docker engine answers at somewhere")
    made, why = record(settings(runtime=RuntimeKind.AUTO))
    assert made.state.runtime is RuntimeKind.EMBEDDED
    assert "no Docker engine answers at somewhere" in why
    assert world.changes == []
    with pytest.raises(EngineUnavailable):
        record(settings(name="other", runtime=RuntimeKind.AUTO, profile=ProfileName.ZOOKEEPER))


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """A Docker engine of pretend that answers and has these images."""
    here: set[str] = set()
    monkeypatch.setattr(module, "engine_answers", lambda: None)
    monkeypatch.setattr("infra.docker.engine.engine", lambda: nullcontext("a client"))
    monkeypatch.setattr("infra.docker.stand_ins.has_image", lambda _client, image: image in here)
    return here


def test_auto_takes_docker_where_an_engine_has_the_image_or_one_that_stands_in(images: set[str]) -> None:
    auto = StackSettings(runtime=RuntimeKind.AUTO)
    kind, why = module.choose_runtime(auto)
    assert kind is RuntimeKind.EMBEDDED
    assert "apache/kafka:4.4.0 is not here" in why
    images.add("trending-lab/kafka:4.4.0")
    assert module.choose_runtime(auto)[0] is RuntimeKind.DOCKER
    images.clear()
    images.add("apache/kafka:4.4.0")
    assert module.choose_runtime(auto) == (RuntimeKind.DOCKER, "a Docker engine answers")


def test_the_zookeeper_profile_takes_docker_though_its_images_must_be_fetched(images: set[str]) -> None:
    zookeeper = StackSettings(runtime=RuntimeKind.AUTO, profile=ProfileName.ZOOKEEPER)
    assert images == set()
    assert module.choose_runtime(zookeeper)[0] is RuntimeKind.DOCKER


def test_a_stack_of_containers_gets_the_docker_runtime_and_its_volumes_are_looked_at_before_anything_is_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[bool] = []

    def kept_data(_runtime: DockerRuntime) -> KeptData:
        looked.append(read_state(StackPaths.of("lab")) is None)
        return KeptData((), "")

    monkeypatch.setattr("infra.docker.engine.engine", nullcontext)
    monkeypatch.setattr(DockerRuntime, "kept_data", kept_data)
    made, _why = record(settings(runtime=RuntimeKind.DOCKER))
    assert made.runtime.kind is RuntimeKind.DOCKER
    assert looked == [True]


def test_containers_are_not_started_beside_those_of_docker_compose(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [composed()]
    monkeypatch.setattr("infra.docker.compose_stack.compose_stack", lambda _project: found[0])
    monkeypatch.setattr("infra.docker.engine.engine", nullcontext)
    monkeypatch.setattr(DockerRuntime, "kept_data", lambda _runtime: KeptData((), ""))
    record(settings(name="other"))[0].runtime.require_no_namesake()
    in_containers = record(settings(runtime=RuntimeKind.DOCKER))[0].runtime
    with pytest.raises(NotOurs, match="Docker Compose has a stack named lab; it is left alone") as caught:
        in_containers.require_no_namesake()
    assert caught.value.next_command.startswith("docker compose -p lab down, or make up NAME=")
    assert "kafka, pid 4711" in caught.value.evidence
    found[0] = None
    in_containers.require_no_namesake()


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A Docker engine of pretend that answers; the stacks whose marks it is asked for."""
    asked: list[str] = []

    def marks(stack_id: str, _seconds: int) -> DockerMarks:
        asked.append(stack_id)
        return DockerMarks(volumes=("lab_kafka-data",))

    monkeypatch.setattr(module, "docker_marks", marks)
    monkeypatch.setattr("infra.docker.engine.engine", nullcontext)
    return asked


def test_what_was_seen_of_docker_is_not_asked_for_again(answering: list[str]) -> None:
    docker = settings(runtime=RuntimeKind.DOCKER).stack
    paths = StackPaths.of("lab")
    kind, why = module.resolve_runtime(docker, paths, DockerMarks(volumes=("lab_seen",)))
    assert (kind, why) == (RuntimeKind.DOCKER, "its data is there (volume lab_seen)")
    assert module.resolve_runtime(docker, paths, DockerMarks()) == (RuntimeKind.DOCKER, "as asked for")
    assert answering == []
    assert "lab_kafka-data" in module.resolve_runtime(docker, paths, None)[1]
    assert answering == [paths.stack_id]


def test_an_engine_that_was_silent_a_moment_ago_is_asked_again_and_started_on_by_nobody(answering: list[str]) -> None:
    silent = DockerMarks(silence="timed out")
    with pytest.raises(EngineUnavailable, match="did not answer a moment ago") as caught:
        module.resolve_runtime(settings(runtime=RuntimeKind.AUTO).stack, StackPaths.of("lab"), silent)
    assert caught.value.evidence == "timed out"
    assert len(answering) == 1


def test_another_runtime_than_that_of_the_data_is_refused(answering: list[str]) -> None:
    with pytest.raises(ConfigurationConflict, match="has data of the docker runtime"):
        module.resolve_runtime(settings().stack, StackPaths.of("lab"), None)
    assert answering


def test_without_an_engine_only_the_embedded_runtime_can_be_asked() -> None:
    assert module.kinds_within_reach("no Docker engine answers") == (RuntimeKind.EMBEDDED,)
    assert module.kinds_within_reach("") == (RuntimeKind.EMBEDDED, RuntimeKind.DOCKER)


def test_what_runs_in_containers_rests_on_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DockerRuntime, "kept_data", lambda _runtime: KeptData((), ""))
    monkeypatch.setattr("infra.docker.engine.engine", nullcontext)
    made, _why = record(settings(runtime=RuntimeKind.DOCKER))
    assert made.runtime.foundation == "engine"
    assert list(made.runtime.checks()) == ["engine"]
    assert made.runtime.sabotage.contained
    assert isinstance(record(settings(name="other"))[0].runtime, EmbeddedRuntime)


def comparisons(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield what is compared with, or matched against: a member of RuntimeKind may be anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            yield node
        elif isinstance(node, ast.MatchValue):
            yield node.value


def names_a_runtime(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "RuntimeKind" for each in ast.walk(node))


def test_only_the_factory_and_the_models_compare_runtimes() -> None:
    """Everything else asks the runtime that it has."""
    modules = [path for floor in ("flows", "tasks", "infra", "src") for path in sorted((CHECKOUT / floor).rglob("*.py"))]
    comparing = [
        path.relative_to(CHECKOUT).as_posix()
        for path in modules
        if any(names_a_runtime(each) for each in comparisons(ast.parse(path.read_text(encoding="utf-8"))))
    ]
    assert comparing == COMPARING


def test_an_image_that_was_asked_for_is_never_replaced_by_the_embedded_broker(
    images: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = StackSettings(runtime=RuntimeKind.AUTO, kafka_image="apache/kafka:4.2.2")
    images.add("trending-lab/kafka:4.4.0")
    assert module.missing_image(other) == "apache/kafka:4.2.2"
    assert module.choose_runtime(other)[0] is RuntimeKind.DOCKER  # where it is pulled, or named as not to be had
    monkeypatch.setattr(module, "engine_answers", lambda: "no Docker engine answers at somewhere")
    with pytest.raises(EngineUnavailable) as caught:
        module.choose_runtime(other)
    assert caught.value.evidence == "the image apache/kafka:4.2.2 runs in containers only"
    with pytest.raises(ConfigurationConflict, match=r"the image apache/kafka:4.2.2 was asked for"):
        record(settings(kafka_image="apache/kafka:4.2.2"))
    record(settings())
    with pytest.raises(ConfigurationConflict, match="exists in the embedded runtime") as conflict:
        record(settings(runtime=RuntimeKind.AUTO, kafka_image="apache/kafka:4.2.2"))
    assert "apache/kafka:4.2.2" in conflict.value.evidence


def test_a_frozen_engine_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "docker_marks", lambda _stack_id, _seconds: DockerMarks(silence="no Docker engine answers"))
    monkeypatch.setattr(module, "engine_answers", lambda: pytest.fail("asked again"))
    assert module.resolve_runtime(settings(runtime=RuntimeKind.AUTO).stack, StackPaths.of("lab"), None)[0] is RuntimeKind.EMBEDDED
    with pytest.raises(EngineUnavailable, match="no Docker engine answers"):
        module.resolve_runtime(settings(runtime=RuntimeKind.DOCKER).stack, StackPaths.of("lab"), None)
