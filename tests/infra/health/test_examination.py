"""Looking at a machine of pretend: each thing that can be wrong gets its own verdict."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from fakes.clock import FakeClock
from fakes.plain import lab_stack
from fakes.stacks import beat, make, make_whole

from infra.health import examination
from infra.health.verdicts import Finding, Repair, Verdict, note_repair
from infra.lab.assembly import open_lab
from infra.lab.own_access import keep_own_access
from infra.supervision.supervisor import ProgramStatus
from trending.errors import EngineUnavailable, PrerequisiteMissing
from trending.kafka.open_transactions import Held
from trending.settings import PageSettings

if TYPE_CHECKING:
    from fakes.world import World

    from infra.lab.assembly import Lab


@pytest.fixture
def lab(world: World) -> Lab:
    made = make_whole()
    assert world.running == {"kafka", "producer", "stream", "page"}
    return made


def examined(lab: Lab) -> dict[str, Finding]:
    return {each.component: each for each in examination.examine(lab, FakeClock())}


def ended(world: World, program: str, state: str, code: int = 1, started: float | None = None) -> None:
    pid = 99 if state == "RUNNING" else 0
    world.ended[program] = ProgramStatus(program, state, pid, code, "", time.time() if started is None else started)


def test_the_certificates_of_secure_brokers_are_looked_at(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = make(stack=lab_stack(secure=True))
    look = examination.looks_of(lab)["certificates"]
    assert look().verdict is Verdict.UNHEALTHY
    assert (look().next_command, look().repair) == ("make up makes others", Repair.NONE)
    keep_own_access(lab, lambda _line: None)
    lab = open_lab("lab")
    look = examination.looks_of(lab)["certificates"]
    assert look().verdict is Verdict.HEALTHY
    assert look().evidence.startswith("valid until 2")
    monkeypatch.setattr(examination, "require_valid", lambda _lab: ("valid until tomorrow", True))
    assert look() == Finding("certificates", Verdict.WARNING, "valid until tomorrow", "make up renews them")


def test_a_whole_stack_is_healthy_with_evidence_for_each_component(lab: Lab) -> None:
    found = examined(lab)
    assert list(found) == [
        "supervisor",
        "kafka",
        "cluster",
        "topic",
        "producer",
        "stream",
        "page",
        "freshness",
        "disk",
        "memory",
        "versions",
    ]
    assert {each.verdict for each in found.values()} == {Verdict.HEALTHY}
    assert all(each.evidence for each in found.values())
    assert found["freshness"].evidence.startswith("lag 0 records")
    assert found["cluster"].evidence.count(lab.state.cluster_id) == 1, "what one rung has said, the next does not say again"


def test_a_dead_broker_is_the_one_to_start_and_what_needs_it_is_blocked(world: World, lab: Lab) -> None:
    world.services.clear()
    found = examined(lab)
    assert found["kafka"].verdict is Verdict.UNHEALTHY
    assert found["kafka"].repair is Repair.START
    assert found["cluster"].verdict is found["topic"].verdict is found["freshness"].verdict is Verdict.BLOCKED
    assert found["producer"].verdict is Verdict.HEALTHY


@pytest.mark.row(12)
def test_a_broker_that_runs_and_does_not_answer_is_restarted_once_it_had_time_to_start(world: World, lab: Lab) -> None:
    world.frozen.add("kafka")
    assert examined(lab)["kafka"].verdict is Verdict.WARNING
    assert "starting for" in examined(lab)["kafka"].evidence
    world.started["kafka"] -= 60
    assert examined(lab)["kafka"].verdict is Verdict.UNHEALTHY
    assert examined(lab)["kafka"].repair is Repair.RESTART


def test_a_page_that_does_not_answer_is_started_when_gone_and_a_stack_without_one_has_none(world: World, lab: Lab) -> None:
    world.programs.pop("page")
    found = examined(lab)["page"]
    assert found.verdict is Verdict.UNHEALTHY
    assert found.repair is Repair.START
    settings = lab.settings.model_copy(update={"page": PageSettings(page_port=0)})
    assert "page" not in examined(replace(lab, state=lab.state.model_copy(update={"settings": settings})))


def test_a_dead_supervisor_blocks_all_that_it_owns(world: World, lab: Lab) -> None:
    world.supervised = False
    found = examined(lab)
    assert found["supervisor"].repair is Repair.START
    assert found["producer"].verdict is found["stream"].verdict is Verdict.BLOCKED


def test_what_the_runtime_rests_on_is_looked_at_first_and_blocks_its_services(world: World, lab: Lab) -> None:
    def silent() -> str:
        cause = "no Docker engine answers at unix:///x"
        raise EngineUnavailable(cause, "", "start the engine")

    world.checks["engine"] = lambda: "answers"
    found = examined(lab)
    assert next(iter(found)) == "engine"
    assert (found["engine"].verdict, found["engine"].evidence) == (Verdict.HEALTHY, "answers")
    world.checks["engine"] = silent
    world.services.clear()
    found = examined(lab)
    assert (found["engine"].verdict, found["engine"].repair) == (Verdict.UNHEALTHY, Repair.NONE)
    assert (found["engine"].evidence, found["engine"].next_command) == (
        "no Docker engine answers at unix:///x",
        "start the engine",
    )
    assert found["kafka"].verdict is Verdict.BLOCKED


def test_a_program_that_is_gone_is_started(world: World, lab: Lab) -> None:
    world.programs.pop("producer")
    assert examined(lab)["producer"].repair is Repair.START


@pytest.mark.parametrize("state", ["FATAL", "EXITED", "STOPPED", "BACKOFF"])
def test_a_program_that_was_given_up_is_started(world: World, lab: Lab, state: str) -> None:
    ended(world, "stream", state)
    found = examined(lab)["stream"]
    assert found.verdict is Verdict.UNHEALTHY
    assert found.repair is Repair.START


@pytest.mark.parametrize("code", [2, 12])
def test_a_program_that_can_only_fail_again_is_not_started(world: World, lab: Lab, code: int) -> None:
    ended(world, "stream", "EXITED", code)
    found = examined(lab)["stream"]
    assert found.verdict is Verdict.UNHEALTHY
    assert found.repair is Repair.NONE


@pytest.mark.row(19)
def test_a_frozen_program_is_restarted_and_one_that_just_started_is_left_alone(world: World, lab: Lab) -> None:
    beat(lab, "producer", at=time.time() - 40, figures={"acknowledged": 5.0})
    assert examined(lab)["producer"].verdict is Verdict.WARNING
    ended(world, "producer", "RUNNING", started=time.time() - 100)
    found = examined(lab)["producer"]
    assert found.verdict is Verdict.UNHEALTHY
    assert found.repair is Repair.RESTART


def test_a_stream_that_lags_behind_two_triggers_is_unhealthy_and_not_restarted(world: World, lab: Lab) -> None:
    world.due = 8
    assert examined(lab)["freshness"].verdict is Verdict.WARNING
    assert "catching up after a start" in examined(lab)["freshness"].evidence
    beating = lab.supervisor.status("stream")
    assert beating is not None
    world.ended["stream"] = ProgramStatus("stream", "RUNNING", beating.pid, 0, "", time.time() - 1000)
    found = examined(lab)["freshness"]
    assert found.verdict is Verdict.UNHEALTHY
    assert found.repair is Repair.NONE
    assert "partitions [0] stand at {0: 7}, due {0: 8}" in found.evidence


def test_a_clock_that_was_set_back_excuses_nothing_until_it_has_caught_up(world: World, lab: Lab) -> None:
    """What started or was repaired in the future has not just started: it was a warning for hours, and nothing was repaired."""
    later = time.time() + 5000
    beat(lab, "producer", at=time.time() - 40, figures={"acknowledged": 5.0})
    ended(world, "producer", "RUNNING", started=later)
    found = examined(lab)["producer"]
    assert (found.verdict, found.repair) == (Verdict.UNHEALTHY, Repair.RESTART)
    world.due = 8
    beating = lab.supervisor.status("stream")
    assert beating is not None
    world.ended["stream"] = ProgramStatus("stream", "RUNNING", beating.pid, 0, "", later)
    note_repair(lab.paths.health, "kafka", later)
    assert examined(lab)["freshness"].verdict is Verdict.UNHEALTHY


def test_a_stream_that_catches_up_after_a_repair_is_given_the_time_that_it_has_after_a_start(world: World, lab: Lab) -> None:
    world.due = 8
    beating = lab.supervisor.status("stream")
    assert beating is not None
    world.ended["stream"] = ProgramStatus("stream", "RUNNING", beating.pid, 0, "", time.time() - 1000)
    note_repair(lab.paths.health, "kafka", time.time() - 20)
    found = examined(lab)["freshness"]
    assert found.verdict is Verdict.WARNING
    assert "catching up after a start or a repair" in found.evidence
    lab.paths.health.unlink()
    note_repair(lab.paths.health, "kafka", time.time() - 100)
    assert examined(lab)["freshness"].verdict is Verdict.UNHEALTHY


@pytest.mark.row(34)
def test_a_partition_that_an_open_transaction_holds_is_named_and_nothing_is_repaired(world: World, lab: Lab) -> None:
    world.held = [Held(0, 7, 90)]
    found = examined(lab)["freshness"]
    assert (found.verdict, found.repair) == (Verdict.WARNING, Repair.NONE)
    assert found.evidence.startswith(
        "lag 0 records up to there; an open transaction holds partition 0 at offset 7, 83 offsets wait"
    )
    world.due = 8
    beating = lab.supervisor.status("stream")
    assert beating is not None
    world.ended["stream"] = ProgramStatus("stream", "RUNNING", beating.pid, 0, "", time.time() - 1000)
    assert examined(lab)["freshness"].verdict is Verdict.UNHEALTHY, "a lag up to there is one all the same"


def test_a_full_machine_and_a_hole_are_warnings(world: World, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_mb: int) -> str:
        cause = "500 MiB of disk are needed and 3 MiB are free"
        raise PrerequisiteMissing(cause, "at /", "free some space")

    monkeypatch.setattr(examination, "check_disk", full)
    world.kafka_version = "3.4.4"
    found = examined(lab)
    assert found["disk"].verdict is found["versions"].verdict is Verdict.WARNING
    assert found["disk"].next_command == "free some space"
    assert "CVE" in found["versions"].evidence


def test_a_component_is_down_only_after_three_looks() -> None:
    clock = FakeClock()
    before = clock.monotonic()
    ill = Finding("kafka", Verdict.UNHEALTHY, "")
    seen = iter([ill, ill, Finding("kafka", Verdict.HEALTHY, "")])
    assert examination.look_again(lambda: next(seen), clock).verdict is Verdict.HEALTHY
    assert clock.monotonic() - before == 2 * examination.PAUSE_SECONDS
    looks: list[int] = []
    assert examination.look_again(lambda: looks.append(1) or ill, clock) is ill  # type: ignore[func-returns-value]
    assert len(looks) == 3
