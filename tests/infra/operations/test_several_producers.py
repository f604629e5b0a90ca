"""Several producers of one stack: programs beside each other, of which none begins while one with other partitions lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.clock import FakeClock
from fakes.plain import lab_stack
from fakes.stacks import make

from infra.evaluation.naive import wait_for_scenario
from infra.health import repair
from infra.health.examination import looks_of, needs, programs_of
from infra.health.verdicts import Verdict
from infra.lab.assembly import open_lab, record
from infra.operations.description import describe
from infra.operations.page import page_spec
from infra.operations.producer import (
    launch_producer,
    producer_ladder,
    scenario_is_over,
    scenario_line,
    scenario_of,
    stop_producer,
    wait_for_producer,
)
from infra.operations.report import components_of
from infra.operations.undo import running
from infra.stack.runtime import Outcome
from trending.errors import ConfigurationConflict, NotReady
from trending.programs.heartbeat import FINISHED, write_heartbeat
from trending.programs.specifications import ProducerSpec
from trending.settings import LabSettings, ProducerSettings, StackSettings

if TYPE_CHECKING:
    from fakes.world import World

    from infra.lab.assembly import Lab

THREE = ("producer", "producer-2", "producer-3")


def settings(producers: int, seed: int = 1, scenario: str = "classroom") -> ProducerSettings:
    return ProducerSettings(scenario=scenario, seed=seed, producers=producers)


def again(lab: Lab, producer: ProducerSettings) -> None:
    """Record other settings of the producer, as a start-up does."""
    record(lab.settings.model_copy(update={"producer": producer}))


@pytest.fixture
def lab(world: World) -> Lab:
    make(stack=lab_stack(partitions=4), producer=settings(3))
    world.forget_history()
    assert launch_producer("lab") is Outcome.CREATED
    return open_lab("lab")


def test_each_is_a_program_of_its_own_with_its_place(world: World, lab: Lab) -> None:
    assert world.changes == [f"launch {name}" for name in THREE]
    specifications = [ProducerSpec.load(lab.paths.specification(name)) for name in THREE]
    assert [(each.place, each.producers) for each in specifications] == [(0, 3), (1, 3), (2, 3)]
    assert {each.ledger for each in specifications} == {lab.paths.ledger}
    assert lab.paths.ledger.exists(), "made before there are two that would make it"
    assert world.programs["producer-2"].command[-2:] == ("trending.producer", str(lab.paths.specification("producer-2")))
    assert set(wait_for_producer("lab")) >= {"producer-2", "producer-3"}
    assert page_spec(lab).producers == {name: lab.paths.heartbeat(name) for name in THREE}


def test_once_more_nothing_changes_and_one_that_is_missing_is_started(world: World, lab: Lab) -> None:
    world.forget_history()
    assert launch_producer("lab") is Outcome.ADOPTED
    assert world.changes == []
    world.programs.pop("producer-2")
    finding = looks_of(lab)["producer-2"]()
    assert finding.verdict is Verdict.UNHEALTHY
    assert "acknowledged 7" in repair.repair("lab", finding, FakeClock())
    assert world.changes == ["launch producer-2"]


@pytest.mark.parametrize("other", [settings(2), settings(4), settings(3, seed=2)])
def test_of_another_number_or_scenario_all_end_before_one_begins(other: ProducerSettings, world: World, lab: Lab) -> None:
    again(lab, other)
    world.forget_history()
    launch_producer("lab")
    ended = [change for change in world.changes if change.startswith("end ")]
    assert sorted(ended) == [f"end {name}" for name in THREE]
    assert world.changes == [
        *ended,
        *(f"launch {name}" for name in ("producer", "producer-2", "producer-3", "producer-4")[: other.producers]),
    ]


def test_one_alone_leaves_nothing_of_the_others(world: World, lab: Lab) -> None:
    again(lab, ProducerSettings())
    launch_producer("lab")
    assert set(world.programs) == {"producer"}
    lines = [line.name for line in describe(open_lab("lab"))]
    assert [name for name in lines if name.startswith("producer")] == ["producer"]
    assert page_spec(open_lab("lab")).more_producers == ()


def test_all_are_examined_shown_and_stopped_the_first_one_last(world: World, lab: Lab) -> None:
    assert programs_of(lab)[:4] == (*THREE, "stream")
    assert all(needs(lab)[name] == ("supervisor", "topic") for name in THREE)
    assert running(lab) >= set(THREE)
    shown = {line.name: line for line in describe(lab)}
    assert all(shown[name].health == "healthy" for name in THREE)
    world.forget_history()
    stop_producer("lab")
    assert world.changes == [f"end {name}" for name in reversed(THREE)]


def test_a_scenario_is_over_when_it_is_for_all_and_one_may_have_nothing_to_send(lab: Lab) -> None:
    for name in THREE[:2]:
        write_heartbeat(lab.paths.heartbeat(name), FINISHED)
    write_heartbeat(lab.paths.heartbeat("producer-3"), "running", {"acknowledged": 0, "queued": 0})
    assert not scenario_is_over(lab)
    assert producer_ladder(lab, "producer-3")[-1].check() == "all is sent that is due in its partitions"
    write_heartbeat(lab.paths.heartbeat("producer-3"), FINISHED)
    assert scenario_is_over(lab)


def test_the_first_one_may_have_nothing_to_send_as_soon_as_another_has_sent(lab: Lab) -> None:
    """With a skew of 0.01 the first of a hundred stretches may be its; a start-up that waited for that failed after 30 s."""

    def told() -> str:
        return producer_ladder(lab)[-1].check()

    for name in THREE:
        write_heartbeat(lab.paths.heartbeat(name), "running", {"acknowledged": 0, "queued": 0})
    with pytest.raises(NotReady, match="producer is running and has no acknowledged yet"):
        told()
    write_heartbeat(lab.paths.heartbeat("producer-2"), "running", {"acknowledged": 1, "queued": 0})
    assert told() == "all is sent that is due in its partitions"
    write_heartbeat(lab.paths.heartbeat("producer"), "running", {"acknowledged": 5, "queued": 0})
    assert told() == "acknowledged 5"
    write_heartbeat(lab.paths.heartbeat("producer"), "running", {"acknowledged": 0, "queued": 3})
    with pytest.raises(NotReady, match="producer is running and has no acknowledged yet"):
        told()


def test_the_status_says_how_far_the_one_has_come_that_is_furthest(lab: Lab) -> None:
    for name, position in zip(THREE, (40, 900, 500), strict=True):
        write_heartbeat(lab.paths.heartbeat(name), "running", {"position": position}, "run-1")
    assert scenario_line(lab).endswith(", run run-1, next record 900")


def test_who_waits_for_the_end_is_told_which_one_has_not_come_to_it(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.evaluation.naive.SCENARIO_SECONDS", 0.0)
    for name in THREE:
        write_heartbeat(lab.paths.heartbeat(name), "running" if name == "producer-2" else FINISHED)
    with pytest.raises(NotReady, match="the scenario is not over") as told:
        wait_for_scenario("lab")
    assert told.value.evidence.startswith("producer-2: ")
    assert told.value.next_command == "make logs SERVICE=producer-2"


def test_each_is_a_component_of_the_report(lab: Lab) -> None:
    assert [each.name for each in components_of(lab) if each.kind == "program"] == list(THREE)


def test_more_producers_than_partitions_are_refused_in_one_line() -> None:
    with pytest.raises(ConfigurationConflict, match="3 producers share the partitions of the topic, and it is to have 2") as told:
        scenario_of(LabSettings(stack=StackSettings(partitions=2), producer=settings(3)))
    assert told.value.next_command == "make up SCENARIO=classroom PRODUCERS=2"


def test_without_a_scenario_there_is_one_producer() -> None:
    with pytest.raises(ValueError, match="2 producers share a scenario, and there is none"):
        ProducerSettings(producers=2)
    with pytest.raises(ValueError, match="less than or equal to 8"):
        ProducerSettings(producers=9, scenario="classroom")
