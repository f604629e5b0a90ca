"""The flows under Prefect's own engine: what a task adds to its function."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from fakes.clock import FakeClock
from fakes.plain import lab_stack
from prefect import Task, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.client.schemas.objects import StateType

from flows import audit, demo, smoke_test, start_up, tear_down
from flows.forms import DemoForm, DemoOptions, SmokeTestForm, StartUpForm, TearDownForm
from infra.lab import record
from infra.paths import StackPaths
from infra.state import existing_stacks, read_state
from tasks import infrastructure
from trending.errors import ConfigurationConflict, Interrupted, NotReady, ServiceDied
from trending.settings import LabSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fakes.world import World
    from prefect.client.schemas.objects import TaskRun

pytestmark = pytest.mark.usefixtures("engine")
UP = (
    "prepare",
    "start supervisor",
    "start kafka",
    "round trip",
    "create tweets_topic",
    "ends of tweets_topic",
    "launch producer",
    "watch producer",
    "launch stream",
    "watch stream",
    "launch page",
    "watch page",
)
WAITS = ("round trip", "watch producer", "watch stream", "watch page")
DOWN = ("write down what is wanted", "remove page", "remove stream", "remove producer", "remove kafka", "destroy")


@pytest.fixture(autouse=True)
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait between two attempts."""
    for module in (audit, smoke_test, start_up, tear_down):
        for task in [value for value in vars(module).values() if isinstance(value, Task)]:
            monkeypatch.setattr(task, "retry_delay_seconds", 0)


@pytest.fixture
def sigterm_interrupts() -> Iterator[None]:
    """Handle SIGTERM as every command does."""
    from flows.command_line import _interrupt  # noqa: PLC0415

    before = signal.signal(signal.SIGTERM, _interrupt)
    yield
    signal.signal(signal.SIGTERM, before)


def task_runs(flow_run: str, expected: int) -> list[TaskRun]:
    """Return a flow run's task runs; the server learns of them from events, a moment later."""
    wanted = FlowRunFilter(name=FlowRunFilterName(any_=[flow_run]))
    deadline = time.monotonic() + 20
    with get_client(sync_client=True) as client:
        while True:
            runs = client.read_task_runs(flow_run_filter=wanted)
            ended = len(runs) == expected and all(run.state is not None and run.state.is_final() for run in runs)
            if ended or time.monotonic() > deadline:
                return runs
            time.sleep(0.05)


def test_tasks_that_fail_once_are_retried_and_the_flow_completes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for operation in (*UP, *DOWN):
        # What waits is not tried again: what is not there for a moment is waited for.
        world.fail(operation, (NotReady if operation in WAITS else ServiceDied)("it was not there for a moment"))
    stack = lab_stack(name="lab")
    assert start_up.start_up(StartUpForm(stack=stack)).changed
    assert world.running == {"kafka", "producer", "stream", "page"}
    runs = task_runs("start-up lab", 12)
    assert {run.name: run.run_count for run in runs} == {run.name: 1 if run.name.startswith("wait-for-") else 2 for run in runs}
    assert len([run for run in runs if run.name.startswith("wait-for-")]) == len(WAITS)
    assert {run.state_type for run in runs} == {StateType.COMPLETED}
    written = infrastructure.want

    def write_in_the_end(*arguments: Any) -> None:
        world.do("write down what is wanted")
        written(*arguments)

    monkeypatch.setattr(infrastructure, "want", write_in_the_end)
    assert tear_down.tear_down(TearDownForm(name="lab"))
    assert world.running == set()
    assert [run.run_count for run in task_runs("tear-down lab", 6)] == [2] * 6


def test_a_task_whose_error_is_final_is_tried_once_and_the_flow_fails_with_it(world: World) -> None:
    world.fail("check tweets_topic", ConfigurationConflict("other settings"))
    with pytest.raises(ConfigurationConflict, match="other settings"):
        start_up.start_up(StartUpForm(stack=lab_stack()))
    assert world.calls.count("check tweets_topic") == 1
    assert world.changes[-2:] == ["end kafka", "end supervisor"]
    assert world.running == set()
    assert not world.supervised


def test_a_task_that_goes_on_failing_is_given_up_after_three_attempts(world: World) -> None:
    world.fail("launch producer", *[ServiceDied(f"attempt {number}") for number in range(9)])
    with pytest.raises(ServiceDied, match="attempt 2"):
        start_up.start_up(StartUpForm(stack=lab_stack()))
    assert world.running == set()


def test_a_wait_that_fails_is_not_tried_again(world: World) -> None:
    world.fail("watch producer", ServiceDied("it died for good"))
    with pytest.raises(ServiceDied, match="it died for good"):
        start_up.start_up(StartUpForm(stack=lab_stack()))
    assert world.calls.count("watch producer") == 1
    assert world.running == set()


@pytest.mark.usefixtures("sigterm_interrupts")
@pytest.mark.parametrize("step", ["start kafka", "watch stream"])
def test_sigterm_in_a_task_undoes_everything(step: str, world: World) -> None:
    world.fail(step, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(Interrupted):
        start_up.start_up(StartUpForm(stack=lab_stack()))
    assert world.running == set()
    assert not world.supervised
    assert read_state(StackPaths.of("lab")) is None


def test_the_whole_demo_runs_under_the_engine_and_leaves_nothing(
    world: World, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "time", FakeClock())
    report = demo.demo(DemoForm(stack=lab_stack(), demo=DemoOptions(demo_seconds=5)))
    assert report.clean
    assert said[-1].startswith("audit: acknowledged 0")
    assert [line for line in said if "kafka: created" in line]
    assert world.running == set()
    assert existing_stacks() == []


def test_the_five_messages_are_never_sent_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    record(LabSettings(stack=lab_stack()))
    sent: list[str] = []

    def probe(*arguments: Any) -> None:
        sent.append(arguments[1])
        raise ServiceDied("no answer")

    monkeypatch.setattr("tasks.audit.run_probe", probe)
    with pytest.raises(ServiceDied):
        smoke_test.smoke_test(SmokeTestForm(name="lab"))
    assert sent == ["tweets_topic"]
    assert world.changes == []
