"""A job is watched to the end of its scenario; its death, its silence and what a fault does to it are told."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from fakes.clock import FakeClock
from fakes.plain import lab_stack
from fakes.stacks import beat, make
from fakes.trending.sources.scenarios import scenario

from infra.evaluation import faults, trial
from infra.evaluation.faults import JOB_KILLED, aimed, inject, require_known
from infra.evaluation.plan import Plan
from infra.evaluation.trial import Patience, evaluate
from infra.game_day import injections as breaking
from infra.game_day.aims import Aim
from infra.game_day.fault_names import FaultName
from infra.operations.producer import launch_producer
from infra.supervision.budget import note_death, read_budget
from infra.supervision.programs import PRODUCER
from trending.errors import AuditFailed, InvalidInput, NotReady, NotSurvived, ServiceDied
from trending.producer.sources.booked import Booked, Shift
from trending.programs.heartbeat import FINISHED
from trending.settings import ProducerSettings
from trending.simulator.records import Encoder, Records
from trending.tweets.record_id import record_keys

if TYPE_CHECKING:
    from infra.evaluation.results import Cell
    from infra.lab.assembly import Lab

COUNT = 200
PATIENCE = Patience(limit=30.0, settle=5.0)
RUN = "0123456789ab"

pytestmark = pytest.mark.usefixtures("world")


class FakeJob:
    """Does what it is told, until it dies."""

    log = "/run/job.out.log"

    def __init__(self) -> None:
        self.died = ""
        self.calls: list[str] = []

    def require_alive(self) -> None:
        if self.died:
            raise ServiceDied(self.died, "its last words", "look")

    def last_lines(self) -> str:
        return "still thinking"

    def kill(self) -> None:
        self.calls.append("kill")

    def start(self) -> None:
        self.calls.append("start")


class FakeResults:
    """Gives its steps one after the other, and then the last one for ever."""

    def __init__(self, *steps: Counter[Cell]) -> None:
        self.steps = list(steps)

    def read(self) -> Counter[Cell]:
        return self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]

    def close(self) -> None:
        pass


class Stage:
    """A stack that plays a scenario that began a while ago, with half of it still to come."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lab: Lab = make()
        self.records = Records(scenario(limit={"tweets": COUNT}, window_time="event"))
        self.booked = Booked(RUN, "topic", "hash", "{}", 1, 10, round(time.time() - 10) * 1000)
        self.job = FakeJob()
        monkeypatch.setattr(trial, "current_plan", lambda _lab, records: Plan(records, self.booked, 10))
        monkeypatch.setattr(trial, "require_scenario", lambda _lab, _plan: None)
        beat(self.lab, PRODUCER, phase=FINISHED)

    @property
    def truth(self) -> Counter[Cell]:
        return Plan(self.records, self.booked, 10).truth

    def part(self, share: float) -> Counter[Cell]:
        """The truth about the first records only."""
        plan = Plan(self.records, self.booked, 10)
        return Counter({cell: sum(number < share * COUNT for number in numbers) for cell, numbers in plan.cells.items()})

    def evaluate(self, *steps: Counter[Cell], wanted: list[str] | None = None, clock: FakeClock | None = None) -> Any:
        made: Any = self.job
        return evaluate(
            self.lab, made, FakeResults(*steps), self.records, aimed(self.lab, wanted or [], 0), PATIENCE, clock or FakeClock()
        )


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


def test_a_job_that_counts_everything_passes_and_its_figures_are_told(stage: Stage) -> None:
    found = stage.evaluate(Counter(), Counter(), stage.part(0.3), stage.truth)
    assert found.comparison.exact
    found.require_exact()
    lines = list(found.lines(None))
    assert lines[0] == "first result after 0.2 s"
    assert lines[1].startswith("latency: p50 ")
    assert lines[-1] == f"evaluation: tweets {COUNT}, counted {COUNT}, lost 0, duplicated 0"


def test_what_a_job_has_lost_and_counted_twice_fails_it(stage: Stage) -> None:
    (cell, count), *_others = stage.truth.items()
    wrong = stage.truth - Counter({cell: 1}) + Counter({(cell[0], "#new"): 2})
    found = stage.evaluate(wrong)
    assert found.comparison.lost == {cell: 1}
    assert count >= 1
    with pytest.raises(AuditFailed, match="has lost 1 tweets and counted 2 too often"):
        found.require_exact()
    assert any(line.startswith("window 1, from ") and "#new 2" in line for line in found.lines(None))


def test_a_job_that_is_silent_is_given_up_with_its_last_lines(stage: Stage) -> None:
    with pytest.raises(NotReady, match="the job has given no result within 30 s") as caught:
        stage.evaluate(Counter())
    assert caught.value.evidence == "still thinking"


def test_a_job_that_dies_is_told_at_once(stage: Stage) -> None:
    def die() -> None:
        stage.job.died = "the job ended with exit code 1"

    with pytest.raises(ServiceDied, match="exit code 1"):
        stage.evaluate(Counter(), clock=FakeClock(die))


def test_a_job_is_killed_and_started_again_and_has_recovered_with_the_next_tweet_that_was_due_after(stage: Stage) -> None:
    # All results are there at the first look after the fault: only a tweet that was due later counts.
    found = stage.evaluate(stage.part(0.3), stage.truth, wanted=[JOB_KILLED])
    assert stage.job.calls == ["kill", "start"]
    assert list(found.recovered) == [JOB_KILLED]
    assert any(line.startswith("job-killed: recovered after 0.") for line in found.lines(None))


def test_a_tweet_that_came_through_while_the_fault_was_prepared_is_no_recovery(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker takes a moment to be killed; on 2026-11-30 its consumer had "recovered" after 0.3 s, before it was dead."""
    monkeypatch.setattr(trial, "inject", lambda *_arguments: time.time() + 5.0)
    with pytest.raises(NotSurvived, match="broker-killed: no new tweet came through"):
        stage.evaluate(stage.part(0.3), stage.part(0.7), wanted=["broker-killed"])


def test_a_job_that_does_not_come_back_from_a_fault_has_not_survived_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotSurvived, match="job-killed: no new tweet came through within 30 s"):
        stage.evaluate(stage.part(0.1), wanted=[JOB_KILLED])

    def dies(*_arguments: object) -> float:
        stage.job.died = "the job ended with exit code 1"
        return time.time()

    monkeypatch.setattr(trial, "inject", dies)
    with pytest.raises(NotSurvived, match="broker-killed: the job ended with exit code 1 and nobody starts it again"):
        stage.evaluate(stage.part(0.1), wanted=["broker-killed"])


def test_a_fault_after_the_end_of_the_scenario_is_not_said_to_have_been_tried(stage: Stage) -> None:
    stage.booked = replace(stage.booked, begin=stage.booked.begin - 60_000)
    with pytest.raises(NotReady, match="job-killed was not tried: the scenario was over before"):
        stage.evaluate(stage.part(0.1), wanted=[JOB_KILLED])


def test_results_are_final_only_when_the_scenario_is_over_and_nothing_changes(stage: Stage) -> None:
    beat(stage.lab, PRODUCER, phase="working")
    naps: list[int] = []

    def passes() -> None:
        naps.append(1)
        if len(naps) == 100:
            beat(stage.lab, PRODUCER, phase=FINISHED)

    clock = FakeClock(passes)
    stage.evaluate(stage.truth, clock=clock)
    assert clock.now - 1000.0 == pytest.approx(10 + PATIENCE.settle, abs=0.5)


def test_a_shift_of_the_scenario_is_taken_over(stage: Stage) -> None:
    before = stage.truth

    def shift() -> None:
        stage.booked = replace(stage.booked, shifts=(Shift(0, 100, 10_000),))

    after = replace(stage.booked, shifts=(Shift(0, 100, 10_000),))
    later = Plan(stage.records, after, 10).truth
    assert later != before
    found = stage.evaluate(Counter(), later, clock=FakeClock(shift))
    assert found.comparison.exact


def test_the_broker_is_killed_under_the_stacks_lock(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    struck: list[str] = []

    class Fault:
        def __init__(self, name: str, end: Any) -> None:
            self.aim, self.name, self.end = Aim(name), name, end

        def inject(self) -> None:
            struck.append(f"inject {self.name}")

    ends = Fault(FaultName.BROKER_FROZEN, lambda: struck.append("end"))
    monkeypatch.setattr(faults, "faults_of", lambda _lab: [Fault(FaultName.BROKER_KILLED, None), ends])
    clock, job = FakeClock(), stage.job
    for name in ("broker-killed", "broker-frozen"):
        inject(stage.lab, Aim(name), job, clock)  # type: ignore[arg-type]
    assert struck == ["inject broker-killed", "inject broker-frozen", "end"]
    assert clock.now == 1000.0 + faults.HELD_FOR_SECONDS
    with pytest.raises(InvalidInput, match="this stack has no fault one-broker-of-three-killed"):
        inject(stage.lab, Aim("one-broker-of-three-killed"), job, clock)  # type: ignore[arg-type]


def test_each_producer_that_is_struck_is_named_and_its_death_is_forgiven(monkeypatch: pytest.MonkeyPatch) -> None:
    producers = ProducerSettings(scenario="classroom", producers=3)
    lab = make(stack=lab_stack(partitions=3), producer=producers)
    launch_producer("lab")
    killed: list[str] = []

    def process(_lab: Lab, program: str) -> Any:
        note_death(lab.paths.budget, program, 1.0)
        return SimpleNamespace(kill=lambda: killed.append(program))

    monkeypatch.setattr(breaking, "program_process", process)
    aims = aimed(lab, ["producer-killed", JOB_KILLED], 0)
    assert [*map(str, aims)] == ["producer-killed of producer", "producer-killed of producer-3", JOB_KILLED]
    assert [*map(str, aimed(lab, ["producer-frozen"], 2))] == ["producer-frozen of producer-2"]
    job: Any = FakeJob()
    for aim in aims[:2]:
        inject(lab, aim, job, FakeClock())
    assert killed == ["producer", "producer-3"]
    assert read_budget(lab.paths.budget) == {}


def test_an_unknown_fault_is_refused_with_those_that_there_are() -> None:
    require_known(["broker-killed", JOB_KILLED])
    with pytest.raises(InvalidInput, match="no fault jvm-killed") as caught:
        require_known(["jvm-killed"])
    assert "broker-killed, broker-frozen" in caught.value.evidence


def test_a_topic_that_is_not_the_scenario_is_the_labs_fault_and_not_the_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    from trending.kafka.log_reader import Record  # noqa: PLC0415

    records = Records(scenario(limit={"tweets": COUNT}))
    plan = Plan(records, Booked(RUN, "topic", "hash", "{}", 1, 10, 1_765_845_060_000), 10)
    import numpy as np  # noqa: PLC0415

    values = Encoder(records).values(records.block(0), 0, COUNT, np.full(COUNT, plan.booked.begin))
    keys = record_keys(RUN, range(COUNT))
    log = [Record(0, place, plan.booked.begin / 1000, values[place], {}, keys[place]) for place in range(COUNT)]
    monkeypatch.setattr(trial, "log_ends", lambda _connection, _topic: {0: (0, len(log))})
    monkeypatch.setattr(trial, "read_log", lambda *_range: log)
    lab = make()
    trial.require_scenario(lab, plan)
    log.append(log[-1])
    with pytest.raises(AuditFailed, match="tweets_topic is not the scenario"):
        trial.require_scenario(lab, plan)
