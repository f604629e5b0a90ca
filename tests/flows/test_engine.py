"""What needs a Prefect server: the flows under its engine, and what `make serve` puts there. One file, since one is enough."""

from __future__ import annotations

import datetime as dt
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes.clock import FakeClock
from fakes.plain import lab_stack
from prefect import Task, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName, LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.exceptions import TerminationSignal
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL
from pydantic import SecretStr

from flows import audit, demo, smoke_test, start_up, tear_down
from flows.commands import deployment
from infra.console.interruptions import raise_on_signals
from infra.forms.next_commands import with_name
from infra.forms.proving import SmokeTestForm
from infra.forms.showing import DemoForm, DemoOptions
from infra.forms.stacks import StartUpForm, TearDownForm
from infra.host.paths import StackPaths
from infra.lab.assembly import record
from infra.operations import services as infrastructure
from infra.operations.take_down import take_down
from infra.stack.state import existing_stacks, read_state
from trending.errors import ConfigurationConflict, Interrupted, NotReady, ServiceDied, UndoAbandoned
from trending.settings import LabSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fakes.world import World
    from prefect.client.schemas.objects import TaskRun

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("engine")]
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
    tasks = [value for module in (audit, smoke_test, start_up) for value in vars(module).values() if isinstance(value, Task)]
    for task in [*tasks, *tear_down.TASKS.values()]:
        monkeypatch.setattr(task, "retry_delay_seconds", 0)


@pytest.fixture
def sigterm_interrupts(own_process: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Handle signals as every command does."""
    monkeypatch.setattr("infra.console.interruptions.ECHO_SECONDS", 0.0)
    raise_on_signals()


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


@pytest.mark.row(18)
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


@pytest.mark.row(8)
@pytest.mark.usefixtures("sigterm_interrupts")
@pytest.mark.parametrize("step", ["start kafka", "watch stream"])
def test_sigterm_in_a_task_undoes_everything(step: str, world: World) -> None:
    world.fail(step, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(Interrupted):
        start_up.start_up(StartUpForm(stack=lab_stack()))
    assert world.running == set()
    assert not world.supervised
    assert read_state(StackPaths.of("lab")) is None


@pytest.mark.row(8)
@pytest.mark.usefixtures("sigterm_interrupts")
@pytest.mark.parametrize("step", ["start kafka", "watch stream", "remove producer"])
def test_sigterm_during_a_demo_and_again_during_its_undo_leaves_nothing(
    step: str, world: World, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setattr(demo, "time", FakeClock())
    world.fail(step, lambda: signal.raise_signal(signal.SIGTERM))
    world.fail("remove kafka", lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises((Interrupted, TerminationSignal)):
        demo.demo(DemoForm(stack=lab_stack(), demo=DemoOptions(demo_seconds=5)))
    assert world.running == set()
    assert not world.supervised
    assert existing_stacks() == []
    assert not [line for line in said if "left" in line]


@pytest.mark.row(8)
@pytest.mark.usefixtures("sigterm_interrupts")
def test_the_third_sigterm_abandons_the_undo_under_the_engine_and_says_what_is_left(
    world: World, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "time", FakeClock())
    for step in ("watch stream", "remove stream", "remove producer"):
        world.fail(step, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(UndoAbandoned):
        demo.demo(DemoForm(stack=lab_stack(), demo=DemoOptions(demo_seconds=5)))
    assert world.running == {"kafka", "producer"}, "no other undo begins"
    (line,) = [line for line in said if "abandoned" in line]
    assert all(part in line for part in ("kafka", "producer", "make down NAME=lab"))
    assert "stream" not in line
    take_down("lab", volumes=True)


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


@pytest.mark.parametrize("choice", [{}, {"volumes": True}, {"stop_only": True}])
def test_a_take_down_takes_the_same_steps_with_an_engine_and_without(world: World, choice: dict[str, bool]) -> None:
    calls = []
    for run in (
        lambda: tear_down.tear_down(TearDownForm(name="lab", confirm="lab", **choice)),
        lambda: take_down("lab", **choice),
    ):
        start_up.start_up(StartUpForm(stack=lab_stack(name="lab")))
        world.forget_history()
        assert run()
        calls.append((tuple(world.calls), tuple(world.changes)))
        take_down("lab", volumes=True)
    assert calls[0] == calls[1]
    assert calls[0][1], "something was taken down"


def test_a_flows_lines_reach_the_log_of_its_run_and_the_terminal(world: World, said: list[str]) -> None:
    name = "start-up lab"
    start_up.start_up(StartUpForm(stack=lab_stack(name="lab")))
    last = said[-1]
    assert last.startswith("stack lab is up")
    deadline = time.monotonic() + 30
    lines: set[str] = set()
    while last not in lines and time.monotonic() < deadline:  # Prefect sends a run's log in the background
        with get_client(sync_client=True) as client:
            runs = client.read_flow_runs(flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=[name])))
            newest = max(runs, key=lambda run: run.created)
            logs = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[newest.id])), limit=200)
        lines = {log.message for log in logs}
        time.sleep(0.05)
    assert [line for line in said if with_name(line, "lab") not in lines] == []
    assert len(said) == len(set(said)), "each line once"


def test_the_five_messages_are_never_sent_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    record(LabSettings(stack=lab_stack()))
    sent: list[str] = []

    def probe(*arguments: Any) -> None:
        sent.append(arguments[1])
        raise ServiceDied("no answer")

    monkeypatch.setattr("infra.operations.audit.run_probe", probe)
    with pytest.raises(ServiceDied):
        smoke_test.smoke_test(SmokeTestForm(name="lab"))
    assert sent == ["tweets_topic"]
    assert world.changes == []


@pytest.fixture
def cleaned() -> Iterator[None]:
    """Automations and blocks of this test are gone afterwards."""
    yield
    with get_client(sync_client=True) as client:
        for name in ("trending-alert", "trending-zombies", "trending-late-checks"):
            for automation in client.read_automations_by_name(name):
                client.delete_automation(automation.id)


@pytest.mark.usefixtures("cleaned")
def test_automations_are_created_once_and_updated_afterwards() -> None:
    for _twice in range(2):
        assert deployment.apply_automations(None) == ["trending-zombies", "trending-late-checks"]
    with get_client(sync_client=True) as client:
        assert len(client.read_automations_by_name("trending-zombies")) == 1
        assert client.read_automations_by_name("trending-alert") == []


@pytest.mark.row(32)
@pytest.mark.usefixtures("cleaned")
def test_an_alert_needs_an_address_which_is_kept_in_a_block_and_nowhere_else() -> None:
    address = SecretStr("http://127.0.0.1:1/hook?token=hunter2")
    assert "trending-alert" in deployment.apply_automations(address)
    assert "trending-alert" in deployment.apply_automations(None), "the block is there from before"
    with get_client(sync_client=True) as client:
        automation = client.read_automations_by_name("trending-alert")[0]
        assert "hunter2" not in automation.model_dump_json()
        document = client.read_block_document_by_name("trending-alert", "custom-webhook", include_secrets=False)
        assert "hunter2" not in str(document.data)
        database = Path(PREFECT_API_DATABASE_CONNECTION_URL.value().partition(":///")[2])
        kept = [path.read_bytes() for path in database.parent.rglob("*") if path.is_file()]
        assert any(b"trending-alert" in each for each in kept), "it is the database that was read"
        assert not any(b"hunter2" in each for each in kept)
        client.delete_block_document(document.id)


def test_the_pool_is_created_once() -> None:
    assert deployment.create_pool()
    assert not deployment.create_pool()
    with get_client(sync_client=True) as client:
        assert client.read_work_pool("trending").type == "process"


class Later(dt.datetime):
    """A clock that is an hour ahead, and more."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Later:
        return super().now(tz) + dt.timedelta(days=30)


def test_the_next_scheduled_check_is_told_and_a_scheduler_that_plans_none_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(lambda: clock.advance(5))  # each look is two requests
    with get_client(sync_client=True) as client:
        flow = client.create_flow_from_name("health-check")
        schedule = IntervalSchedule(interval=dt.timedelta(minutes=5))
        made = client.create_deployment(flow, "local", schedules=[DeploymentScheduleCreate(schedule=schedule, active=True)])
        with pytest.raises(NotReady, match=r"planned no run of health-check/local within 30 s"):
            deployment.wait_for_schedule(clock)
        # What the server's scheduler does in its loop: its bulk insert fails with SQLAlchemy 2.1.
        client._client.post(f"/deployments/{made}/schedule").raise_for_status()
        planned = deployment.wait_for_schedule(clock)
        assert 0 <= (planned - dt.datetime.now(dt.UTC)).total_seconds() <= 300
        # An hour later nobody has started any of them, and nobody plans more.
        monkeypatch.setattr(deployment.dt, "datetime", Later)
        with pytest.raises(NotReady, match="planned no run"):
            deployment.wait_for_schedule(clock)
        client.delete_deployment(made)
