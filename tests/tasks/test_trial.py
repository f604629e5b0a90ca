"""A game day's faults on a machine of pretend."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from fakes.clock import FakeClock
from fakes.stacks import make_whole

from infra import faults as breaking
from infra.budget import BUDGET_FILE, note_death, read_budget
from infra.faults import FaultName
from infra.lab import open_lab
from infra.state import down_asked_for
from tasks import faults, trial
from trending.errors import LabError, NotSurvived, Superseded

if TYPE_CHECKING:
    from fakes.world import World

    from infra.lab import Lab
    from tasks.faults import Fault


@pytest.fixture
def lab(world: World, monkeypatch: pytest.MonkeyPatch) -> Lab:
    made = make_whole()
    monkeypatch.setattr(breaking, "program_process", lambda _lab, program: f"the process of {program}")
    monkeypatch.setattr(trial, "supervisord_process", lambda _lab: SupervisorProcess())
    world.forget_history()
    return made


class SupervisorProcess:
    pid = 4711


def fault(lab: Lab, name: FaultName, **changes: Any) -> Fault:
    return replace(next(each for each in faults.faults_of(lab) if each.name is name), **changes)


def test_the_embedded_runtime_has_its_faults_and_three_brokers_one_more(lab: Lab) -> None:
    names = [each.name for each in faults.faults_of(lab)]
    assert names == [
        FaultName.BROKER_HEAP_EXHAUSTED,
        FaultName.BROKER_KILLED,
        FaultName.BROKER_FROZEN,
        FaultName.TOPIC_ASKED_FOR_OTHERWISE,
        FaultName.PRODUCER_KILLED,
        FaultName.PRODUCER_FROZEN,
        FaultName.DRIVER_KILLED,
        FaultName.JVM_KILLED,
        FaultName.SUPERVISOR_KILLED,
    ]
    three = replace(lab, stack=replace(lab.stack, services=lab.stack.services * 3))
    assert FaultName.ONE_BROKER_OF_THREE_KILLED in {each.name for each in faults.faults_of(three)}


def test_a_frozen_broker_is_noticed_held_and_thawed(world: World, lab: Lab) -> None:
    clock = FakeClock()
    began = clock.monotonic()
    frozen = fault(
        lab, FaultName.BROKER_FROZEN, inject=lambda: world.frozen.add("kafka"), end=lambda: world.frozen.discard("kafka")
    )
    done = trial.try_fault(lab, frozen, 15.0, 60.0, clock)
    assert done.noticed == 0.0
    assert done.recovered == clock.monotonic() - began >= 15.0
    assert done.row == 12
    assert world.frozen == set()


def test_a_fault_that_nobody_notices_is_not_survived_and_is_ended(world: World, lab: Lab) -> None:
    ended: list[str] = []
    quiet = fault(lab, FaultName.BROKER_FROZEN, inject=lambda: None, end=lambda: ended.append("end"))
    with pytest.raises(NotSurvived, match="nobody noticed it within 60 s"):
        trial.try_fault(lab, quiet, 1.0, 60.0, FakeClock())
    assert ended == ["end"]


def test_a_component_that_never_comes_back_is_not_survived(world: World, lab: Lab) -> None:
    gone = fault(lab, FaultName.PRODUCER_KILLED, inject=lambda: world.programs.pop("producer"))
    with pytest.raises(NotSurvived, match="not everything was well again within 60 s"):
        trial.try_fault(lab, gone, 1.0, 60.0, FakeClock())


def test_a_dead_supervisor_is_brought_back_by_the_healer(world: World, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def kill() -> None:
        world.supervised = False
        world.programs.clear()
        SupervisorProcess.pid += 1

    dead = fault(lab, FaultName.SUPERVISOR_KILLED, inject=kill)
    done = trial.try_fault(lab, dead, 1.0, 60.0, FakeClock())
    assert done.back_by == "healer"
    assert world.running == {"kafka", "producer", "stream", "page"}
    assert not lab.paths.health.exists(), "a repair of a fault on purpose is not booked"


def test_the_deaths_of_a_game_day_are_forgiven(world: World, lab: Lab) -> None:
    budget = lab.paths.run / BUDGET_FILE

    def kill() -> None:
        note_death(budget, "kafka", 1.0)
        world.frozen.add("kafka")

    trial.try_fault(
        lab,
        fault(lab, FaultName.BROKER_FROZEN, inject=kill, end=lambda: world.frozen.discard("kafka")),
        1.0,
        60.0,
        FakeClock(),
    )
    assert read_budget(budget) == {}


def test_a_take_down_ends_a_trial(world: World, lab: Lab) -> None:
    with down_asked_for(lab.paths), pytest.raises(Superseded):
        trial.try_fault(lab, fault(lab, FaultName.BROKER_FROZEN, inject=lambda: None, end=lambda: None), 1.0, 60.0, FakeClock())


def test_a_topic_asked_for_otherwise_is_refused(world: World, lab: Lab) -> None:
    asked = fault(lab, FaultName.TOPIC_ASKED_FOR_OTHERWISE)
    done = trial.try_fault(lab, asked, 1.0, 60.0, FakeClock())
    assert done.noticed == done.recovered == 0.0
    assert "check tweets_topic" in world.calls
    view = world.topics["tweets_topic"]
    world.topics["tweets_topic"] = replace(view, partitions=2)
    with pytest.raises(LabError, match="was taken for one with 2 partitions"):
        asked.inject()


def test_the_task_chooses_the_fault_by_name(world: World, lab: Lab, said: list[str]) -> None:
    done = trial.inject_fault.fn("lab", FaultName.TOPIC_ASKED_FOR_OTHERWISE, 1.0, 60.0)
    assert done.row == 18
    assert said == ["topic-asked-for-otherwise: noticed after 0.0 s, well after 0.0 s, back by refusal"]
    assert open_lab("lab").state.wanted == "up"
