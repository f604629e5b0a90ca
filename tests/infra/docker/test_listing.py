"""What the engine lists by label: by plain HTTP, by the SDK where only that can connect, and both the same."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from fakes.engine import FakeEngine

from infra.docker import marks
from infra.docker.labels import COMPONENT_LABEL, STACK_LABEL
from infra.docker.listing import Listed, Listing, list_labelled
from infra.docker.marks import DockerMarks, MarkedContainer, docker_marks, marked_things
from infra.docker.presence import DEFAULT_HOST, Address, plain_address
from infra.host.paths import StackPaths
from infra.stack.state import StackState, Wanted, write_state
from trending.errors import EngineUnavailable
from trending.settings import LabSettings, RuntimeKind, StackSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MINE = {STACK_LABEL: "lab-1", COMPONENT_LABEL: "kafka"}
ANSWERS: dict[str, tuple[int, Any]] = {
    "/containers/json": (200, [{"Names": ["/lab-kafka"], "State": "running", "Labels": MINE}]),
    "/networks": (200, [{"Name": "lab_default", "Labels": MINE}, {"Name": "other_default", "Labels": {STACK_LABEL: "other-1"}}]),
    "/volumes": (200, {"Volumes": [{"Name": "lab_kafka-data", "Labels": MINE}, {"Name": "theirs", "Labels": None}]}),
}
FOUND = DockerMarks((MarkedContainer("kafka", "lab-kafka", "running"),), ("lab_default",), ("lab_kafka-data",))


@pytest.fixture(autouse=True)
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker's configuration directory, and nothing of it in the environment."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    directory = tmp_path / "docker"
    directory.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(directory))
    monkeypatch.setenv("HOME", str(tmp_path))
    return directory


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    made = FakeEngine(tmp_path / "d.sock")
    made.answers |= ANSWERS
    monkeypatch.setenv("DOCKER_HOST", made.host)
    yield made
    made.close()


def context(configured: Path, host: str, name: str = "colima") -> None:
    (configured / "config.json").write_text(json.dumps({"currentContext": name}))
    meta = configured / "contexts" / "meta" / sha256(name.encode()).hexdigest() / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}))


def test_by_plain_http_and_by_the_sdk_the_same_is_found(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = marked_things(5)
    assert len(engine.asked) == 3, "one question a kind"
    assert plain.of("lab-1") == FOUND
    monkeypatch.setattr(marks, "plain_address", lambda: None)
    assert marked_things(5) == plain
    assert len(engine.asked) > 6, "the SDK asks for the version, and knocks"


def test_only_what_carries_the_label_is_asked_for(engine: FakeEngine) -> None:
    list_labelled(Address(engine.host), STACK_LABEL, 5)
    assert all("%7B%22label%22%3A%20%5B%22trending.stack%22%5D%7D" in asked for asked in engine.queries)
    assert any("all=1" in asked for asked in engine.queries), "a container that has ended is one too"


def test_an_engine_that_refuses_is_told_with_its_words(engine: FakeEngine) -> None:
    engine.answers["/networks"] = (403, {"message": "plugin denied it"})
    with pytest.raises(EngineUnavailable, match="the Docker engine refuses") as caught:
        list_labelled(Address(engine.host), STACK_LABEL, 5)
    assert "plugin denied it" in caught.value.evidence
    assert docker_marks("lab-1", 5) == DockerMarks(silence=caught.value.cause)


def test_a_frozen_engine_is_waited_for_no_longer_than_asked(engine: FakeEngine) -> None:
    engine.silent.add("/containers/json")
    begun = time.monotonic()
    assert docker_marks("lab-1", 1).silence == f"no Docker engine answers at {engine.host}"
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("answer", ["<html>", [], {"Volumes": [{}]}, [{"Labels": 7}]])
def test_what_answers_like_no_engine_is_none(answer: object, engine: FakeEngine) -> None:
    engine.answers |= dict.fromkeys(ANSWERS, (200, answer))
    if answer == []:
        engine.answers["/networks"] = (200, 7)
    assert docker_marks("lab-1", 5).silence == f"no Docker engine answers at {engine.host}"


@pytest.mark.parametrize("error", [EngineUnavailable("no Docker engine answers at ssh://far"), OSError("timed out")])
def test_an_engine_that_the_sdk_cannot_ask_has_told_nothing_and_why(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_seconds: int) -> Any:
        raise error

    monkeypatch.setenv("DOCKER_HOST", "ssh://far")
    monkeypatch.setattr("infra.docker.engine.engine", silent)
    assert docker_marks("lab-1", 1) == DockerMarks(silence="no Docker engine answers at ssh://far")
    assert marked_things(1).listing == Listing()


@pytest.mark.parametrize(
    ("host", "plain"),
    [
        ("unix:///run/d.sock", True),
        ("tcp://127.0.0.1:2375", True),
        ("tcp://[::1]:2375", True),
        ("tcp://far", False),
        ("tcp://far:2375/behind", False),
        ("tcp://far:port", False),
        ("ssh://far", False),
        ("unix://", False),
        ("far:2375", False),
    ],
)
def test_an_address_is_asked_plainly_where_that_is_how_the_sdk_would_ask_it(
    host: str,
    plain: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
    configured: Path,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    assert plain_address() == (Address(host) if plain else None)
    monkeypatch.delenv("DOCKER_HOST")
    context(configured, host)
    assert plain_address() == (Address(host, "colima") if plain else None)


@pytest.mark.parametrize("variable", ["DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "http_proxy", "HTTP_PROXY"])
def test_tls_and_a_proxy_are_the_sdks(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "1")
    monkeypatch.setenv("DOCKER_HOST", "tcp://far:2376")
    assert plain_address() is None
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/d.sock")
    assert plain_address() == Address("unix:///run/d.sock")


def test_the_context_is_found_as_docker_finds_it(configured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert plain_address() == Address(DEFAULT_HOST)
    context(configured, "http+unix:///run/colima.sock")
    assert plain_address() == Address("unix:///run/colima.sock", "colima")
    monkeypatch.setenv("DOCKER_CONTEXT", "default")
    assert plain_address() == Address(DEFAULT_HOST)
    monkeypatch.setenv("DOCKER_CONTEXT", "gone")
    assert plain_address() is None, "the SDK says what is wrong"


def test_a_context_with_certificates_is_the_sdks(configured: Path) -> None:
    context(configured, "tcp://far:2376")
    assert plain_address() is not None
    (configured / "contexts" / "tls" / sha256(b"colima").hexdigest()).mkdir(parents=True)
    assert plain_address() is None


STATUS = """
import sys
from infra.commands.status import main
from infra.forms.stacks import NamedStack
try:
    main(NamedStack(name="lab"))
except SystemExit:
    print([name for name in ("docker", "requests") if name in sys.modules])
"""


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRENDING_HOME", str(tmp_path / "home"))
    settings = LabSettings(stack=StackSettings(name="lab", port=31999))
    paths = StackPaths.of("lab")
    paths.root.mkdir(parents=True)
    write_state(paths, StackState(wanted=Wanted.UP, runtime=RuntimeKind.EMBEDDED, cluster_id="c", settings=settings))


@pytest.mark.usefixtures("recorded")
def test_status_of_an_embedded_stack_imports_no_sdk_beside_an_engine_and_asks_it_once(engine: FakeEngine) -> None:
    done = subprocess.run([sys.executable, "-c", STATUS], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr
    assert sorted(engine.asked) == sorted(ANSWERS)


def test_a_thing_without_the_label_is_nobodys() -> None:
    things = marks.MarkedThings(Listing((Listed("kafka", {}, "running"),)))
    assert things.of("lab-1") == DockerMarks()
    assert things.forgotten().things == {}
