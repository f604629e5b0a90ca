"""Whose containers are paused and killed, on an engine of pretend."""

from __future__ import annotations

import os
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from docker.errors import NotFound
from fakes.plain import lab_stack

from infra.docker import sabotage as module
from infra.docker.labels import STACK_LABEL
from infra.docker.sabotage import ContainerSabotage
from infra.host.paths import StackPaths
from infra.stack.profiles import declare
from trending.errors import LabError, NotOurs
from trending.settings import RuntimeKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.stack.declaration import Stack

ACTS = ["process", "pause", "resume", "kill"]


class Engine:
    """Has one container of the broker's name with these labels, or none; notes what is done to it."""

    def __init__(self, labels: dict[str, str] | None, status: str = "running") -> None:
        self.done: list[str] = []
        self._labels = labels
        self._status = status

    def get(self, name: str) -> SimpleNamespace:
        if self._labels is None:
            raise NotFound(f"no such container: {name}")
        return SimpleNamespace(
            name=name,
            short_id="4711",
            labels=self._labels,
            attrs={"State": {"Pid": os.getpid()}},
            status=self._status,
            pause=lambda: self.done.append("pause"),
            unpause=lambda: self.done.append("unpause"),
            kill=self.done.append,
        )


@pytest.fixture
def stack() -> Stack:
    settings = lab_stack(runtime=RuntimeKind.DOCKER)
    return declare(settings, RuntimeKind.DOCKER, StackPaths.of("lab"), "id")


def use(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    @contextmanager
    def one_engine() -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(containers=engine)

    monkeypatch.setattr(module, "engine", one_engine)
    return engine


@pytest.mark.parametrize("act", ACTS)
def test_a_container_that_is_not_ours_is_left_alone(act: str, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = use(Engine({STACK_LABEL: "somebody else's"}), monkeypatch)
    with pytest.raises(NotOurs, match="is not of lab: it is left alone"):
        getattr(ContainerSabotage(stack), act)(stack.brokers[0])
    assert engine.done == []


@pytest.mark.parametrize("act", ACTS)
def test_a_container_that_is_not_there_is_one_clear_error(act: str, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    use(Engine(None), monkeypatch)
    with pytest.raises(LabError, match="there is no container lab-kafka"):
        getattr(ContainerSabotage(stack), act)(stack.brokers[0])


@pytest.mark.row(10)
def test_the_process_in_a_container_is_the_java_below_its_init(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    use(Engine({STACK_LABEL: stack.stack_id}), monkeypatch)
    with pytest.raises(LabError, match="is not to be seen on this machine"):
        ContainerSabotage(stack).process(stack.brokers[0])


@pytest.mark.parametrize("status", ["running", "paused"])
def test_a_container_is_paused_and_goes_on_where_it_still_is(status: str, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = use(Engine({STACK_LABEL: stack.stack_id}, status), monkeypatch)
    made = ContainerSabotage(stack)
    made.pause(stack.brokers[0])
    made.resume(stack.brokers[0])
    assert engine.done == (["pause", "unpause"] if status == "paused" else ["pause"])


def test_a_container_is_killed_as_a_person_does_it(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = use(Engine({STACK_LABEL: stack.stack_id}), monkeypatch)
    made = ContainerSabotage(stack)
    made.kill(stack.brokers[0])
    assert engine.done == ["SIGKILL"]
    assert (made.keeper, made.contained) == ("Docker", True)
