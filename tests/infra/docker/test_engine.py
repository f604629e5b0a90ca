"""What can be known of Docker without an engine; tests/real/test_docker.py has the rest."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError, ImageNotFound

from infra.docker.engine import describe_engine, engine, has_image, pull, taken_port
from infra.docker.presence import engine_answers
from trending.errors import EngineUnavailable, ImageUnavailable


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
