from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.supervisor import FakeSupervisor
from fakes.world import World

from infra.host.paths import StackPaths
from infra.stack.runtime import Outcome
from infra.supervision import programs
from infra.supervision.budget import DEATHS, note_death, read_budget
from infra.supervision.programs import declare_program, launch_program, require_program
from infra.supervision.supervisor import ProgramStatus
from trending.errors import BudgetSpent, ServiceDied

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def paths() -> StackPaths:
    return StackPaths.of("lab")


@pytest.fixture
def supervisor(world: World, paths: StackPaths) -> FakeSupervisor:
    made = FakeSupervisor(world, paths)
    made.start()
    return made


def start(supervisor: FakeSupervisor, paths: StackPaths, specification: str) -> Outcome:
    return launch_program(supervisor, paths, "producer", specification)


def test_a_program_is_created_then_adopted_then_made_anew_when_its_specification_changed(
    supervisor: FakeSupervisor, paths: StackPaths, world: World
) -> None:
    assert start(supervisor, paths, "rate 1") is Outcome.CREATED
    world.forget_history()
    assert start(supervisor, paths, "rate 1") is Outcome.ADOPTED
    assert world.changes == []
    assert start(supervisor, paths, "rate 2") is Outcome.RECREATED
    assert paths.specification("producer").read_text() == "rate 2"


def test_a_program_of_another_version_is_started_anew_though_its_command_is_the_same(
    supervisor: FakeSupervisor, paths: StackPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(programs, "VERSION", "0.1.0")
        start(supervisor, paths, "rate 1")
    assert start(supervisor, paths, "rate 1") is Outcome.RECREATED
    assert start(supervisor, paths, "rate 1") is Outcome.ADOPTED


def test_a_program_that_ended_is_started_again_though_nothing_changed(
    supervisor: FakeSupervisor, paths: StackPaths, world: World
) -> None:
    start(supervisor, paths, "rate 1")
    world.ended["producer"] = ProgramStatus("producer", "EXITED", 0, 2, "", 0.0)
    assert start(supervisor, paths, "rate 1") is Outcome.RECREATED


def test_a_start_forgives_earlier_deaths_and_forgets_the_old_heartbeat(
    supervisor: FakeSupervisor, paths: StackPaths, world: World
) -> None:
    for _ in range(DEATHS):
        note_death(paths.budget, "producer", 1.0)
    paths.heartbeat("producer").write_text("old")
    start(supervisor, paths, "rate 1")
    assert read_budget(paths.budget) == {}
    assert paths.heartbeat("producer").read_text() != "old"
    assert world.programs["producer"].command[1:3] == ("-m", "trending.producer")


def test_a_program_with_a_jvm_starts_clean_and_knows_its_java(paths: StackPaths, java17: Path) -> None:
    program = declare_program(paths, "stream", "{}", java=True)
    assert program.command[1:3] == ("-m", "infra.supervision.launcher")
    assert program.command[4:6] == ("-m", "trending.stream")
    assert program.environment == {"JAVA_HOME": str(java17.parent.parent)}


def test_a_program_that_lives_or_comes_back_is_no_failure(supervisor: FakeSupervisor, paths: StackPaths, world: World) -> None:
    start(supervisor, paths, "rate 1")
    assert require_program(supervisor, paths, "producer").state == "RUNNING"
    world.ended["producer"] = ProgramStatus("producer", "BACKOFF", 0, 1, "", 0.0)
    assert require_program(supervisor, paths, "producer").state == "BACKOFF"
    world.ended["producer"] = ProgramStatus("producer", "EXITED", 0, -1, "", 0.0)
    assert require_program(supervisor, paths, "producer").state == "EXITED"
    for _ in range(DEATHS + 1):
        note_death(paths.budget, "producer", 1.0)
    with pytest.raises(BudgetSpent):
        require_program(supervisor, paths, "producer")


def test_a_program_that_ended_is_named_with_its_exit_code_and_last_words(
    supervisor: FakeSupervisor, paths: StackPaths, world: World
) -> None:
    start(supervisor, paths, "rate 1")
    world.ended["producer"] = ProgramStatus("producer", "EXITED", 0, 2, "", 0.0)
    paths.output_file("producer", "err").write_text("a\nthe catalogue is unusable\n")
    with pytest.raises(ServiceDied, match="the program producer is exited") as caught:
        require_program(supervisor, paths, "producer")
    assert caught.value.evidence == "exit code 2; a\nthe catalogue is unusable"
    assert caught.value.next_command == "make logs SERVICE=producer"


def test_a_program_that_was_never_launched_is_not_there(supervisor: FakeSupervisor, paths: StackPaths) -> None:
    with pytest.raises(ServiceDied, match="the program producer is not there"):
        require_program(supervisor, paths, "producer")


def test_a_program_that_supervisord_has_given_up_is_not_waited_for_again(
    supervisor: FakeSupervisor, paths: StackPaths, world: World
) -> None:
    start(supervisor, paths, "rate 1")
    world.ended["producer"] = ProgramStatus("producer", "FATAL", 0, 1, "Exited too quickly", 0.0)
    with pytest.raises(BudgetSpent, match="the program producer was given up after failed starts in a row") as caught:
        require_program(supervisor, paths, "producer")
    assert caught.value.evidence.startswith("Exited too quickly")
    assert not caught.value.retriable


def test_a_program_that_the_budget_stopped_is_told_apart_from_one_that_a_person_stopped(
    supervisor: FakeSupervisor, paths: StackPaths, world: World
) -> None:
    start(supervisor, paths, "rate 1")
    world.ended["producer"] = ProgramStatus("producer", "STOPPED", 0, 1, "", 0.0)
    with pytest.raises(ServiceDied):
        require_program(supervisor, paths, "producer")
    for _ in range(DEATHS + 1):
        note_death(paths.budget, "producer", 1.0)
    with pytest.raises(BudgetSpent):
        require_program(supervisor, paths, "producer")


@pytest.mark.row(27)
def test_a_program_that_was_given_up_says_so_with_the_last_cause_and_the_way_back(
    supervisor: FakeSupervisor, paths: StackPaths, world: World
) -> None:
    start(supervisor, paths, "rate 1")
    world.ended["producer"] = ProgramStatus("producer", "STOPPED", 0, 0, "", 0.0)
    paths.output_file("producer", "err").write_text("lines of a life that was only stopped\n")
    for _ in range(DEATHS + 1):
        note_death(paths.budget, "producer", 1.0, "OSError: [Errno 28] No space left on device", memory=False)
    with pytest.raises(BudgetSpent) as caught:
        require_program(supervisor, paths, "producer")
    assert caught.value.cause == "the program producer was given up after five deaths in ten minutes"
    assert caught.value.evidence == "the last cause: OSError: [Errno 28] No space left on device"
    assert caught.value.next_command.startswith("make up gives it its budget back")
    for memory, words in ((True, "OOM killer struck"), (False, "memory was not the reason"), (None, "cannot be known here")):
        note_death(paths.budget, "producer", 1.0, "terminated by SIGKILL", memory=memory)
        with pytest.raises(BudgetSpent) as killed:
            require_program(supervisor, paths, "producer")
        assert killed.value.evidence.startswith("the last cause: terminated by SIGKILL (")
        assert words in killed.value.evidence
    note_death(paths.budget, "producer", 1.0)
    with pytest.raises(BudgetSpent) as silent:
        require_program(supervisor, paths, "producer")
    assert silent.value.evidence == "the last cause: its output tells none; lines of a life that was only stopped"
