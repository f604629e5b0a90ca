"""The health check as a plain function on a machine of pretend: verdicts, events, artifacts, repairs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from fakes.plain import lab_stack
from fakes.stacks import make_whole

from flows import audit, health_check, start_up
from infra.docker.compose_stack import ComposeService, ComposeStack
from infra.forms.proving import AuditForm, HealthCheckForm
from infra.forms.stacks import LastStep, StartUpForm
from infra.health import examination, repair
from infra.health.verdicts import REPAIRS, read_record
from infra.host.paths import StackPaths
from infra.lab.assembly import want
from infra.stack.declaration import ServiceKind
from infra.stack.runtime import Observation, ServiceState
from infra.stack.state import Wanted, down_asked_for, stack_held
from infra.supervision.supervisor import ProgramStatus
from trending.errors import ConfigurationConflict, EngineUnavailable, StackAbsent, StackBusy, Unhealthy

if TYPE_CHECKING:
    from fakes.world import World

pytestmark = pytest.mark.usefixtures("plain")


@pytest.fixture(autouse=True)
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str], dict[str, Any]]]:
    """The events that were emitted: name, resource, payload."""
    emitted: list[tuple[str, dict[str, str], dict[str, Any]]] = []
    monkeypatch.setattr(health_check, "emit_event", lambda event, resource, payload: emitted.append((event, resource, payload)))
    return emitted


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(repair, "HELD_SECONDS", 0.05)
    monkeypatch.setattr(health_check, "compose_stack", lambda _name: None)


def check(*, heal: bool = False) -> Any:
    return health_check.health_check(HealthCheckForm(name="lab", heal=heal))


Events = list[tuple[str, dict[str, str], dict[str, Any]]]


def test_a_whole_stack_is_healthy_and_no_event_is_sent(world: World, events: Events, artifacts: dict[str, str]) -> None:
    make_whole()
    assert check().name == "Healthy"
    assert events == []
    assert "'component': 'stream', 'verdict': 'healthy'" in artifacts["health-lab"]


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Wanted.DOWN, "the stack lab was taken down, so there is nothing to check; make up NAME=lab brings it up"),
        (Wanted.STOPPED, "the stack lab was stopped, so there is nothing to check; make start NAME=lab brings it back"),
    ],
)
def test_a_stack_that_is_wanted_down_completes_as_absent(
    world: World, events: Events, said: list[str], wanted: Wanted, told: str
) -> None:
    lab = make_whole()
    want(lab, wanted)
    world.services.clear()
    world.programs.clear()
    assert check(heal=True).name == "Absent"
    assert events == []
    assert said[-1] == told


@pytest.mark.parametrize(("wanted", "done"), [(Wanted.DOWN, "taken down"), (Wanted.STOPPED, "stopped")])
def test_what_a_take_down_has_left_running_is_told_and_not_repaired(
    world: World, said: list[str], wanted: Wanted, done: str
) -> None:
    lab = make_whole()
    want(lab, wanted)
    world.programs.clear()
    assert check(heal=True).name == "Absent"
    told = f"the stack lab was to be {done}, and kafka still runs, so there is nothing to check; make down NAME=lab ends it"
    assert said[-1] == told
    assert world.services


def test_without_its_engine_a_stack_that_was_taken_down_is_no_failure(
    said: list[str], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    want(make_whole(), Wanted.DOWN)
    world.services.clear()

    def silent(_lab: object) -> None:
        cause = "no Docker engine answers"
        raise EngineUnavailable(cause)

    monkeypatch.setattr(health_check, "running", silent)
    assert check().name == "Absent"
    assert said[-1].startswith("the stack lab was taken down, so there is nothing to check")


@pytest.mark.usefixtures("world")
def test_a_stack_without_a_state_file_is_not_called_absent(said: list[str]) -> None:
    make_whole()
    StackPaths.of("lab").state.unlink()
    assert check().name == "Absent"
    assert said[-1].startswith("the stack lab has no state file, but there is ")
    assert "make up NAME=lab adopts it" in said[-1]


@pytest.mark.usefixtures("world")
def test_a_stack_that_never_was_is_absent_too(said: list[str]) -> None:
    assert check().name == "Absent"
    assert said == ["there is no stack lab, so there is nothing to check; make up NAME=lab brings one up"]


@pytest.mark.usefixtures("world")
def test_a_stack_that_is_being_taken_down_is_said_to_be(said: list[str]) -> None:
    make_whole()
    with down_asked_for(StackPaths.of("lab")):
        assert check().name == "Absent"
    assert said == ["the stack lab is being taken down, so there is nothing to check"]


def test_a_repair_after_which_the_stream_catches_up_is_a_success(world: World, events: Events) -> None:
    lab = make_whole()
    beating = lab.supervisor.status("stream")
    assert beating is not None
    world.ended["stream"] = ProgramStatus("stream", "RUNNING", beating.pid, 0, "", time.time() - 1000)
    world.services.clear()
    world.fail("start kafka", lambda: setattr(world, "due", 8))
    assert check(heal=True).name == "Repaired"
    assert "freshness" in str(events)


def test_what_is_down_fails_the_check_with_its_evidence_and_is_told_once(
    world: World, events: Events, artifacts: dict[str, str]
) -> None:
    make_whole()
    world.services.clear()
    for _twice in range(2):
        with pytest.raises(Unhealthy, match="kafka of lab is down") as caught:
            check()
    assert caught.value.next_command == "make health NAME=lab HEAL=1"
    assert world.services == {}, "heal is off by default"
    assert [event for event, *_rest in events] == ["trending.health.changed"]
    _event, resource, payload = events[0]
    assert resource["trending.verdict"] == "unhealthy"
    assert payload["kafka"] == {"from": "healthy", "to": "unhealthy"}
    assert payload["topic"] == {"from": "healthy", "to": "blocked"}
    assert "## kafka" in artifacts["logs-lab"]
    assert "kafka says 39" in artifacts["logs-lab"]


@pytest.mark.row(27)
def test_healing_repairs_once_and_tells_of_it(world: World, events: Events, said: list[str]) -> None:
    make_whole()
    world.services.clear()
    world.forget_history()
    assert check(heal=True).name == "Repaired"
    assert world.changes == ["start kafka"]
    assert check(heal=True).name == "Healthy"
    assert world.changes == ["start kafka"]
    assert "kafka was repaired" in said


def test_a_take_down_that_was_killed_does_not_silence_the_checks_for_ever(world: World) -> None:
    lab = make_whole()
    lab.paths.down_request.touch()
    world.services.clear()
    with pytest.raises(Unhealthy):
        check()


def test_what_changed_is_told_though_the_evidence_cannot_be_left(
    world: World, events: Events, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_whole()
    world.services.clear()

    def gone(*_artifact: object, **_names: object) -> None:
        raise ConnectionError("server gone")

    monkeypatch.setattr("flows.runs.artifacts.create_markdown_artifact", gone)
    monkeypatch.setattr("flows.health_check.create_table_artifact", gone)
    with pytest.raises(Unhealthy):
        check()
    assert [event for event, *_rest in events] == ["trending.health.changed"]
    assert "the table could not be left with the run: ConnectionError: server gone" in said


def test_a_damaged_store_does_not_hide_what_is_down(world: World, said: list[str]) -> None:
    lab = make_whole()
    world.services.clear()
    lab.paths.data.mkdir(parents=True, exist_ok=True)
    lab.paths.store.write_bytes(b"this is no database" * 100)
    with pytest.raises(Unhealthy):
        check()
    assert any(line.startswith("the ranking could not be left with the run: DatabaseError") for line in said)


def test_a_look_that_fails_leaves_the_other_findings(
    world: World, artifacts: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_whole()
    world.services.clear()

    def broken(_wanted: int) -> str:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(examination, "check_disk", broken)
    with pytest.raises(Unhealthy, match="kafka, disk of lab is down"):
        check()
    assert "could not be looked at: OSError" in artifacts["health-lab"]


def test_a_check_that_could_not_be_done_is_told(world: World, events: Events) -> None:
    make_whole().paths.state.write_text("{")
    assert world.running
    with pytest.raises(ConfigurationConflict):
        check()
    assert [(event, resource["prefect.resource.name"]) for event, resource, _payload in events] == [
        ("trending.health.not-done", "lab")
    ]


@pytest.mark.row(26)
def test_a_check_while_another_command_works_on_the_stack_is_busy_and_tells_nobody(
    world: World, events: Events, artifacts: dict[str, str]
) -> None:
    lab = make_whole()
    world.services.clear()
    with stack_held(lab.paths):
        assert check(heal=True).name == "Busy"
    assert world.services == {}
    assert events == []
    assert "unhealthy" in artifacts["health-lab"]
    assert read_record(lab.paths.health).verdicts == {}


def test_a_start_up_in_the_middle_is_no_alarm(world: World, events: Events) -> None:
    seen: list[str] = []
    world.fail("start kafka", lambda: seen.append(check().name))
    start_up.start_up(StartUpForm(stack=lab_stack()))
    assert seen == ["Busy"]
    assert events == []


def test_what_was_left_out_on_purpose_is_not_missed_and_what_was_asked_for_later_is(world: World) -> None:
    stack = lab_stack()
    start_up.start_up(StartUpForm(stack=stack, until=LastStep.STREAM))
    world.forget_history()
    assert check(heal=True).name in {"Healthy", "Warning"}
    assert world.changes == []
    start_up.start_up(StartUpForm(stack=stack))
    world.programs.pop("page")
    assert check(heal=True).name == "Repaired"
    audit.audit(AuditForm(name="lab", resume=False))
    world.forget_history()
    assert check(heal=True).name in {"Healthy", "Warning"}
    assert "launch producer" not in world.changes
    audit.audit(AuditForm(name="lab", at_rest=True))
    world.programs.pop("producer")
    assert check(heal=True).name == "Repaired"


def test_a_repair_that_failed_is_not_called_repaired(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    make_whole()
    saved = world.programs.pop("producer")

    def busy(_stack: str, _finding: object) -> str:
        world.programs["producer"] = saved
        raise StackBusy("another command has held the stack lab for 1 s")

    monkeypatch.setattr(health_check, "repair_component", busy)
    state = check(heal=True)
    assert (state.name, state.message) == ("Healthy", "another command has held the stack lab for 1 s")


def test_the_way_back_is_told_after_a_start_up_too(world: World, events: Events) -> None:
    lab = make_whole()
    world.services.clear()
    with pytest.raises(Unhealthy):
        check()
    start_up.start_up(StartUpForm(stack=lab_stack(port=lab.settings.stack.port)))
    check()
    assert [resource["trending.verdict"] for _event, resource, _payload in events] == ["unhealthy", "healthy"]
    assert read_record(lab.paths.health).repairs == {}


def test_several_at_once_are_left_alone(world: World) -> None:
    make_whole()
    world.programs.pop("producer")
    world.programs.pop("stream")
    world.forget_history()
    with pytest.raises(Unhealthy, match="2 components are down at once"):
        check(heal=True)
    assert world.changes == []


@pytest.mark.row(27)
def test_a_component_that_dies_again_and_again_ends_in_one_alert(world: World, events: Events) -> None:
    make_whole()
    for _death in range(REPAIRS):
        world.programs.pop("producer")
        assert check(heal=True).name == "Repaired"
    world.programs.pop("producer")
    for _twice in range(2):
        with pytest.raises(Unhealthy, match="was repaired 3 times"):
            check(heal=True)
    assert "producer" not in world.programs
    assert [event for event, *_rest in events] == ["trending.health.changed", "trending.health.given-up"]
    assert events[1][1]["trending.component"] == "producer"


def test_a_repair_that_fails_is_told_and_the_check_fails(world: World) -> None:
    make_whole()
    world.services.clear()
    world.fail("start kafka", StackAbsent("the jars are gone"))
    with pytest.raises(Unhealthy, match="the repair of kafka failed: the jars are gone"):
        check(heal=True)
    assert list(read_record(StackPaths.of("lab").health).repairs) == ["kafka"]


@pytest.mark.row(26)
def test_a_take_down_during_the_check_makes_it_absent(world: World) -> None:
    lab = make_whole()
    world.services.clear()
    world.fail("start kafka", lambda: want(lab, Wanted.DOWN))
    assert check(heal=True).name == "Absent"


@pytest.mark.row(26)
def test_a_stack_that_is_being_taken_down_is_absent(world: World) -> None:
    lab = make_whole()
    world.services.clear()
    with down_asked_for(lab.paths):
        assert check(heal=True).name == "Absent"
    assert world.services == {}


def composed(state: ServiceState) -> ComposeStack:
    broker = ComposeService("kafka", ServiceKind.KAFKA, (9092,), Observation("kafka", state, "their-kafka-1, pid 7"), "healthy")
    return ComposeStack("lab", (broker,))


def test_a_stack_of_composes_is_looked_at_and_never_repaired(
    world: World, events: Events, artifacts: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.services["kafka"] = "theirs"
    monkeypatch.setattr("infra.kafka.readiness._dialled", lambda _client, _bootstrap: "localhost:9092")
    monkeypatch.setattr(health_check, "compose_stack", lambda _name: composed(ServiceState.RUNNING))
    assert check(heal=True).name == "Healthy"
    assert "'verdict': 'healthy'" in artifacts["health-lab"]
    monkeypatch.setattr(health_check, "compose_stack", lambda _name: composed(ServiceState.EXITED))
    with pytest.raises(Unhealthy, match="Docker Compose's, not ours") as caught:
        check(heal=True)
    assert caught.value.next_command == "docker logs their-kafka-1"
    assert world.changes == []
    assert events == []
