"""The health check as a plain function on a machine of pretend: verdicts, events, artifacts, repairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fakes.stacks import make_whole

from flows import health_check
from flows.forms import HealthCheckForm
from infra.compose_stack import ComposeService, ComposeStack
from infra.health import REPAIRS, read_record
from infra.lab import want
from infra.paths import StackPaths
from infra.runtime import Observation, ServiceState
from infra.stack import ServiceKind
from infra.state import Wanted, down_asked_for, stack_held
from tasks import examination, repair
from trending.errors import StackAbsent, Unhealthy

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


@pytest.mark.parametrize("wanted", [Wanted.DOWN, Wanted.STOPPED])
def test_a_stack_that_is_wanted_down_completes_as_absent(world: World, events: Events, wanted: Wanted) -> None:
    lab = make_whole()
    want(lab, wanted)
    world.services.clear()
    assert check(heal=True).name == "Absent"
    assert events == []


def test_a_stack_that_never_was_is_absent_too(world: World) -> None:
    assert check().name == "Absent"


def test_what_is_down_fails_the_check_with_its_evidence_and_is_told_once(
    world: World, events: Events, artifacts: dict[str, str]
) -> None:
    make_whole()
    world.services.clear()
    for _twice in range(2):
        with pytest.raises(Unhealthy, match="kafka of lab is down") as caught:
            check()
    assert caught.value.next_command == "make health HEAL=1"
    assert world.services == {}, "heal is off by default"
    assert [event for event, *_rest in events] == ["trending.health.changed"]
    _event, resource, payload = events[0]
    assert resource["trending.verdict"] == "unhealthy"
    assert payload["kafka"] == {"from": "healthy", "to": "unhealthy"}
    assert payload["topic"] == {"from": "healthy", "to": "blocked"}
    assert "## kafka" in artifacts["logs-lab"]
    assert "kafka says 39" in artifacts["logs-lab"]


def test_healing_repairs_once_and_tells_of_it(world: World, events: Events, said: list[str]) -> None:
    make_whole()
    world.services.clear()
    world.forget_history()
    assert check(heal=True).name == "Repaired"
    assert world.changes == ["start kafka"]
    assert check(heal=True).name == "Healthy"
    assert world.changes == ["start kafka"]
    assert "kafka was repaired" in said


def test_several_at_once_are_left_alone(world: World) -> None:
    make_whole()
    world.programs.pop("producer")
    world.programs.pop("stream")
    world.forget_history()
    with pytest.raises(Unhealthy, match="2 components are down at once"):
        check(heal=True)
    assert world.changes == []


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


def test_a_check_beside_another_command_repairs_nothing(world: World) -> None:
    lab = make_whole()
    world.services.clear()
    with stack_held(lab.paths), pytest.raises(Unhealthy, match="another command has held the stack"):
        check(heal=True)
    assert world.services == {}


def test_a_take_down_during_the_check_makes_it_absent(world: World) -> None:
    lab = make_whole()
    world.services.clear()
    world.fail("start kafka", lambda: want(lab, Wanted.DOWN))
    assert check(heal=True).name == "Absent"


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
    monkeypatch.setattr("infra.readiness._dialled", lambda _client, _bootstrap: "localhost:9092")
    monkeypatch.setattr(health_check, "compose_stack", lambda _name: composed(ServiceState.RUNNING))
    assert check(heal=True).name == "Healthy"
    assert "'verdict': 'healthy'" in artifacts["health-lab"]
    monkeypatch.setattr(health_check, "compose_stack", lambda _name: composed(ServiceState.EXITED))
    with pytest.raises(Unhealthy, match="Docker Compose's, not ours") as caught:
        check(heal=True)
    assert caught.value.next_command == "docker logs their-kafka-1"
    assert world.changes == []
    assert events == []
