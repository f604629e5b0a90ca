from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.world import World

from infra.commands import training
from infra.java.class_archives import BROKER, SPARK, archive, archive_options, spark_environment
from infra.stack.state import existing_stacks
from trending.errors import ConfigurationConflict

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, java17: Path) -> World:
    """A machine of pretend for the training's stack."""
    assert java17.exists()
    made = World(training.NAME)
    made.put_in_place(monkeypatch)
    return made


def jvms_write(world: World) -> None:
    """Let both JVMs leave an archive when they end."""
    world.fail("remove kafka", lambda: archive(BROKER).with_suffix(".unfinished").touch())
    world.fail("remove stream", lambda: archive(SPARK).with_suffix(".unfinished").touch())


def test_a_stack_is_brought_up_once_for_its_archives_and_leaves_nothing_else(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    jvms_write(world)
    training.main()
    assert capsys.readouterr().out.count("[ok] class archive") == 2
    assert archive_options(BROKER)
    assert spark_environment()
    assert "launch stream" in world.changes
    assert world.running == set()
    assert existing_stacks() == []
    world.forget_history()
    training.main()
    assert world.calls == [], "what is there is not made again"


@pytest.mark.parametrize("step", ["start kafka", "watch stream"])
def test_a_failure_costs_speed_and_nothing_else(step: str, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.fail(step, ConfigurationConflict("it cannot be"))
    training.main()
    assert "starts take longer: it cannot be" in capsys.readouterr().err
    assert world.running == set()
    assert existing_stacks() == []
    assert archive_options(BROKER) == ()


def test_jvms_that_left_no_archive_are_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    training.main()
    assert "no JVM has made a class archive" in capsys.readouterr().err
    assert world.running == set()
