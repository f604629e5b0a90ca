"""Bringing one component back on a machine of pretend, and giving way."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from fakes.clock import FakeClock
from fakes.stacks import beat, make_whole

from infra.health import repair
from infra.health.examination import looks_of
from infra.health.verdicts import Finding, Repair, Verdict, read_record
from infra.host.paths import StackPaths
from infra.lab.assembly import want
from infra.stack.state import Wanted, down_asked_for, stack_held
from infra.supervision.supervisor import ProgramStatus
from trending.errors import Interrupted, NotReady, StackBusy, Superseded, UndoAbandoned

if TYPE_CHECKING:
    from fakes.world import World

    from infra.lab.assembly import Lab


@pytest.fixture
def lab(world: World) -> Lab:
    made = make_whole()
    world.forget_history()
    return made


def finding(component: str, kind: Repair = Repair.START) -> Finding:
    return Finding(component, Verdict.UNHEALTHY, "it is gone\nwith a second line", "make status", kind)


def test_a_missing_program_is_launched_and_the_repair_booked(world: World, lab: Lab) -> None:
    world.programs.pop("producer")
    evidence = repair.repair("lab", finding("producer"), FakeClock())
    assert "acknowledged 7" in evidence
    assert world.changes == ["launch producer"]
    assert list(read_record(lab.paths.health).repairs) == ["producer"]


def test_the_stream_is_submitted_with_the_offsets_of_its_first_start(world: World, lab: Lab) -> None:
    before = world.programs.pop("stream")
    repair.repair("lab", finding("stream"), FakeClock())
    assert world.programs["stream"].drift_hash == before.drift_hash


def test_a_frozen_program_ends_first(world: World, lab: Lab) -> None:
    beat(lab, "producer", at=time.time() - 60)
    world.ended["producer"] = ProgramStatus("producer", "RUNNING", 99, 0, "", time.time() - 600)
    repair.repair("lab", finding("producer", Repair.RESTART), FakeClock())
    assert world.changes == ["end producer", "launch producer"]


@pytest.mark.parametrize(
    ("wanted", "cause", "way"),
    [
        (Wanted.STOPPED, "the stack lab is stopped", "make start NAME=lab"),
        (Wanted.DOWN, "the stack lab is down", "make up NAME=lab"),
    ],
)
def test_of_a_stack_that_rests_it_says_so_and_how_to_start_it(wanted: Wanted, cause: str, way: str, lab: Lab) -> None:
    want(lab, wanted)
    with pytest.raises(Superseded, match=cause) as caught:
        repair.require_wanted(lab.paths)
    assert caught.value.next_command == way


@pytest.mark.parametrize(("component", "last"), [("producer", "launch producer"), ("kafka", "start kafka")])
def test_what_a_repair_has_ended_is_started_again_if_it_is_interrupted(component: str, last: str, world: World, lab: Lab) -> None:
    assert lab.paths.name == "lab"
    beat(lab, "producer", at=time.time() - 60)
    world.ended["producer"] = ProgramStatus("producer", "RUNNING", 99, 0, "", time.time() - 600)
    world.frozen.add("kafka")
    world.started["kafka"] = time.time() - 600
    world.fail(last, Interrupted())
    with pytest.raises(Interrupted):
        repair.repair("lab", finding(component, Repair.RESTART), FakeClock())
    assert world.changes == [f"end {component}", last]


def test_a_repair_that_is_abandoned_says_what_may_be_missing(world: World, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("infra.console.interruptions.say", said.append)
    beat(lab, "producer", at=time.time() - 60)
    world.ended["producer"] = ProgramStatus("producer", "RUNNING", 99, 0, "", time.time() - 600)
    world.fail("launch producer", Interrupted(), UndoAbandoned())
    with pytest.raises(UndoAbandoned):
        repair.repair("lab", finding("producer", Repair.RESTART), FakeClock())
    assert said == ["the repair was abandoned, and producer may be missing: make up NAME=lab starts it"]


def test_a_dead_broker_is_started_and_a_frozen_one_stopped_before(world: World, lab: Lab) -> None:
    world.services.clear()
    repair.repair("lab", finding("kafka"), FakeClock())
    assert world.changes == ["start kafka"]
    world.forget_history()
    world.frozen.add("kafka")
    world.started["kafka"] = time.time() - 600
    repair.repair("lab", finding("kafka", Repair.RESTART), FakeClock())
    assert world.changes == ["end kafka", "start kafka"]


def test_under_a_new_supervisor_everything_starts_again(world: World, lab: Lab) -> None:
    world.supervised = False
    world.programs.clear()
    world.services.clear()
    repair.repair("lab", finding("supervisor"), FakeClock())
    assert world.changes == ["start supervisor", "start kafka", "launch producer", "launch stream", "launch page"]
    assert world.running == {"kafka", "producer", "stream", "page"}


@pytest.mark.row(26)
def test_another_command_on_the_stack_goes_first(world: World, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "HELD_SECONDS", 0.05)
    with stack_held(lab.paths), pytest.raises(StackBusy):
        repair.repair("lab", finding("producer"), FakeClock())
    assert world.changes == []
    assert read_record(lab.paths.health).repairs == {}


@pytest.mark.row(26)
@pytest.mark.parametrize("wanted", [Wanted.DOWN, Wanted.STOPPED])
def test_a_stack_that_is_not_wanted_up_is_not_resurrected(world: World, lab: Lab, wanted: Wanted) -> None:
    want(lab, wanted)
    with pytest.raises(Superseded, match=f"wanted is {wanted}") as caught:
        repair.repair("lab", finding("producer"), FakeClock())
    assert f"the stack lab is {wanted}: nothing is repaired" in caught.value.cause
    assert world.changes == []


@pytest.mark.row(26)
def test_a_take_down_that_waits_stops_a_repair_between_its_steps(world: World, lab: Lab) -> None:
    world.supervised = False
    world.programs.clear()
    request = down_asked_for(lab.paths)
    world.fail("start kafka", request.__enter__)
    with pytest.raises(Superseded, match="a take-down waits"):
        repair.repair("lab", finding("supervisor"), FakeClock())
    assert "launch producer" not in world.changes
    assert list(read_record(lab.paths.health).repairs) == ["supervisor"], "it was spent"
    request.__exit__(None, None, None)
    assert not StackPaths.of("lab").down_request.exists()


def test_a_component_that_does_not_become_well_is_a_failed_repair(world: World, lab: Lab) -> None:
    clock = FakeClock()
    world.due = 8
    with pytest.raises(NotReady, match="freshness was repaired and is not well after 150 s"):
        repair._wait(lab, "freshness", clock)


def test_a_new_supervisor_is_well_when_everything_under_it_is(world: World, lab: Lab) -> None:
    world.frozen.add("kafka")
    world.started["kafka"] = time.time() - 600
    with pytest.raises(NotReady, match="supervisor was repaired and kafka is not well after 150 s"):
        repair._wait(lab, "supervisor", FakeClock())


def test_every_component_that_can_be_repaired_can_be_looked_at(lab: Lab) -> None:
    assert {"supervisor", "kafka", "producer", "stream"} <= looks_of(lab).keys()


def test_what_somebody_else_has_repaired_meanwhile_is_left_alone(world: World, lab: Lab) -> None:
    world.programs.pop("producer")
    stale = finding("producer", Repair.RESTART)
    repair.repair("lab", stale, FakeClock())
    world.forget_history()
    repair.repair("lab", stale, FakeClock())
    assert world.changes == []
    assert read_record(lab.paths.health).repaired == {"producer": 1}


def test_a_fault_made_on_purpose_is_not_booked(world: World, lab: Lab) -> None:
    world.programs.pop("producer")
    repair.repair("lab", finding("producer"), FakeClock(), booked=False)
    assert read_record(lab.paths.health).repairs == {}
