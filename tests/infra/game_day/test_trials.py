"""A game day's faults on a machine of pretend."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from fakes.clock import FakeClock
from fakes.plain import lab_stack
from fakes.stacks import make_whole

from infra.forms.proving import GameDayForm
from infra.game_day import faults
from infra.game_day import injections as breaking
from infra.game_day import trials as trial
from infra.game_day.aims import Aim
from infra.game_day.fault_names import FaultName
from infra.health.verdicts import Finding, Verdict
from infra.lab.assembly import open_lab, want
from infra.operations.producer import launch_producer
from infra.stack.state import Wanted, down_asked_for, stack_held
from infra.supervision.budget import note_death, read_budget
from tasks.game_day import inject_fault
from trending.errors import LabError, NotSurvived, StackBusy, Superseded
from trending.settings import ProducerSettings

if TYPE_CHECKING:
    from fakes.world import World

    from infra.game_day.faults import Fault
    from infra.lab.assembly import Lab

FORM = ("limit_seconds", "hold_seconds")


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


@pytest.mark.row(12)
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
    with pytest.raises(NotSurvived, match="not everything was well again within 60 s") as caught:
        trial.try_fault(lab, gone, 1.0, 60.0, FakeClock())
    assert caught.value.evidence.startswith("producer is unhealthy: the program producer is not there")


@pytest.mark.row(25)
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
    budget = lab.paths.budget

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


def broker_down(world: World, lab: Lab) -> Fault:
    """A fault whose end starts the broker."""
    return fault(lab, FaultName.BROKER_HEAP_EXHAUSTED, inject=lambda: world.services.pop("kafka"))


def test_a_take_down_that_waits_is_given_way_before_anything_is_broken(world: World, lab: Lab) -> None:
    with down_asked_for(lab.paths), pytest.raises(Superseded):
        trial.try_fault(lab, broker_down(world, lab), 1.0, 60.0, FakeClock())
    assert "kafka" in world.running
    assert world.changes == []


def test_a_stack_that_was_stopped_during_a_trial_stays_stopped(world: World, lab: Lab) -> None:
    class Clock(FakeClock):
        def sleep(self, seconds: float) -> None:
            if seconds == 15.0:
                want(lab, Wanted.STOPPED)
                world.services.clear()
                world.programs.clear()
            super().sleep(seconds)

    with pytest.raises(Superseded):
        trial.try_fault(lab, broker_down(world, lab), 15.0, 60.0, Clock())
    assert world.running == set()


def test_a_take_down_ends_a_trial_and_what_is_frozen_goes_on(world: World, lab: Lab) -> None:
    ended: list[str] = []
    for name, word, expected in (
        (FaultName.BROKER_FROZEN, "thawed", ["thawed"]),
        (FaultName.BROKER_HEAP_EXHAUSTED, "started", []),
    ):
        ended.clear()
        with ExitStack() as asked:
            broken = fault(
                lab, name, inject=partial(asked.enter_context, down_asked_for(lab.paths)), end=partial(ended.append, word)
            )
            with pytest.raises(Superseded):
                trial.try_fault(lab, broken, 1.0, 60.0, FakeClock())
        assert ended == expected


def test_a_stack_is_broken_and_brought_back_under_its_lock(world: World, lab: Lab) -> None:
    held: list[bool] = []

    def note() -> None:
        with pytest.raises(StackBusy), stack_held(lab.paths, timeout=0.01):
            pass
        held.append(True)

    def inject() -> None:
        note()
        world.services.pop("kafka")

    def end() -> None:
        note()
        lab.runtime.start(lab.stack.services[0])

    trial.try_fault(lab, fault(lab, FaultName.BROKER_HEAP_EXHAUSTED, inject=inject, end=end), 1.0, 60.0, FakeClock())
    assert held == [True, True]


def test_an_injection_that_fails_half_way_is_ended(world: World, lab: Lab) -> None:
    def half() -> None:
        world.services.pop("kafka")
        raise TimeoutError("cut off")

    with pytest.raises(TimeoutError):
        trial.try_fault(lab, fault(lab, FaultName.BROKER_HEAP_EXHAUSTED, inject=half), 1.0, 60.0, FakeClock())
    assert "kafka" in world.running


def test_an_end_that_fails_is_said_and_the_cause_stays(world: World, lab: Lab, said: list[str]) -> None:
    def fails() -> None:
        raise LabError("the broker has gone")

    quiet = fault(lab, FaultName.BROKER_FROZEN, inject=lambda: None, end=fails)
    with pytest.raises(NotSurvived, match="nobody noticed it"):
        trial.try_fault(lab, quiet, 1.0, 60.0, FakeClock())
    assert said == ["broker-frozen: this could not be ended, make up does it: the broker has gone"]


def test_every_fault_whose_end_starts_something_says_so(lab: Lab) -> None:
    with_end = [*faults.faults_of(lab), *faults._by_hand(lab, lab.stack.brokers[0])]
    assert {each.name for each in with_end if each.revives} == {
        FaultName.BROKER_HEAP_EXHAUSTED,
        FaultName.BROKER_MEMORY_KILLED,
    }


def test_the_task_may_last_as_long_as_the_form_allows() -> None:
    limit, hold = (next(each.le for each in GameDayForm.model_fields[name].metadata if hasattr(each, "le")) for name in FORM)
    assert inject_fault.timeout_seconds is not None
    assert inject_fault.timeout_seconds > 3 * limit + hold


@pytest.mark.row(18)
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
    done = trial.inject_fault("lab", Aim(FaultName.TOPIC_ASKED_FOR_OTHERWISE), 1.0, 60.0)
    assert done.row == 18
    assert said == ["topic-asked-for-otherwise: noticed after 0.0 s, well after 0.0 s, back by refusal"]
    assert open_lab("lab").state.wanted == "up"


@pytest.mark.row(19)
def test_one_of_several_producers_is_killed_and_all_of_them_must_be_well_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    producers = ProducerSettings(scenario="classroom", producers=3)
    lab = make_whole(stack=lab_stack(partitions=3), producer=producers)
    assert trial.must_be_well(lab)[3:6] == ("producer", "producer-2", "producer-3")

    def dies(program: str) -> None:
        note_death(lab.paths.budget, program, 1.0)
        del world.programs[program]

    counted = Finding("freshness", Verdict.HEALTHY, "")  # the pretended stream reads one partition
    monkeypatch.setattr("infra.health.examination.freshness", lambda *_given: counted)
    monkeypatch.setattr(breaking, "program_process", lambda _lab, program: SimpleNamespace(kill=lambda: dies(program)))
    killed = {each.component: replace(each, restarts=False) for each in faults.faults_of(lab) if each.name == "producer-killed"}
    done = trial.try_fault(lab, killed["producer-3"], 1.0, 60.0, FakeClock(lambda: launch_producer("lab")))
    assert str(done.aim) == "producer-killed of producer-3"
    assert read_budget(lab.paths.budget) == {}
    with pytest.raises(NotSurvived, match="producer-killed of producer-2: not everything was well again") as caught:
        trial.try_fault(lab, killed["producer-2"], 1.0, 60.0, FakeClock())
    assert caught.value.evidence.startswith("producer-2 is unhealthy: the program producer-2 is not there")


def test_only_the_process_that_was_frozen_is_thawed_and_none_is_looked_for_before(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    processes = iter(["first", "second"])
    monkeypatch.setattr(breaking, "program_process", lambda _lab, _program: next(processes))
    monkeypatch.setattr(faults, "freeze", lambda process: done.append(f"freeze {process}"))
    monkeypatch.setattr(faults, "thaw", lambda process: done.append(f"thaw {process}"))
    frozen = fault(lab, FaultName.PRODUCER_FROZEN)
    assert frozen.end is not None
    frozen.end()
    frozen.inject()
    frozen.end()
    assert done == ["freeze first", "thaw first"]
