from __future__ import annotations

import os
import re
import shutil
import socket
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from fakes.compose import composed
from fakes.plain import lab_stack
from fakes.world import whole_stack

from flows import demo, report, tear_down
from flows import start_up as module
from infra.forms.showing import DemoForm, ReportForm
from infra.forms.stacks import LastStep, StartUpForm, TearDownForm
from infra.forms.terminal import run_command
from infra.host.paths import StackPaths
from infra.host.processes import PortOwner, another_page_port, another_port
from infra.lab.assembly import open_lab, record
from infra.operations import stream
from infra.operations.services import check_start
from infra.stack.state import Wanted, read_state, stack_held
from trending.errors import (
    ConfigurationConflict,
    EngineUnavailable,
    Interrupted,
    InvalidInput,
    LabError,
    NotOurs,
    NotReady,
    PortTaken,
    PrerequisiteMissing,
    SupervisorUnreachable,
)
from trending.settings import PageSettings, ProducerSettings, RuntimeKind, StreamSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes.world import World

    from infra.kafka.readiness import Rung

pytestmark = pytest.mark.usefixtures("plain")
ORDER = [
    "prepare",
    "start supervisor",
    "start kafka",
    "round trip",
    "create tweets_topic",
    "create tweets_topic.dlq",
    "check tweets_topic",
    "ends of tweets_topic",
    "launch producer",
    "watch producer",
    "launch stream",
    "watch stream",
    "launch page",
    "watch page",
    "ask page",
]
UNDONE = ["end page", "end stream", "end producer", "end kafka", "end supervisor"]
MADE_BY = {"start supervisor": "end supervisor", "start kafka": "end kafka", "launch producer": "end producer"}


def form(**stack: Any) -> StartUpForm:
    return StartUpForm(stack=lab_stack(**stack))


def up(**stack: Any) -> Any:
    return module.start_up(form(**stack))


def test_every_step_comes_after_the_readiness_of_the_one_before(world: World, said: list[str]) -> None:
    summary = up()
    assert world.calls == ORDER
    assert [step.name for step in summary.steps] == ["preparation", "supervisor", "kafka", "topic", "producer", "stream", "page"]
    assert summary.changed
    assert said[-1].startswith("stack lab is up")


def test_it_ends_after_the_step_that_was_asked_for_and_goes_on_from_there(world: World) -> None:
    parts = {LastStep.TOPIC: {"kafka"}, LastStep.PRODUCER: {"producer"}, LastStep.STREAM: {"stream"}, LastStep.PAGE: {"page"}}
    expected: set[str] = set()
    for last, more in parts.items():
        expected |= more
        for _twice in range(2):
            assert module.start_up(form().model_copy(update={"until": last})).changed is (not _twice)
            assert world.running == expected
    before = set(world.running)
    assert not module.start_up(form().model_copy(update={"until": LastStep.TOPIC})).changed
    assert world.running == before, "what comes after the last step was touched"


def test_where_it_ends_is_not_remembered(world: World) -> None:
    module.start_up(form().model_copy(update={"until": LastStep.TOPIC}))
    assert "until" not in module.recorded_settings("lab")


def test_the_summary_says_where_to_reach_the_stack(world: World, artifacts: dict[str, str]) -> None:
    summary = up(topic="another")
    assert (summary.stack, summary.runtime, summary.topic) == ("lab", "embedded", "another")
    assert summary.bootstrap == open_lab("lab").stack.connection.bootstrap
    assert summary.cluster_id == world.cluster_id
    assert "| kafka | created |" in artifacts["start-up-timeline"]
    assert summary.bootstrap in artifacts["start-up-timeline"]
    assert summary.page == artifacts["page"] == "http://localhost:8501/"
    assert summary.page in artifacts["start-up-timeline"]


def test_the_last_line_says_where_the_page_is(world: World, said: list[str]) -> None:
    up()
    assert said[-1].endswith("page at http://localhost:8501/")


def test_a_stack_without_a_page_has_none_and_says_nothing_of_it(world: World, said: list[str], artifacts: dict[str, str]) -> None:
    summary = module.start_up(StartUpForm(stack=lab_stack(), page=PageSettings(page_port=0)))
    assert world.running == {"kafka", "producer", "stream"}
    assert summary.page == ""
    assert "page" not in artifacts
    assert "page" not in said[-1]


def test_a_page_that_is_not_wanted_any_more_is_stopped(world: World) -> None:
    up()
    world.forget_history()
    port = open_lab("lab").settings.stack.port
    module.start_up(StartUpForm(stack=lab_stack(port=port), page=PageSettings(page_port=0)))
    assert world.changes == ["end page"]


@pytest.mark.row(3)
def test_a_taken_page_port_stops_everything_before_it_has_begun(world: World) -> None:
    world.port_owners[8501] = PortOwner(8501, 4711, "streamlit")
    with pytest.raises(PortTaken, match="port 8501 is taken by streamlit, pid 4711") as caught:
        up()
    assert "PAGE_PORT=" in caught.value.next_command
    assert world.changes == []
    assert not StackPaths.of("lab").root.exists()


def test_the_page_keeps_the_port_that_it_has_itself(world: World) -> None:
    up()
    world.port_owners[8501] = PortOwner(8501, os.getpid(), "python")
    world.forget_history()
    up(port=open_lab("lab").settings.stack.port)
    assert world.changes == []


def test_a_page_port_that_is_the_brokers_is_refused(world: World) -> None:
    stack = lab_stack()
    with pytest.raises(InvalidInput, match="a port of the stack's services too"):
        module.start_up(StartUpForm(stack=stack, page=PageSettings(page_port=stack.port)))
    assert world.changes == []


@pytest.mark.row(13)
def test_three_brokers_are_started_in_order_and_the_cluster_is_probed_after_the_last(world: World) -> None:
    up(brokers=3, replication=3)
    assert world.calls[2:6] == ["start kafka", "start kafka-2", "start kafka-3", "round trip"]


@pytest.mark.row(6)
def test_up_twice_changes_nothing_and_says_so(world: World, said: list[str]) -> None:
    up()
    world.forget_history()
    summary = up(port=open_lab("lab").settings.stack.port)
    assert world.changes == []
    assert not summary.changed
    assert {step.outcome for step in summary.steps[1:]} == {"adopted"}
    assert "was up already: nothing was changed" in said[-1]


@pytest.mark.row(5)
def test_up_with_another_setting_makes_only_what_it_concerns_anew(world: World) -> None:
    up()
    world.forget_history()
    port = open_lab("lab").settings.stack.port
    summary = module.start_up(StartUpForm(stack=lab_stack(port=port), producer=ProducerSettings(rate=5)))
    assert world.changes == ["launch producer"]
    assert summary.changed
    assert [step.outcome for step in summary.steps if step.name == "producer"] == ["recreated"]


def test_up_brings_back_only_what_is_missing(world: World) -> None:
    up()
    world.programs.pop("stream")
    world.forget_history()
    up(port=open_lab("lab").settings.stack.port)
    assert world.changes == ["launch stream"]


@pytest.mark.row(20)
def test_the_stream_starts_where_it_was_first_told_to_though_the_log_has_grown(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    up()
    first = StackPaths.of("lab").specification("stream").read_text()
    monkeypatch.setattr("infra.operations.epochs.log_ends", lambda *_: {0: (0, 999)})
    world.programs.pop("stream")
    up(port=open_lab("lab").settings.stack.port)
    assert StackPaths.of("lab").specification("stream").read_text() == first
    assert '"start_offsets":{"0":7}' in first


@pytest.mark.row(7)
@pytest.mark.parametrize(
    ("step", "error"),
    [
        *((step, ConfigurationConflict("it cannot be")) for step in ORDER),
        *((step, Interrupted()) for step in ORDER),
        ("start kafka", KeyError("a bug")),
        ("round trip", NotReady("not in time")),
        ("launch stream", NotReady("not in time")),
    ],
)
def test_whatever_fails_at_a_step_is_undone_in_reverse_and_the_cause_stays(
    step: str, error: BaseException, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.kafka.readiness.FIRST_PAUSE", 0)
    for name in ("services", "producer", "stream", "page"):
        monkeypatch.setattr(f"infra.operations.{name}.READY_SECONDS", 0.0)
    world.fail(step, error)
    with pytest.raises(type(error)):
        up()
    made = [change for change in world.changes if not change.startswith("end ")]
    undone = [change for change in world.changes if change.startswith("end ")]
    expected = {f"end {change.split()[-1]}" for change in made if not change.startswith("create")}
    assert undone == [change for change in UNDONE if change in expected]
    assert world.running == set()
    assert not world.supervised


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("make status", "make up NAME=lab tries it once more"),
        ("make status NAME=lab", "make up NAME=lab tries it once more"),
        ("make status-of-old", "make status-of-old"),
        ("make images", "make images"),
    ],
)
def test_no_look_is_advised_at_a_stack_that_the_undo_has_removed(told: str, shown: str, world: World) -> None:
    world.fail("launch stream", ConfigurationConflict("it cannot be", "evidence", told))
    with pytest.raises(ConfigurationConflict) as caught:
        up()
    assert (caught.value.next_command, caught.value.args[2]) == (shown, shown)
    assert not StackPaths.of("lab").state.exists()


@pytest.mark.usefixtures("world")
def test_a_first_batch_on_a_cluster_that_is_late_is_told_with_a_way_that_outlives_the_undo(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    climb = stream.climb

    def late(rungs: list[Rung], *given: Any) -> dict[str, str]:
        if rungs[0].name == "cluster":
            raise NotReady("not ready after 420 s", "Processing new data", "make status NAME=lab")
        return climb(rungs, *given)

    monkeypatch.setattr(stream, "climb", late)
    monkeypatch.setattr(stream, "ensure_package", lambda: Path("/lab/package/trending-job-1.zip"))
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        master = f"spark://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(NotReady, match="not ready after 420 s") as found:
            module.start_up(StartUpForm(stack=lab_stack(), stream=StreamSettings(spark_master=master)))
    assert (found.value.evidence, found.value.next_command) == ("Processing new data", "make up NAME=lab tries it once more")
    assert not StackPaths.of("lab").state.exists()


def test_a_start_as_far_as_the_topic_rests_no_producers_of_which_only_the_first_is_dead(world: World) -> None:
    several = ProducerSettings(scenario="classroom", producers=2)
    module.start_up(StartUpForm(stack=lab_stack(partitions=2), producer=several, until=LastStep.PRODUCER))
    world.programs.pop("producer")
    module.start_up(StartUpForm(stack=lab_stack(partitions=2), producer=several, until=LastStep.TOPIC))
    assert open_lab("lab").state.resting == {"stream", "page"}


def test_a_look_is_advised_at_a_stack_that_was_there_before(world: World) -> None:
    up()
    world.fail("launch stream", ConfigurationConflict("it cannot be", "evidence", "make status"))
    with pytest.raises(ConfigurationConflict) as caught:
        module.start_up(StartUpForm(stack=lab_stack(), stream=StreamSettings(trigger_seconds=3)))
    assert caught.value.next_command == "make status NAME=lab"


def test_a_failed_step_leaves_the_logs_of_everything_with_the_run(world: World, artifacts: dict[str, str]) -> None:
    world.fail("launch stream", ConfigurationConflict("it cannot be"))
    with pytest.raises(ConfigurationConflict):
        up()
    page = artifacts["logs-lab"]
    assert "kafka says 39" in page, "read before it was undone"
    assert "## producer" in page
    assert world.running == set()


def test_a_failed_start_is_undone_though_the_reading_of_its_logs_is_interrupted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.fail("launch stream", ConfigurationConflict("it cannot be"))

    def interrupted(*_: object) -> str:
        raise Interrupted

    monkeypatch.setattr(module, "last_lines", interrupted)
    with pytest.raises(Interrupted):
        up()
    assert world.running == set()


def test_logs_that_cannot_be_left_do_not_hide_the_cause(world: World, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    world.fail("launch stream", ConfigurationConflict("it cannot be"))

    def gone(*_artifact: object, **_names: object) -> None:
        raise ConnectionError("server gone")

    monkeypatch.setattr("flows.runs.artifacts.create_markdown_artifact", gone)
    with pytest.raises(ConfigurationConflict):
        up()
    assert "the last lines of the logs could not be left with the run: ConnectionError: server gone" in said


def test_a_start_that_waited_for_another_keeps_what_that_one_was_asked_for(world: World) -> None:
    given = form()
    results: list[Any] = []
    paths = StackPaths.of("lab")
    with stack_held(paths):
        waiting = threading.Thread(
            target=lambda: results.append(module.start_up(StartUpForm.model_validate({"stack": {"name": "lab"}})))
        )
        waiting.start()
        time.sleep(0.3)  # it waits for the lock
        record(StartUpForm(stack=given.stack, producer=ProducerSettings(rate=50)))
    waiting.join(30)
    assert results
    settings = open_lab("lab").settings
    assert (settings.stack.port, settings.producer.rate) == (given.stack.port, 50)


@pytest.mark.row(8)
def test_an_interrupted_start_leaves_no_page_since_somebody_waits(world: World, artifacts: dict[str, str]) -> None:
    world.fail("launch stream", Interrupted())
    with pytest.raises(Interrupted):
        up()
    assert "logs-lab" not in artifacts


@pytest.mark.parametrize("step", ORDER)
def test_after_a_failure_a_stack_that_nobody_knew_before_leaves_nothing(step: str, world: World) -> None:
    world.fail(step, ConfigurationConflict("it cannot be"))
    with pytest.raises(ConfigurationConflict):
        up()
    assert read_state(StackPaths.of("lab")) is None
    assert not StackPaths.of("lab").root.exists()
    assert world.topics == {}


@pytest.mark.row(7)
@pytest.mark.parametrize("stop_only", [True, False])
@pytest.mark.parametrize("step", ["prepare", "start kafka", "watch stream"])
def test_after_a_failure_a_stack_that_has_data_is_what_it_was(step: str, stop_only: bool, world: World) -> None:  # noqa: FBT001
    up()
    tear_down.tear_down(TearDownForm(name="lab", stop_only=stop_only))
    before = read_state(StackPaths.of("lab"))
    world.fail(step, ConfigurationConflict("it cannot be"))
    with pytest.raises(ConfigurationConflict):
        up(heap_mb=700)
    assert read_state(StackPaths.of("lab")) == before
    assert (StackPaths.of("lab").data / "kafka").exists()
    assert world.topics
    assert world.running == set()


@pytest.mark.row(7)
@pytest.mark.parametrize("error", [ConfigurationConflict("it cannot be"), Interrupted()])
@pytest.mark.parametrize(
    "step", ["check tweets_topic", "launch producer", "watch producer", "launch stream", "watch stream", "ask page"]
)
def test_what_was_there_before_stays_when_a_later_step_fails(step: str, error: BaseException, world: World) -> None:
    up()
    world.programs.clear()
    world.forget_history()
    world.fail(step, error)
    with pytest.raises(type(error)):
        up(port=open_lab("lab").settings.stack.port)
    assert set(world.services) == {"kafka"}
    assert world.programs == {}
    assert world.supervised
    assert "end kafka" not in world.changes
    state = read_state(StackPaths.of("lab"))
    assert state is not None
    assert state.wanted is Wanted.UP


def test_a_program_that_ran_before_stays_when_the_next_one_fails(world: World) -> None:
    up()
    world.programs.pop("stream")
    world.forget_history()
    world.fail("launch stream", ConfigurationConflict("it cannot be"))
    with pytest.raises(ConfigurationConflict):
        up(port=open_lab("lab").settings.stack.port)
    assert world.running == {"kafka", "producer", "page"}
    assert world.changes == []


def test_a_failure_while_undoing_hides_neither_the_cause_nor_stops_the_rest(world: World, said: list[str]) -> None:
    world.fail("watch stream", ConfigurationConflict("the first cause"))
    world.fail("remove producer", LabError("it does not end"))
    world.fail("remove kafka", OSError("the socket is gone"))
    with pytest.raises(ConfigurationConflict, match="the first cause"):
        up()
    assert {"end stream", "end supervisor"} <= set(world.changes)
    assert not world.supervised
    assert [line for line in said if "it does not end" in line]
    assert [line for line in said if "the socket is gone" in line]


def test_a_failed_start_can_be_started_again(world: World) -> None:
    world.fail("watch stream", ConfigurationConflict("it cannot be"))
    with pytest.raises(ConfigurationConflict):
        up()
    assert up().changed
    assert world.running == whole_stack(open_lab("lab").stack)


@pytest.mark.row(9)
def test_what_a_killed_run_left_is_adopted_by_the_next_one(world: World) -> None:
    world.fail("launch stream", Interrupted())
    with pytest.MonkeyPatch.context() as killed:
        killed.setattr(module, "undo", lambda *_: None)
        with pytest.raises(Interrupted):
            up()
    assert world.running == {"kafka", "producer"}
    world.forget_history()
    up(port=open_lab("lab").settings.stack.port)
    assert world.changes == ["launch stream", "launch page"]


@pytest.mark.row(6)
def test_two_at_once_create_everything_exactly_once(world: World) -> None:
    world.slow = {"prepare": 0.05, "start kafka": 0.1, "launch stream": 0.05}
    wanted = form()
    changed: list[bool] = []
    threads = [threading.Thread(target=lambda: changed.append(module.start_up(wanted).changed)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(changed) == [False, True]
    assert len(world.changes) == len(set(world.changes))


@pytest.mark.row(3)
def test_a_taken_port_stops_everything_before_it_has_begun(world: World) -> None:
    import socket  # noqa: PLC0415 - the only test here that opens one

    stack = lab_stack()
    with socket.create_server(("127.0.0.1", stack.port)), pytest.raises(PortTaken):
        module.start_up(StartUpForm(stack=stack))
    assert world.changes == []
    assert not StackPaths.of("lab").root.exists()


@pytest.mark.row(3)
def test_a_topic_that_cannot_be_had_is_refused_before_anything_that_runs_is_changed(world: World) -> None:
    up()
    port = open_lab("lab").settings.stack.port
    world.forget_history()
    with pytest.raises(ConfigurationConflict, match="exists with other settings"):
        up(port=port + 7, partitions=4)
    assert world.changes == []
    assert open_lab("lab").settings.stack.port == port


@pytest.mark.row(3)
@pytest.mark.parametrize("at_once", [True, False])
def test_another_port_that_is_taken_is_refused_while_the_broker_runs_on_at_its_own(
    at_once: bool,  # noqa: FBT001
    world: World,
) -> None:
    up()
    port = open_lab("lab").settings.stack.port
    world.port_owners |= {port: PortOwner(port, 4711, "java"), port + 7: PortOwner(port + 7, 4712, "nginx")}
    world.forget_history()
    with pytest.raises(PortTaken, match=f"port {port + 7} is taken by nginx, pid 4712"):
        check_start(form(port=port + 7)) if at_once else up(port=port + 7)
    assert world.changes == []
    assert open_lab("lab").settings.stack.port == port


@pytest.mark.parametrize("taken", [set(), {19092}, {19092, 19093, 19191, 19192}])
def test_the_way_past_a_taken_port_is_one_that_is_free(taken: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    owner = PortOwner(19092, 4712, "docker-proxy")
    monkeypatch.setattr("infra.host.processes.port_owner", lambda port: owner if port in taken else None)
    free = 19092 if not taken else 19292 if 19192 in taken else 19192
    assert another_port() == f"PORT={free}"
    monkeypatch.setattr("infra.host.processes.port_owner", lambda port: owner if port == 8502 else None)
    assert another_page_port() == "PAGE_PORT=8503, or PAGE_PORT=0 for a stack without a page"


@pytest.mark.row(3)
def test_the_remedy_for_a_taken_port_is_never_that_port(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = PortOwner(19092, 4712, "docker-proxy")
    world.port_owners |= {19092: owner}
    monkeypatch.setattr("infra.host.processes.port_owner", lambda port: owner if port == 19092 else None)
    with pytest.raises(PortTaken) as caught:
        check_start(form(port=19092))
    assert caught.value.next_command == "end that process, or make up PORT=19192"


def test_the_ports_of_orphans_are_no_strangers_and_are_judged_after_those_have_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that a dead supervisor has left has its port; preparation ends it first."""
    stack = lab_stack()
    module.start_up(StartUpForm(stack=stack))
    tear_down.tear_down(TearDownForm(name="lab"))
    world.port_owners[stack.port] = PortOwner(stack.port, 4712, "java")
    monkeypatch.setattr("infra.operations.services.stack_processes", lambda _id: ["its broker"])
    check_start(StartUpForm(stack=stack))
    monkeypatch.setattr("infra.operations.services.stack_processes", lambda _id: [])
    with pytest.raises(PortTaken):
        check_start(StartUpForm(stack=stack))


@pytest.mark.row(12)
def test_a_supervisord_that_does_not_answer_is_told_before_anything_is_started(
    world: World, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = StartUpForm(stack=lab_stack())
    module.start_up(settings)
    world.unreachable = "supervisord, pid 4711, does not answer"
    world.forget_history()
    said.clear()
    monkeypatch.setattr(module, "with_server", lambda _run: pytest.fail("a server is started for nothing"))
    with pytest.raises(SupervisorUnreachable, match="can't be asked"):
        module.main(settings)
    assert (world.changes, said) == ([], [])


def test_a_port_of_a_compose_stack_of_the_name_is_told_as_its(world: World) -> None:
    stack = lab_stack()
    world.port_owners[stack.port] = PortOwner(stack.port, 4712, "docker-proxy")
    world.compose = composed()
    with pytest.raises(NotOurs, match="Docker Compose has a stack named lab"):
        check_start(StartUpForm(stack=stack))
    world.compose = None
    with pytest.raises(PortTaken):
        check_start(StartUpForm(stack=stack))


def test_an_unusable_catalogue_is_named_and_undone(world: World) -> None:
    with pytest.raises(LabError, match="catalogue"):
        module.start_up(StartUpForm(stack=lab_stack(), producer=ProducerSettings(catalogue="/nowhere.json")))
    assert world.running == set()


def test_a_setting_that_was_given_once_is_remembered_by_the_command(
    world: World, own_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del own_process
    monkeypatch.setattr(module, "with_server", lambda run: run())
    port = lab_stack().port
    command = (StartUpForm, module.main, "up", module.recorded_settings)
    monkeypatch.setattr(sys, "argv", ["up", "--name", "lab", "--runtime", "embedded", "--port", str(port), "--rate", "5"])
    run_command(*command)
    monkeypatch.setattr(sys, "argv", ["up", "--name", "lab", "--time_zone", "Europe/Madrid"])
    run_command(*command)
    settings = open_lab("lab").settings
    assert (settings.producer.rate, settings.stack.port, settings.stream.time_zone) == (5.0, port, "Europe/Madrid")
    assert world.running == whole_stack(open_lab("lab").stack)


def test_a_deployment_that_is_run_without_a_setting_keeps_its_value(world: World) -> None:
    given = form()
    module.start_up(StartUpForm(stack=given.stack, producer=ProducerSettings(rate=7), page=PageSettings(page_port=0)))
    world.forget_history()
    for parameters in ({"stack": {"name": "lab"}}, {"stack": {"name": "lab"}, "producer": {"rate": 7.0}, "until": "stream"}):
        assert not module.start_up(StartUpForm.model_validate(parameters)).changed
        assert world.changes == []
    module.start_up(StartUpForm.model_validate({"stack": {"name": "lab"}, "producer": {"rate": 9}}))
    settings = open_lab("lab").settings
    assert (settings.producer.rate, settings.stack, settings.page.page_port) == (9.0, given.stack, 0)


@pytest.mark.row(35)
def test_a_damaged_state_file_stops_the_command_before_it_touches_anything(world: World) -> None:
    up()
    StackPaths.of("lab").state.write_text("{")
    world.forget_history()
    with pytest.raises(ConfigurationConflict, match="damaged"):
        up()
    assert world.changes == []


@pytest.mark.row(35)
def test_a_stack_whose_directory_somebody_deleted_is_made_anew(world: World) -> None:
    up()
    shutil.rmtree(StackPaths.of("lab").root)
    world.services.clear()
    world.programs.clear()
    world.supervised = False
    assert module.start_up(StartUpForm(stack=lab_stack(), stream=StreamSettings(trigger_seconds=1))).changed


def test_a_catalogue_that_was_edited_starts_the_producer_anew_though_its_path_stays(world: World, tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue.json"
    catalogue.write_text('{"users": ["@a"]}')
    settings = StartUpForm(stack=lab_stack(), producer=ProducerSettings(catalogue=str(catalogue)))
    module.start_up(settings)
    world.forget_history()
    assert not module.start_up(settings).changed
    catalogue.write_text('{"users":   ["@a"]}')
    assert not module.start_up(settings).changed, "only its form was changed"
    catalogue.write_text('{"users": ["@b"]}')
    assert module.start_up(settings).changed
    assert world.changes == ["launch producer"]


@pytest.mark.row(31)
def test_what_the_machine_lacks_is_told_before_a_server_is_started_for_it(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "with_server", lambda _run: pytest.fail("a server was started"))
    monkeypatch.setattr("infra.docker.engine.engine", FakeClosedEngine)
    with pytest.raises(EngineUnavailable, match="no Docker engine answers"):
        module.main(StartUpForm(stack=lab_stack(runtime=RuntimeKind.DOCKER)))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PrerequisiteMissing, match="no Java was found"):
        module.main(form())
    monkeypatch.setattr("infra.lab.prerequisites.shutil.disk_usage", lambda _place: SimpleNamespace(free=0))
    with pytest.raises(PrerequisiteMissing, match="50 MiB of disk are needed and 0 MiB are free"):
        module.main(form())
    assert world.changes == []


@pytest.mark.row(3)
@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("command", [module.main, demo.main, report.main])
def test_a_taken_port_and_missing_memory_are_told_before_a_server_is_started_for_it(
    recorded: bool,  # noqa: FBT001
    command: Callable[[Any], None],
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if recorded and command is not report.main:  # which is of that stack then
        module.start_up(form())
        tear_down.tear_down(TearDownForm(name="lab"))
    forms = {module.main: StartUpForm, demo.main: DemoForm, report.main: ReportForm}
    for flow in (module, demo, report):
        monkeypatch.setattr(flow, "with_server", lambda _run, **_options: pytest.fail("a server was started"))
    world.forget_history()
    stack = lab_stack()
    settings = forms[command](stack=stack, page=PageSettings(page_port=28501))
    world.port_owners |= {stack.port: PortOwner(stack.port, 4712, "nginx"), 28501: None}
    with pytest.raises(PortTaken, match="is taken by nginx, pid 4712"):
        command(settings)
    world.port_owners |= {stack.port: None, 28501: PortOwner(28501, 4713, "apache")}
    with pytest.raises(PortTaken, match="is taken by apache, pid 4713") as caught:
        command(settings)
    assert re.search(r"make up PAGE_PORT=85\d\d, or PAGE_PORT=0", caught.value.next_command)
    world.port_owners[28501] = None
    with pytest.raises(InvalidInput, match="a port of the stack's services too"):
        command(forms[command](stack=stack, page=PageSettings(page_port=stack.port)))

    def too_little() -> None:
        raise PrerequisiteMissing("1800 MiB of memory are needed")

    monkeypatch.setattr("infra.operations.services.check_memory", too_little)
    with pytest.raises(PrerequisiteMissing, match="memory"):
        command(settings)
    assert world.changes == []


def test_a_stack_that_runs_or_is_worked_on_is_not_told_of_its_own_ports(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[object] = []
    monkeypatch.setattr(module, "with_server", served.append)
    stack = lab_stack()
    module.start_up(StartUpForm(stack=stack))
    page = open_lab("lab").supervisor.status("page")
    assert page is not None
    world.port_owners |= {stack.port: PortOwner(stack.port, 4711, "java"), 8501: PortOwner(8501, page.pid, "python")}
    module.main(StartUpForm(stack=stack))
    world.services.clear()
    monkeypatch.setattr("infra.operations.services.busy", lambda _paths: True)
    module.main(StartUpForm(stack=stack))
    assert len(served) == 2


class FakeClosedEngine:
    """An engine that does not answer."""

    def __enter__(self) -> None:
        cause = "no Docker engine answers at somewhere"
        raise EngineUnavailable(cause)

    def __exit__(self, *_error: object) -> None:
        pytest.fail("it was never entered")
