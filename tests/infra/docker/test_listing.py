"""What the engine lists by label: by plain HTTP, by the SDK where only that can connect, and both the same."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from hashlib import sha256
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from fakes.engine import FakeEngine

from infra.docker import marks
from infra.docker.labels import COMPONENT_LABEL, STACK_LABEL
from infra.docker.listing import LOOK, Listed, Listing, is_copy, list_labelled
from infra.docker.marks import DockerMarks, MarkedContainer, docker_marks, marked_things, remove_marked
from infra.docker.presence import DEFAULT_HOST, Address, plain_address
from infra.host.paths import StackPaths
from infra.stack.profiles import declare
from infra.stack.state import StackState, Wanted, write_state
from trending.errors import EngineUnavailable, NotOurs
from trending.settings import LabSettings, ProfileName, RuntimeKind, StackSettings

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


NAMES = {
    "lab-1": (
        "lab-kafka",
        "lab-kafka-2",
        "lab-zookeeper",
        "lab_default",
        "lab_kafka-3-data",
        "lab_zookeeper-data",
        "lab_zookeeper-log",
    ),
    "trending-1": ("kafka", "zookeeper", "trending_default", "trending_kafka-data"),
    "a-b-1": ("a-b-kafka", "a-b_kafka-data"),
}


@pytest.mark.parametrize(("stack_id", "name"), [(stack_id, name) for stack_id, names in NAMES.items() for name in names])
def test_what_has_a_name_of_the_labs_is_no_copy(stack_id: str, name: str) -> None:
    assert not is_copy(name, stack_id)


@pytest.mark.parametrize("name", ["lab", "trending", "a-b"])
@pytest.mark.parametrize("profile", list(ProfileName))
def test_whatever_a_stack_declares_is_no_copy(name: str, profile: ProfileName) -> None:
    """A take-down would leave it, and say that it is somebody's."""
    brokers = 3 if profile is ProfileName.KRAFT else 1
    settings = StackSettings(name=name, profile=profile, brokers=brokers, runtime=RuntimeKind.DOCKER)
    stack = declare(settings, RuntimeKind.DOCKER, StackPaths.of(name), "cluster")
    containers = [stack.qualified(service.name) for service in stack.services]
    volumes = [f"{stack.name}_{volume}" for service in stack.services for volume in service.volumes]
    assert len(volumes) >= len(containers) >= brokers
    assert [each for each in (*containers, *volumes, stack.network) if is_copy(each, stack.stack_id)] == []


@pytest.mark.row(35)
@pytest.mark.parametrize(
    "name", ["happy_turing", "kafka", "lab-kafka-old", "lab_kafka-data-backup", "lab_mine", "xlab-kafka", "LAB-kafka"]
)
def test_what_carries_copied_labels_is_left_alone_and_told(name: str) -> None:
    """As ``docker commit`` copies them into an image, and its containers get them: a take-down removed such a container."""
    copied = Listed(name, MINE, "running")
    found = marks.MarkedThings(Listing((copied,), (copied,), (copied,)))
    assert found.of("lab-1") == DockerMarks(copies=(f"container {name}", f"network {name}", f"volume {name}"))
    assert found.forgotten().things == found.forgotten().volumes == {}
    removed: list[str] = []

    def things(**_: object) -> list[Any]:
        def remove(**_: object) -> None:
            removed.append(name)

        return [SimpleNamespace(name=name, labels=MINE, status="exited", remove=remove)]

    client: Any = SimpleNamespace(**dict.fromkeys(("containers", "networks", "volumes"), SimpleNamespace(list=things)))
    remove_marked(client, "lab-1", volumes=True)
    assert removed == []
    assert not is_copy(name, "lab-1", LOOK), "the engine chooses the name of a container that is only looked into"


class Used:
    """An engine in which somebody's container uses a volume of the stack's, or is attached to its network."""

    def __init__(self, used: str) -> None:
        self.removed: list[str] = []
        self._used = used

    def __getattr__(self, kind: str) -> Any:
        names = {"containers": ["lab-kafka"], "networks": ["lab_default"], "volumes": ["lab_kafka-2-data", "lab_kafka-data"]}[
            kind
        ]
        return SimpleNamespace(list=lambda all=True, filters=None: self._list(names, filters))  # noqa: A006, ARG005 - the SDK's

    def _list(self, names: list[str], filters: dict[str, str]) -> list[Any]:
        if "label" not in filters:
            names = ["theirs"] if self._used in filters.values() else []
        return [
            SimpleNamespace(name=name, labels=MINE, status="exited", remove=lambda name=name, **_: self.removed.append(name))
            for name in names
        ]


@pytest.mark.parametrize("volumes", [False, True])
def test_a_container_of_somebodys_on_the_network_is_named_when_all_else_is_gone(volumes: bool) -> None:  # noqa: FBT001
    engine: Any = Used("lab_default")
    with pytest.raises(NotOurs, match="the network lab_default stays") as caught:
        remove_marked(engine, "lab-1", volumes=volumes)
    assert caught.value.evidence == "theirs"
    assert caught.value.next_command.startswith("docker network disconnect lab_default theirs, ")
    assert engine.removed == ["lab-kafka", *(["lab_kafka-2-data", "lab_kafka-data"] if volumes else [])]


def test_no_volume_goes_while_a_container_of_somebodys_uses_one_of_them() -> None:
    engine: Any = Used("lab_kafka-data")
    with pytest.raises(NotOurs, match="no volume was deleted: a container that the lab did not make uses lab_kafka-data"):
        remove_marked(engine, "lab-1", volumes=True)
    assert engine.removed == ["lab-kafka", "lab_default"]
    remove_marked(engine, "lab-1", volumes=False)


def test_a_thing_without_the_label_is_nobodys() -> None:
    things = marks.MarkedThings(Listing((Listed("kafka", {}, "running"),)))
    assert things.of("lab-1") == DockerMarks()
    assert things.forgotten().things == {}
