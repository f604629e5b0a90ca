"""What can be known of Docker without an engine; tests/real/test_docker.py has the rest."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from docker.errors import APIError, DockerException, ImageNotFound
from fakes.engine import FakeEngine

from infra.docker import engine as module
from infra.docker.containers import ensure_network
from infra.docker.engine import ACT_SECONDS, describe_engine, engine, has_image, pull, taken_port
from infra.docker.labels import HASH_LABEL, STACK_LABEL
from infra.docker.marks import docker_marks
from infra.docker.presence import engine_answers
from infra.docker.runtime import DockerRuntime
from infra.host.paths import StackPaths
from infra.kafka.readiness import require_running
from infra.stack.profiles import declare
from infra.stack.runtime import Outcome
from trending.errors import EngineUnavailable, ImageUnavailable, NotReady
from trending.settings import RuntimeKind, StackSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def a_client(events: list[dict[str, Any]] | Exception, *here: str) -> Any:
    """A Docker client that has these images, and whose pull brings these events."""

    def get(image: str) -> str:
        if image not in here:
            raise ImageNotFound(image)
        return image

    def do_pull(_image: str, *, stream: bool, decode: bool) -> Any:
        assert stream
        assert decode
        if isinstance(events, Exception):
            raise events
        return iter(events)

    return SimpleNamespace(
        images=SimpleNamespace(get=get),
        api=SimpleNamespace(pull=do_pull, base_url="http+docker://localhost"),
        version=lambda: {"Version": "20.10.24", "Os": "linux", "Arch": "amd64"},
    )


@pytest.mark.row(1)
@pytest.mark.parametrize("host", ["tcp://127.0.0.1:1", "tcp://[::1]:1"])
def test_an_engine_that_does_not_answer_is_one_error_with_the_host_tried_and_the_ways_out(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    started = time.monotonic()
    with pytest.raises(EngineUnavailable) as caught, engine():
        pytest.fail("there is no engine")
    assert time.monotonic() - started < 5, "a storm of retries"
    assert caught.value.cause.startswith("no Docker engine answers at ")
    assert "RUNTIME=embedded" in caught.value.next_command
    assert not caught.value.retriable
    assert engine_answers() == caught.value.cause


@pytest.mark.row(1)
def test_the_host_tried_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert "127.0.0.1:1" in str(engine_answers())


@pytest.mark.row(1)
def test_a_docker_host_that_is_nonsense_is_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "gopher://somewhere")
    assert "no Docker engine answers" in str(engine_answers())


def test_an_image_is_here_or_not() -> None:
    client = a_client([], "apache/kafka:4.4.0")
    assert has_image(client, "apache/kafka:4.4.0")
    assert not has_image(client, "apache/kafka:4.2.2")
    assert describe_engine(client).startswith("Docker 20.10.24 (linux/amd64) at ")


def test_a_pull_tells_its_progress() -> None:
    lines: list[str] = []
    events = [{"id": "a", "status": "Pulling"}, {"id": "b", "status": "Already exists"}, {"id": "a", "status": "Pull complete"}]
    pull(a_client([{"status": "Pulling from"}, *events]), "apache/kafka:4.4.0", lines.append)
    assert lines == ["apache/kafka:4.4.0: 1 of 2 layers", "apache/kafka:4.4.0: 2 of 2 layers"]


@pytest.mark.row(2)
@pytest.mark.parametrize(
    "events",
    [
        [{"id": "a", "status": "Pulling"}, {"error": "manifest unknown"}],
        APIError("manifest unknown"),
        OSError("manifest unknown"),
    ],
)
def test_an_error_is_found_wherever_the_pull_hides_it(events: Any) -> None:
    with pytest.raises(ImageUnavailable, match="is neither here nor to be had") as caught:
        pull(a_client(events), "apache/kafka:4.4.0", lambda _line: None)
    assert "apache/kafka:4.4.0" in caught.value.cause
    assert "manifest unknown" in caught.value.evidence
    assert "make images" in caught.value.next_command


@pytest.mark.row(4)
@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("Bind for 127.0.0.1:9092 failed: port is already allocated", 9092),
        ("listen tcp4 0.0.0.0:2181: bind: address already in use", 2181),
        ("port is already allocated", 0),
        ("no such image", None),
    ],
)
def test_a_taken_port_is_known_by_the_engines_text(text: str, port: int | None) -> None:
    assert taken_port(APIError(text)) == port


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker's configuration in a directory of its own, to be written."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path / "config.json"


@pytest.mark.row(1)
def test_a_context_that_is_gone_is_named(configured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured.write_text(json.dumps({"currentContext": "desktop-linux"}))
    assert engine_answers() == "there is no Docker context desktop-linux"
    assert docker_marks("lab-1", 1).silence == "there is no Docker context desktop-linux"
    monkeypatch.setenv("DOCKER_CONTEXT", "far-away")
    with pytest.raises(EngineUnavailable, match="there is no Docker context far-away") as caught, engine():
        pytest.fail("there is no engine")
    assert caught.value.evidence == "DOCKER_CONTEXT names it"
    assert "docker context use default" in caught.value.next_command


@pytest.mark.row(1)
def test_the_context_of_an_engine_that_does_not_answer_is_named(configured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from docker.context import ContextAPI  # noqa: PLC0415 - it reads the environment

    configured.write_text("{}")
    ContextAPI.create_context("colima", host=f"unix://{configured.parent}/colima.sock")
    monkeypatch.setenv("DOCKER_CONTEXT", "colima")
    assert engine_answers() == f"no Docker engine answers at unix://{configured.parent}/colima.sock (Docker context colima)"
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert engine_answers() == "no Docker engine answers at tcp://127.0.0.1:1"


@pytest.mark.row(1)
@pytest.mark.parametrize("text", ["[]", '{"currentContext": 7}', '{"currentContext": ["a"]}', '{"auths": [], "proxies": []}'])
def test_a_configuration_that_the_sdk_does_not_expect_is_one_error(text: str, configured: Path) -> None:
    configured.write_text(text)
    silence = engine_answers()
    assert silence is None or "Docker" in silence


@pytest.mark.row(1)
def test_a_damaged_context_is_named(configured: Path) -> None:
    from docker.context.config import get_meta_file  # noqa: PLC0415 - it reads the environment

    configured.write_text('{"currentContext": "colima"}')
    meta = configured.parent / get_meta_file("colima")
    meta.parent.mkdir(parents=True)
    meta.write_text("{")
    assert engine_answers() == "the Docker context colima cannot be read"


@pytest.mark.row(2)
@pytest.mark.parametrize(
    "error",
    [
        DockerException("Credentials store error: StoreError('docker-credential-desktop not installed')"),
        RuntimeError("docker-credential-desktop died"),
    ],
)
def test_a_broken_credential_helper_is_named_with_its_remedy(error: Exception) -> None:
    with pytest.raises(ImageUnavailable, match="is neither here nor to be had") as caught:
        pull(a_client(error), "apache/kafka:4.4.0", lambda _line: None)
    assert "docker-credential-desktop" in caught.value.evidence
    assert "credsStore" in caught.value.next_command


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    """An engine on a socket of its own, and a second for its answers."""
    made = FakeEngine(tmp_path / "docker.sock")
    monkeypatch.setenv("DOCKER_HOST", made.host)
    monkeypatch.setattr(module, "QUESTION_SECONDS", 1)
    yield made
    made.close()


@pytest.mark.row(1)
def test_a_frozen_engine_is_told_after_one_question(fake: FakeEngine) -> None:
    fake.silent.add("*")
    started = time.monotonic()
    with pytest.raises(EngineUnavailable, match="no Docker engine answers at unix://"), engine(ACT_SECONDS):
        pytest.fail("it does not answer")
    assert time.monotonic() - started < 3


@pytest.mark.row(1)
def test_an_engine_that_freezes_in_the_middle_is_told_too(fake: FakeEngine) -> None:
    fake.silent.add("/containers/kafka/json")
    started = time.monotonic()
    with pytest.raises(EngineUnavailable, match="no Docker engine answers at unix://"), engine(1) as client:
        client.containers.get("kafka")
    assert time.monotonic() - started < 3


def test_who_acts_has_longer_than_who_asks(fake: FakeEngine) -> None:
    with engine() as asking:
        assert asking.api.timeout == 5
    with engine(ACT_SECONDS) as acting:
        assert acting.api.timeout == 60
    assert fake.asked


def a_stack(tmp_path: Path) -> Any:
    return declare(StackSettings(name="lab"), RuntimeKind.DOCKER, StackPaths(tmp_path, "lab"), "x" * 22)


@pytest.mark.parametrize(
    "message",
    [
        "all predefined address pools have been fully subnetted",
        "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
    ],
)
def test_exhausted_address_pools_are_named_with_their_remedy(message: str, fake: FakeEngine, tmp_path: Path) -> None:
    fake.answers |= {"/networks": (200, []), "/networks/create": (403, {"message": message})}
    with pytest.raises(EngineUnavailable, match="refuses: Docker has no address range left") as caught, engine() as client:
        ensure_network(client, a_stack(tmp_path))
    assert caught.value.evidence == message
    assert "docker network prune" in caught.value.next_command


def test_whatever_else_the_engine_refuses_is_told_in_its_own_words(fake: FakeEngine) -> None:
    fake.answers["/containers/json"] = (500, {"message": "layer store is corrupt"})
    with pytest.raises(EngineUnavailable, match="the Docker engine refuses") as caught, engine() as client:
        client.containers.list()
    assert caught.value.evidence == "layer store is corrupt"


def test_a_paused_container_is_called_so_and_let_go_on(fake: FakeEngine, tmp_path: Path) -> None:
    stack = a_stack(tmp_path)
    runtime, service = DockerRuntime(stack, StackPaths(tmp_path, "lab"), lambda _line: None), stack.services[0]
    state = {"Status": "paused", "Running": True, "Restarting": False, "Paused": True, "StartedAt": "2026-11-28T20:00:00Z"}
    labels = {STACK_LABEL: stack.stack_id}
    image = {"Id": "sha256:1", "Config": {"Labels": {}}}
    container = {"Id": "c1", "Name": "/lab-kafka", "State": state, "Config": {"Labels": labels, "Image": service.image}}
    fake.answers |= {
        f"/containers/{stack.qualified('kafka')}/json": (200, container),
        f"/images/{service.image}/json": (200, image),
        "/containers/c1/unpause": (204, ""),
    }
    with engine() as client:
        labels[HASH_LABEL] = runtime._config_hash(client, service, service.image)
    assert runtime.observe(service).frozen
    with pytest.raises(NotReady, match="kafka is paused") as caught:
        require_running(runtime, service)
    assert "make up" in caught.value.next_command
    assert runtime.start(service) is Outcome.STARTED
    assert any(path.endswith("/containers/c1/unpause") for path in fake.asked)
