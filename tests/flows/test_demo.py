from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
from fakes.clock import FakeClock
from fakes.plain import lab_stack

from flows import demo as module
from flows import start_up
from flows.demo import own_page, own_stack
from infra.docker.marks import DockerMarks
from infra.forms.showing import DemoForm, DemoOptions
from infra.forms.stacks import StartUpForm
from infra.host.paths import StackPaths, lab_home
from infra.host.processes import PortOwner
from infra.lab.assembly import open_lab
from infra.lab.remains import Remains
from infra.stack.state import existing_stacks, stack_held
from trending.errors import Interrupted, NotOurs, NotReady, StackBusy
from trending.settings import PageSettings, RuntimeKind, StackSettings

if TYPE_CHECKING:
    from fakes.world import World

pytestmark = pytest.mark.usefixtures("plain")


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    made = FakeClock()
    monkeypatch.setattr(module, "time", made)
    return made


def form(**stack: Any) -> DemoForm:
    return DemoForm(stack=lab_stack(**stack), demo=DemoOptions(demo_seconds=5))


def test_a_demo_shows_rankings_audits_and_leaves_nothing(world: World, said: list[str], clock: FakeClock) -> None:
    report = module.demo(form())
    assert report.clean
    assert "stream works" in said
    assert said[-1].startswith("audit: acknowledged 0, in log 0, counted 0, lost 0, duplicated 0")
    assert clock.now - 1000 >= 5
    assert world.running == set()
    assert existing_stacks() == []


def test_a_demo_prints_what_the_job_prints_while_it_watches(
    world: World, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    start_up.start_up(StartUpForm(stack=lab_stack()))
    log = open_lab("lab").paths.output_file("stream")
    blocks = iter(["Batch 1\n", "Batch 2 #ñ\n"])

    def more() -> None:
        with log.open("a", encoding="utf-8") as output:
            output.write(next(blocks, ""))

    monkeypatch.setattr(module, "time", FakeClock(more))
    module.watch_rankings("lab", 2.0)
    assert [line for line in said if line.startswith("Batch")] == ["Batch 1", "Batch 2 #ñ"]
    assert world.running


def test_a_demo_beside_a_stack_of_its_name_takes_another_name_and_leaves_that_stack_alone(world: World, said: list[str]) -> None:
    start_up.start_up(StartUpForm(stack=lab_stack()))
    (StackPaths.of("lab").data / "precious").touch()
    world.forget_history()
    module.demo(form())
    assert world.changes == []
    assert world.others["lab-demo-2"].running == set()
    assert "launch stream" in world.others["lab-demo-2"].changes
    assert existing_stacks() == ["lab"]
    assert (StackPaths.of("lab").data / "precious").exists()
    assert [line for line in said if "this demo is lab-demo-2" in line]


@pytest.mark.parametrize("error", [NotReady("the page is gone"), Interrupted()])
@pytest.mark.parametrize("step", ["watch stream", "read tweets_topic", "remove producer", "start kafka"])
def test_a_demo_that_fails_or_is_interrupted_leaves_nothing(step: str, error: BaseException, world: World) -> None:
    world.fail(step, error if isinstance(error, Interrupted) else KeyError("a bug"))
    with pytest.raises((Interrupted, KeyError)):
        module.demo(form())
    assert world.running == set()
    assert existing_stacks() == []


def silent_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker does not answer while the demo looks for a free name."""
    monkeypatch.setattr(module, "remains_of", lambda _paths: Remains((), (), DockerMarks(silence="frozen")))


@pytest.mark.row(35)
def test_a_demo_does_not_adopt_data_that_shows_up_late_because_it_would_delete_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent_at_first(monkeypatch)
    world.volumes["lab_kafka-data"] = "kept-cluster-id-000001"
    with pytest.raises(NotOurs, match="was found free, and has data"):
        module.demo(form(runtime=RuntimeKind.DOCKER))
    assert world.volumes == {"lab_kafka-data": "kept-cluster-id-000001"}
    assert world.running == set()


@pytest.mark.row(35)
@pytest.mark.parametrize("step", ["prepare", "start kafka", "watch stream"])
def test_a_demo_that_fails_leaves_volumes_that_an_engine_shows_only_at_the_end(
    step: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent_at_first(monkeypatch)

    def engine_starts() -> None:
        world.volumes["lab_kafka-data"] = "kept-cluster-id-000001"
        monkeypatch.setattr("infra.operations.take_down.engine_answers", lambda: None)
        raise KeyError(step)

    world.fail(step, engine_starts)
    with pytest.raises(KeyError):
        module.demo(form())
    assert world.volumes == {"lab_kafka-data": "kept-cluster-id-000001"}
    assert world.running == set()


def test_names_and_ports_of_the_contract_are_kept_when_they_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "port_owner", lambda _port: None)
    with own_stack(StackSettings()) as own:
        assert own == StackSettings()


@pytest.mark.usefixtures("world")
def test_each_taken_name_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "port_owner", lambda _port: None)
    for name in ("trending", "trending-demo-2"):
        start_up.start_up(StartUpForm(stack=lab_stack(name=name)))
    with own_stack(StackSettings()) as own:
        assert own.name == "trending-demo-3"


@pytest.mark.usefixtures("world")
def test_two_demos_at_once_have_two_names_and_nobody_else_gets_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "port_owner", lambda _port: None)
    with own_stack(StackSettings()) as first, own_stack(StackSettings()) as second:
        assert (first.name, second.name) == ("trending", "trending-demo-2")
        start_up.start_up(StartUpForm(stack=lab_stack(name="trending")))  # the first demo's own
        monkeypatch.setattr("infra.stack.claim._own", set())  # somebody else's process
        with pytest.raises(StackBusy, match="a demo or a report has the name trending-demo-2 for itself"):
            start_up.start_up(StartUpForm(stack=lab_stack(name="trending-demo-2")))
    start_up.start_up(StartUpForm(stack=lab_stack(name="trending-demo-2")))
    assert [path.name for path in (lab_home() / "stacks").glob("*.claim")] == []


@pytest.mark.usefixtures("world")
def test_a_name_that_another_command_is_working_on_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "port_owner", lambda _port: None)
    with stack_held(StackPaths.of("trending")), own_stack(StackSettings()) as own:
        assert own.name == "trending-demo-2"


def test_a_taken_usual_port_is_replaced_by_a_free_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "port_owner", lambda port: PortOwner(port, 1, "kafka"))
    monkeypatch.setattr("infra.host.processes.port_owner", lambda port: PortOwner(port, 1, "x") if port < 9292 else None)
    with own_stack(StackSettings()) as own:
        assert own.port == 9292


def test_a_taken_page_port_is_replaced_by_a_free_one_and_one_that_was_asked_for_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def owner(port: int) -> PortOwner | None:
        return PortOwner(port, 1, "streamlit") if port in {8501, 8502, 7000} else None

    monkeypatch.setattr("infra.host.processes.port_owner", owner)
    assert own_page(PageSettings()).page_port == 8503
    for asked in (0, 7000):
        assert own_page(PageSettings(page_port=asked)).page_port == asked
    monkeypatch.setattr("infra.host.processes.port_owner", lambda _port: None)
    assert own_page(PageSettings()) == PageSettings()


def test_a_port_that_was_asked_for_is_never_exchanged() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked = StackSettings(port=server.getsockname()[1] if server.getsockname()[1] <= 60000 else 23999)
        with own_stack(asked) as own:
            assert own == asked


def test_the_command_stops_the_server_that_it_started(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[bool] = []

    def with_server(run: Any, *, leave: bool) -> None:
        left.append(leave)
        run()

    monkeypatch.setattr(module, "with_server", with_server)
    module.main(form())
    assert left == [False]
    assert world.running == set()


def test_a_demo_is_worth_watching_and_every_other_setting_is_that_of_its_stack() -> None:
    given = DemoForm(stack=lab_stack(), serving={"store_url": "postgresql+psycopg://lab@127.0.0.1/lab"})
    begun = given.start_up(given.stack, given.page)
    assert (begun.producer.rate, begun.stream.trigger_seconds) == (20.0, 2.0)
    assert (StartUpForm().producer.rate, StartUpForm().stream.trigger_seconds) == (1.0, 10.0)
    expected = StartUpForm(stack=given.stack, producer={"rate": 20}, stream={"trigger_seconds": 2}, serving=given.serving)
    assert begun == expected, "the sections are compared with a recorded stack's, by class too"


def test_a_demo_on_a_cluster_of_ones_own_takes_its_address_along() -> None:
    given = DemoForm(stack=lab_stack(runtime=RuntimeKind.EXTERNAL), access={"bootstrap": "127.0.0.1:9092"})
    assert given.start_up(given.stack, given.page).access == given.access
