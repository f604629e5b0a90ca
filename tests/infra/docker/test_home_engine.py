"""A stack whose engine this shell does not ask: nothing of it may be called absent, stopped or deleted."""

from __future__ import annotations

import shlex
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from fakes.engine import FakeEngine

from infra.docker.engine import engine_variable
from infra.docker.labels import STACK_LABEL
from infra.docker.runtime import DockerRuntime
from infra.host.paths import StackPaths
from infra.stack.profiles import declare
from infra.stack.runtime import ServiceState
from trending.errors import EngineUnavailable
from trending.settings import RuntimeKind, StackSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ELSEWHERE = "DOCKER_HOST=unix:///elsewhere/docker.sock"
ACTS: dict[str, Callable[[DockerRuntime], Any]] = {
    "observe": lambda runtime: runtime.observe(runtime._stack.services[0]),
    "prepare": DockerRuntime.prepare,
    "start": lambda runtime: runtime.start(runtime._stack.services[0]),
    "stop": lambda runtime: runtime.stop(runtime._stack.services[0]),
    "remove": lambda runtime: runtime.remove(runtime._stack.services[0]),
    "destroy": lambda runtime: runtime.destroy(volumes=True),
    "check": lambda runtime: runtime.checks()["engine"](),
}
pytestmark = pytest.mark.row(35)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    """An engine that has nothing at all."""
    made = FakeEngine(tmp_path / "docker.sock")
    made.answers |= {"/containers/json": (200, []), "/volumes": (200, {"Volumes": []})}
    monkeypatch.setenv("DOCKER_HOST", made.host)
    yield made
    made.close()


def opened(tmp_path: Path, made_at: str) -> DockerRuntime:
    paths = StackPaths(tmp_path, "lab")
    stack = declare(StackSettings(name="lab"), RuntimeKind.DOCKER, paths, "x" * 22)
    return DockerRuntime(stack, paths, lambda _line: None, made_at)


@pytest.mark.parametrize("act", ACTS)
def test_another_engine_that_has_nothing_of_the_stack_is_refused(act: str, fake: FakeEngine, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=f"the stack lab is in the Docker engine of {ELSEWHERE}") as caught:
        ACTS[act](opened(tmp_path, ELSEWHERE))
    assert f"DOCKER_HOST={fake.host}" in caught.value.cause
    assert ELSEWHERE in caught.value.next_command


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("made_at", ["", "the same"])
def test_in_its_own_engine_or_in_a_stack_of_an_earlier_version_what_is_not_there_is_absent(made_at: str, tmp_path: Path) -> None:
    runtime = opened(tmp_path, made_at and engine_variable())
    assert ACTS["observe"](runtime).state is ServiceState.ABSENT
    assert ACTS["check"](runtime) == "answers"


@pytest.mark.parametrize("kind", ["volume", "container"])
def test_an_engine_that_has_something_of_the_stack_is_its_own_however_it_is_reached(
    kind: str, fake: FakeEngine, tmp_path: Path
) -> None:
    runtime = opened(tmp_path, ELSEWHERE)
    labels = {STACK_LABEL: runtime._stack.stack_id}
    if kind == "volume":
        fake.answers["/volumes"] = (200, {"Volumes": [{"Name": "lab_kafka-data", "Labels": labels}]})
    else:
        fake.answers["/containers/json"] = (200, [{"Id": "c1", "Names": ["/lab-kafka"], "Labels": labels}])
        fake.answers["/containers/c1/json"] = (200, {"Id": "c1", "Name": "/lab-kafka", "Config": {"Labels": labels}})
    assert ACTS["check"](runtime) == "answers"
    assert any(runtime._stack.stack_id in query for query in fake.queries), "only what carries the stack's mark counts"


def test_a_stack_whose_engine_is_gone_for_good_can_be_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/gone.sock")
    runtime = opened(tmp_path, f"DOCKER_HOST=unix://{tmp_path}/gone.sock")
    with pytest.raises(EngineUnavailable, match="no Docker engine answers") as caught:
        ACTS["check"](runtime)
    words = caught.value.next_command
    assert "RUNTIME=embedded" not in words, "the stack is Docker's"
    state = StackPaths(tmp_path, "lab").state
    state.parent.mkdir(parents=True)
    state.touch()
    forget = words.partition("gone for good, ")[2].partition(" forgets the stack and deletes nothing")[0]
    subprocess.run(shlex.split(forget), check=True)
    assert not state.exists()
    assert [each.name for each in state.parent.iterdir()] == ["state.json.forgotten"]
