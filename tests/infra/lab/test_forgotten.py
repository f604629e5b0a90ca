"""What checkouts that were moved or deleted have left: listed, and gone only when it is named."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from infra.docker import engine as docker_engine
from infra.docker import marks
from infra.docker.labels import HOME_LABEL, NAME_LABEL, STACK_LABEL, USER_LABEL, labels_of
from infra.docker.listing import Listed, Listing
from infra.docker.marks import MarkedThings
from infra.docker.presence import Address
from infra.host import user as host_user
from infra.host.marks import mark_variables
from infra.host.paths import StackPaths
from infra.host.processes import COMPONENT_VARIABLE, stack_processes
from infra.host.user import user_name
from infra.lab import forgotten
from infra.prefect_services.supervision import services_identity
from infra.supervision.configuration import clean_environment
from trending.errors import InvalidInput
from trending.settings import StackSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.row(35)


class FakeDocker:
    """Docker's things, each with labels; what is removed is remembered."""

    def __init__(self) -> None:
        self.removed: list[str] = []
        self.kinds: dict[str, list[tuple[str, dict[str, str]]]] = {"containers": [], "networks": [], "volumes": []}

    def __getattr__(self, kind: str) -> Any:
        return SimpleNamespace(list=lambda **options: self._list(kind, options["filters"].get("label", "")))

    def _list(self, kind: str, wanted: str) -> list[Any]:
        label, _equals, value = wanted.partition("=")
        return [
            SimpleNamespace(name=name, labels=labels, status="exited", remove=lambda name=name, **_: self.removed.append(name))
            for name, labels in self.kinds[kind]
            if labels.get(label) == value
        ]

    def listing(self, *_: object) -> Listing:
        """Stand in for infra.docker.listing.list_labelled."""
        return Listing(
            tuple(Listed(name, labels, "exited") for name, labels in self.kinds["containers"]),
            *(tuple(Listed(name, labels) for name, labels in self.kinds[kind]) for kind in ("networks", "volumes")),
        )

    def add(self, home: Path, name: str = "lab") -> None:
        mark = {STACK_LABEL: StackPaths(home, name).stack_id, NAME_LABEL: name, USER_LABEL: "ana", HOME_LABEL: str(home)}
        self.kinds["containers"].append((f"{name}-kafka", mark))
        self.kinds["networks"].append((f"{name}_default", mark))
        self.kinds["volumes"].append((f"{name}_kafka-data", mark))


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
    made = FakeDocker()

    @contextmanager
    def engine(*_: object) -> Iterator[FakeDocker]:
        yield made

    monkeypatch.setattr(docker_engine, "engine", engine)
    monkeypatch.setattr(marks, "plain_address", lambda: Address("unix:///pretended"))
    monkeypatch.setattr(marks, "list_labelled", made.listing)
    monkeypatch.setattr(forgotten, "engine_answers", lambda: None)
    return made


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgotten, "marked_things", lambda _seconds: MarkedThings(Listing(), "no engine answers"))
    monkeypatch.setattr(forgotten, "engine_answers", lambda: "no engine answers")


@pytest.fixture
def gone(tmp_path: Path) -> Path:
    return tmp_path / "gone" / ".trending"


@contextmanager
def running(home: Path, stack_id: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """A process of a stack of that home."""
    with monkeypatch.context() as there:
        there.setenv("TRENDING_HOME", str(home))
        variables = {**mark_variables(stack_id), COMPONENT_VARIABLE: "producer"}
    child = subprocess.Popen(["sleep", "60"], env={**os.environ, **variables}, start_new_session=True)
    try:
        while not stack_processes(stack_id):
            time.sleep(0.01)
        yield child
    finally:
        child.kill()
        child.wait()


def lines_of(home: Path) -> list[str]:
    return [line for line in forgotten.forgotten_lines("own") if str(home) in line]  # not what others have left on this machine


def test_processes_and_containers_say_in_plain_text_whose_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRENDING_HOME", str(tmp_path))
    stack_id = StackPaths.of("my-lab").stack_id
    environment = clean_environment(stack_id)
    assert environment["TRENDING_STACK_NAME"] == "my-lab"
    assert environment["TRENDING_STACK_USER"] == user_name(os.getuid())
    assert environment["TRENDING_STACK_HOME"] == str(tmp_path)
    stack: Any = SimpleNamespace(name="my-lab", stack_id=stack_id)
    labels = labels_of(stack, "kafka")
    assert (labels[NAME_LABEL], labels[USER_LABEL], labels[HOME_LABEL]) == ("my-lab", user_name(os.getuid()), str(tmp_path))


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_uid: int) -> None:
        raise KeyError

    monkeypatch.setattr(host_user.pwd, "getpwuid", nobody)
    assert user_name(os.getuid()) == str(os.getuid())


def test_what_a_home_that_is_gone_has_left_is_listed_with_the_command_that_ends_it(
    gone: Path, docker: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker.add(gone)
    with running(gone, StackPaths(gone, "lab").stack_id, monkeypatch) as child:
        lines = lines_of(gone)
    assert any(f"producer (process pid {child.pid})" in line for line in lines)
    text = "\n".join(lines)
    for part in ("container lab-kafka, exited", "network lab_default", "volume lab_kafka-data", "user ana", f"LEFT_BY={gone}"):
        assert part in text


def test_a_home_that_is_there_is_not_listed(gone: Path, docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    gone.mkdir(parents=True)
    docker.add(gone)
    with running(gone, StackPaths(gone, "lab").stack_id, monkeypatch):
        assert lines_of(gone) == []


@pytest.mark.parametrize("volumes", [False, True])
def test_it_goes_when_it_is_named_and_its_data_only_with_volumes(
    volumes: bool,  # noqa: FBT001
    gone: Path,
    docker: FakeDocker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    docker.add(gone)
    docker.add(gone, "another")
    docker.add(gone.parent)
    with running(gone, StackPaths(gone, "lab").stack_id, monkeypatch) as child:
        assert forgotten.take_down_homeless("lab", str(gone), volumes=volumes)
        child.wait(5)
    assert docker.removed == ["lab-kafka", "lab_default", *(["lab_kafka-data"] if volumes else [])]
    assert not gone.parent.exists(), "nothing is made in its place"


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("volumes", [False, True])
def test_data_in_files_of_a_checkout_that_was_moved_stays_and_is_said_where(
    volumes: bool,  # noqa: FBT001
    gone: Path,
    tmp_path: Path,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = tmp_path / "moved/.trending/stacks/lab"
    for name in ("run", "data"):
        (root / name).mkdir(parents=True)
    with monkeypatch.context() as there:
        there.chdir(root / "run")
        with running(gone, StackPaths(gone, "lab").stack_id, monkeypatch) as child:
            assert forgotten.take_down_homeless("lab", str(gone), volumes=volumes)
            child.wait(5)
    assert said[-1] == f"its data in files stays in {root / 'data'}, and make down NAME=lab VOLUMES=1 deletes it in that checkout"
    assert (root / "data").exists()


def test_a_home_that_is_there_is_refused(gone: Path, docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    gone.mkdir(parents=True)
    docker.add(gone)
    with running(gone, StackPaths(gone, "lab").stack_id, monkeypatch) as child:
        for home in (str(gone), "relative/.trending"):
            with pytest.raises(InvalidInput, match="left_by is the home of a checkout that is gone"):
                forgotten.take_down_homeless("lab", home, volumes=True)
        assert child.poll() is None
    assert docker.removed == []


@pytest.mark.usefixtures("silent")
def test_prefects_services_of_a_home_that_is_gone_go_by_their_name(gone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as there:
        there.setenv("TRENDING_HOME", str(gone))
        services = services_identity()
    with running(gone, services, monkeypatch) as child:
        (line,) = lines_of(gone)
        assert f"make down NAME=prefect-services LEFT_BY={gone}" in line
        assert forgotten.take_down_homeless("prefect-services", str(gone), volumes=False)
        child.wait(5)


@pytest.mark.usefixtures("silent")
def test_a_silent_engine_is_told_of(gone: Path, said: list[str]) -> None:
    assert not forgotten.take_down_homeless("lab", str(gone), volumes=False)
    assert "what Docker has of it could not be seen (no engine answers)" in said[-1]


def test_no_stack_can_have_the_id_of_prefects_services() -> None:
    for name in ("prefect-server", "prefect-services"):
        assert StackPaths.of(StackSettings(name=name).name).stack_id != services_identity()
    with pytest.raises(ValueError, match="pattern"):
        StackSettings(name="prefect_services")


def test_a_stack_of_this_home_without_a_state_file_is_named_too_and_the_one_that_was_asked_for_is_not(
    docker: FakeDocker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRENDING_HOME", str(tmp_path))
    for name in ("lost", "own", "known"):
        docker.add(tmp_path, name)
    known = StackPaths.of("known")
    known.root.mkdir(parents=True)
    known.state.touch()
    with (
        running(tmp_path, StackPaths.of("lost").stack_id, monkeypatch) as child,
        running(tmp_path, services_identity(), monkeypatch),
    ):
        lines = [line for line in forgotten.forgotten_lines("own") if "of this checkout" in line]
    text = "\n".join(lines)
    assert f"lost: producer (process pid {child.pid})" in text
    assert "volume lost_kafka-data" in text
    assert "make status NAME=lost" in text
    for other in ("own", "known", "prefect"):
        assert f"{other}-kafka" not in text
        assert f"{other}:" not in text
