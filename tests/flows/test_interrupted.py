"""Signals during an undo, and what the undo says: only what the machine shows."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from fakes.clock import FakeClock
from fakes.in_c_code import in_c_code
from fakes.plain import lab_stack
from prefect.exceptions import TerminationSignal

from flows import audit, demo, tear_down
from flows import start_up as module
from flows.notebook.processes import relay_interrupted
from flows.runs import server as serving
from infra.console.interruptions import begun_despite_signals, raise_on_signals
from infra.docker.marks import DockerMarks, MarkedContainer
from infra.forms.showing import DemoForm, DemoOptions
from infra.forms.stacks import LastStep, StartUpForm, TearDownForm
from infra.host.paths import StackPaths
from infra.host.processes import COMPONENT_VARIABLE, STACK_VARIABLE
from infra.lab.assembly import open_lab
from infra.operations.take_down import take_down
from infra.stack.state import read_state
from trending.errors import ConfigurationConflict, Interrupted, UndoAbandoned
from trending.settings import RuntimeKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes.world import World

pytestmark = [pytest.mark.usefixtures("plain", "own_process"), pytest.mark.row(8)]
KINDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
UNDONE = "what this run had made was undone"


@pytest.fixture(autouse=True)
def _as_a_command(monkeypatch: pytest.MonkeyPatch, own_process: None) -> None:
    monkeypatch.setattr("infra.console.interruptions.ECHO_SECONDS", 0.0)
    raise_on_signals()


def hit(number: int) -> Callable[[], None]:
    return lambda: signal.raise_signal(number)


def up(**stack: Any) -> Any:
    return module.start_up(StartUpForm(stack=lab_stack(**stack)))


@pytest.mark.parametrize("number", KINDS)
def test_a_second_signal_during_the_undo_is_answered_and_everything_is_undone(
    number: int, world: World, said: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    world.fail("watch stream", hit(number))
    world.fail("remove producer", hit(number))
    with pytest.raises(Interrupted):
        up()
    assert "once more abandons it" in capfd.readouterr().err
    assert (world.running, world.supervised) == (set(), False)
    assert said[-1] == UNDONE


@pytest.mark.parametrize("number", KINDS)
def test_a_third_signal_stops_and_lists_what_is_left(number: int, world: World, said: list[str]) -> None:
    for step in ("watch stream", "remove stream", "remove producer"):
        world.fail(step, hit(number))
    with pytest.raises(UndoAbandoned):
        up()
    assert world.running == {"kafka", "producer"}
    assert UNDONE not in said
    assert all(part in said[-1] for part in ("abandoned", "kafka", "producer", "make down NAME=lab ends"))
    assert "stream" not in said[-1]


def test_the_undo_of_a_start_that_failed_by_itself_goes_on_at_the_first_signal(world: World, said: list[str]) -> None:
    world.fail("watch stream", ConfigurationConflict("it cannot be"))
    world.fail("remove producer", hit(signal.SIGINT))
    with pytest.raises(ConfigurationConflict, match="it cannot be"):
        up()
    assert world.running == set()
    assert said[-1] == UNDONE


def swallowed(number: int) -> None:
    """A signal whose handler raises while confluent-kafka's C code runs."""
    try:
        signal.raise_signal(number)
    except BaseException as error:
        raise in_c_code(error) from error
    pytest.fail("the signal's handler has raised nothing")


@pytest.mark.parametrize("number", KINDS)
def test_an_undo_that_is_abandoned_in_c_code_stops_and_lists_what_is_left(number: int, world: World, said: list[str]) -> None:
    world.fail("watch stream", lambda: swallowed(number))
    world.fail("remove stream", hit(number))
    world.fail("remove producer", lambda: swallowed(number))
    with pytest.raises(UndoAbandoned):
        up()
    assert world.running == {"kafka", "producer"}
    assert all(part in said[-1] for part in ("abandoned", "kafka", "producer", "make down NAME=lab ends"))


@pytest.mark.parametrize("raised", [Interrupted(), TerminationSignal(signal.SIGTERM)])
def test_a_start_that_is_interrupted_in_c_code_is_no_failed_one(raised: BaseException, world: World, said: list[str]) -> None:
    world.fail("watch stream", in_c_code(raised))
    with pytest.raises(type(raised)):
        up()
    assert "interrupted: undoing what this run has made" in said
    assert (world.running, said[-1]) == (set(), UNDONE)


def test_undone_is_said_of_nothing_that_the_machine_still_has(world: World, said: list[str]) -> None:
    world.fail("watch stream", Interrupted())
    world.fail("remove kafka", OSError("the engine is gone"))
    world.fail("shut down supervisor", OSError("it is silent"))
    with pytest.raises(Interrupted):
        up()
    assert UNDONE not in said
    assert "This is left: kafka" in said[-1]
    assert "make down NAME=lab ends" in said[-1]


def test_a_jvm_that_outlives_its_driver_for_a_moment_is_nothing_that_is_left(world: World, said: list[str]) -> None:
    module.start_up(StartUpForm(stack=lab_stack(), until=LastStep.PRODUCER))
    jvms: list[subprocess.Popen[bytes]] = []

    def submitted() -> None:
        mark = {STACK_VARIABLE: StackPaths.of("lab").stack_id, COMPONENT_VARIABLE: "stream"}
        jvms.append(subprocess.Popen(["sleep", "0.7"], env={**os.environ, **mark}, start_new_session=True))
        raise ConfigurationConflict("it cannot be")

    world.fail("watch stream", submitted)
    with pytest.raises(ConfigurationConflict):
        up()
    assert said[-1] == UNDONE
    assert jvms[0].wait() == 0, "it ends by itself"


def test_a_container_that_the_undo_could_not_remove_is_named(world: World, said: list[str]) -> None:
    def created() -> None:
        world.marked = (MarkedContainer("kafka", "lab-kafka", "created"),)
        raise Interrupted

    world.fail("watch stream", created)
    with pytest.raises(Interrupted):
        up(runtime=RuntimeKind.DOCKER)
    assert "This is left: kafka (container lab-kafka, created)" in said[-1]


def test_where_docker_cannot_be_asked_nothing_is_called_undone(
    world: World, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> None:
        monkeypatch.setattr("infra.lab.remains.docker_marks", lambda *_: DockerMarks(silence="no engine answers"))
        raise Interrupted

    world.fail("watch stream", gone)
    with pytest.raises(Interrupted):
        up(runtime=RuntimeKind.DOCKER)
    assert UNDONE not in said
    assert "could not be seen (no engine answers); make status NAME=lab looks" in said[-1]


def test_what_ran_before_is_not_called_left(world: World, said: list[str]) -> None:
    up()
    world.programs.pop("stream")
    world.fail("watch stream", Interrupted())
    with pytest.raises(Interrupted):
        up(port=open_lab("lab").settings.stack.port)
    assert world.running == {"kafka", "producer", "page"}
    assert said[-1] == UNDONE


@pytest.mark.parametrize("supervised", [True, False])
@pytest.mark.parametrize("runtime", [RuntimeKind.EMBEDDED, RuntimeKind.DOCKER])
@pytest.mark.parametrize(("error", "told"), [(Interrupted(), "interrupted"), (ConfigurationConflict("no"), "start-up failed")])
def test_what_was_stopped_and_kept_is_kept_by_the_undo_of_a_start(
    error: BaseException,
    told: str,
    runtime: RuntimeKind,
    supervised: bool,  # noqa: FBT001 - after a restart of the machine there is no supervisord
    world: World,
    said: list[str],
) -> None:
    up(runtime=runtime)
    take_down("lab", stop_only=True)
    assert set(world.stopped) == {"kafka"}
    world.supervised = supervised
    world.forget_history()
    world.fail("watch stream", error)
    with pytest.raises(type(error)):
        up(runtime=runtime)
    assert (world.running, set(world.stopped)) == (set(), {"kafka"})
    assert not {"remove kafka", "destroy"} & set(world.calls)
    assert f"{told}: undoing what this run has made" in said
    assert said[-1] == UNDONE
    assert up(runtime=runtime).steps, "it starts from what was kept"


def test_a_demo_that_is_signalled_in_its_own_take_down_finishes_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "time", FakeClock())
    world.fail("remove producer", hit(signal.SIGHUP), hit(signal.SIGTERM))
    with pytest.raises(Interrupted):
        demo.demo(DemoForm(stack=lab_stack(), demo=DemoOptions(demo_seconds=5)))
    assert (world.running, world.supervised) == (set(), False)


def test_a_demo_never_takes_data_that_no_state_remembers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "time", FakeClock())
    world.volumes["lab_kafka-data"] = "kept-cluster-id-000001"
    demo.demo(DemoForm(stack=lab_stack(), demo=DemoOptions(demo_seconds=5)))
    assert world.volumes
    assert world.changes == []
    assert world.others["lab-demo-2"].changes


def test_a_demo_passes_over_a_state_that_it_cannot_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "time", FakeClock())
    up()
    StackPaths.of("lab").state.write_text("{")
    world.forget_history()
    demo.demo(DemoForm(stack=lab_stack(), demo=DemoOptions(demo_seconds=5)))
    assert world.changes == []


@pytest.mark.parametrize("number", KINDS)
def test_a_take_down_comes_to_its_end_despite_one_signal(
    number: int, world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tear_down, "current_server", lambda *_users: None)
    monkeypatch.setattr(tear_down, "stop_at_exit", lambda _stop: None)
    up()
    world.fail("remove kafka", hit(number))
    tear_down.main(TearDownForm(name="lab"))
    assert (world.running, world.supervised) == (set(), False)
    assert "once more abandons it" in capfd.readouterr().err


def test_a_take_down_that_is_abandoned_says_what_is_left(world: World, monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    monkeypatch.setattr(tear_down, "current_server", lambda *_users: None)
    monkeypatch.setattr(tear_down, "stop_at_exit", lambda _stop: None)
    up(runtime=RuntimeKind.DOCKER)
    world.marked = (MarkedContainer("kafka", "lab-kafka", "running"),)
    for step in ("remove producer", "remove kafka"):
        world.fail(step, hit(signal.SIGTERM))
    with pytest.raises(UndoAbandoned):
        tear_down.main(TearDownForm(name="lab"))
    assert "This is left: kafka (container lab-kafka, running)" in said[-1]
    assert read_state(StackPaths.of("lab")) is not None


def at_once(step: Callable[..., object]) -> Callable[..., object]:
    """Return the step with a signal before its first call has done anything, as make's own that follows its group's."""
    waiting = [TerminationSignal(signal.SIGTERM)]

    def hit_at_first(*arguments: Any, **named: Any) -> object:
        if waiting:
            raise waiting.pop()
        return step(*arguments, **named)

    return hit_at_first


def test_a_signal_that_comes_twice_before_the_undo_has_begun_keeps_nothing_from_being_undone(
    world: World, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "undo", at_once(module.undo))
    world.fail("watch stream", hit(signal.SIGTERM))
    with pytest.raises(Interrupted):
        up()
    assert (world.running, world.supervised) == (set(), False)
    assert said[-1] == UNDONE


def test_a_signal_after_the_last_step_says_how_to_see_and_to_end_what_runs(
    world: World, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "reset_repairs", lambda _path: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(Interrupted):
        up()
    assert world.running
    assert said[-1] == "all steps were done: make status NAME=lab shows what runs, make down NAME=lab ends it"


def test_an_audit_that_is_hit_twice_at_once_starts_its_producer_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    up()
    monkeypatch.setattr(audit, "_leave_producer", at_once(audit._leave_producer))
    world.fail("read tweets_topic", hit(signal.SIGTERM))
    with pytest.raises(Interrupted):
        audit.recount("lab", resume=True)
    assert "producer" in world.running


@pytest.mark.parametrize("error", [Interrupted(), ConfigurationConflict("it cannot be")])
@pytest.mark.parametrize("step", ["round trip", "launch producer", "launch stream", "ask page"])
def test_what_ran_before_runs_as_before_though_the_start_had_changed_it(
    step: str, error: BaseException, world: World, said: list[str]
) -> None:
    up()
    kafka, programs = world.services["kafka"], {name: each.drift_hash for name, each in world.programs.items()}
    port = open_lab("lab").settings.stack.port
    world.fail(step, error)
    with pytest.raises(type(error)):
        up(heap_mb=700, port=port + 7)
    assert open_lab("lab").settings.stack.port == port
    assert world.services == {"kafka": kafka}
    assert {name: each.drift_hash for name, each in world.programs.items()} == programs
    assert said[-2].startswith("as before the start again: kafka")
    assert said[-1] == UNDONE


def test_what_could_not_be_put_back_is_named_with_the_command_that_does_it(world: World, said: list[str]) -> None:
    up()

    def fails_for_good() -> None:
        world.fail("start kafka", OSError("the disk is full"))
        raise ConfigurationConflict("it cannot be")

    world.fail("create tweets_topic", fails_for_good)
    with pytest.raises(ConfigurationConflict, match="it cannot be"):
        up(heap_mb=700)
    assert UNDONE not in said
    assert said[-1] == "kafka ran before and could not all be put back (the disk is full): make up NAME=lab does it"


def ends_and_hits(world: World, program: str, number: int) -> Callable[[], None]:
    """A signal at the end of a stop: the program is gone, and nobody has noted it yet."""

    def act() -> None:
        world.programs.pop(program)
        signal.raise_signal(number)

    return act


@pytest.mark.parametrize("gone", [False, True], ids=["before it has stopped", "as soon as it has stopped"])
@pytest.mark.parametrize("number", KINDS)
def test_an_audit_that_is_interrupted_while_its_producer_is_stopped_starts_it_again(
    number: int,
    gone: bool,  # noqa: FBT001
    world: World,
) -> None:
    up()
    world.fail("remove producer", ends_and_hits(world, "producer", number) if gone else hit(number))
    with pytest.raises(Interrupted):
        audit.recount("lab", resume=True)
    assert "producer" in world.running
    assert open_lab("lab").state.resting == set()


def test_an_audit_that_leaves_its_producer_at_rest_does_so_too_if_it_is_interrupted_while_it_stops_it(world: World) -> None:
    up()
    world.fail("remove producer", hit(signal.SIGTERM))
    with pytest.raises(Interrupted):
        audit.recount("lab", resume=False)
    assert "producer" not in world.running
    assert open_lab("lab").state.resting == {"producer"}


def test_an_undo_that_is_abandoned_is_not_begun_again() -> None:
    calls: list[int] = []

    def failing() -> None:
        calls.append(1)
        raise UndoAbandoned

    with pytest.raises(UndoAbandoned):
        begun_despite_signals(failing)
    assert len(calls) == 1


def test_an_audit_that_is_interrupted_twice_starts_its_producer_again(world: World) -> None:
    up()
    world.forget_history()
    world.fail("read tweets_topic", hit(signal.SIGTERM))
    world.fail("launch producer", hit(signal.SIGTERM))
    with pytest.raises(Interrupted):
        audit.recount("lab", resume=True)
    assert "producer" in world.running


def test_a_server_is_stopped_at_exit_despite_a_signal_and_left_if_that_is_abandoned(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stopped: list[int] = []
    monkeypatch.setattr("atexit.register", lambda stop: stop())
    monkeypatch.setattr("os._exit", stopped.append)

    def stop() -> None:
        signal.raise_signal(signal.SIGHUP)
        stopped.append(0)

    serving.stop_at_exit(stop)
    serving.stop_at_exit(stop)
    assert stopped == [0, UndoAbandoned.exit_code]
    assert "make server-stop ends it" in capfd.readouterr().err


def test_a_notebook_passes_each_interruption_on_to_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    class Command:
        terminated = 0

        def terminate(self) -> None:
            self.terminated += 1

    def relay(process: Command) -> str:
        if process.terminated < 3:
            raise KeyboardInterrupt
        return ""

    monkeypatch.setattr("flows.notebook.processes.relay", relay)
    command = Command()
    relay_interrupted(command)  # type: ignore[arg-type]
    assert command.terminated == 3


def test_records_that_could_not_be_put_back_are_not_called_undone(
    world: World, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    up()
    world.services.clear()

    def full_disk(_paths: object, _state: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("infra.operations.undo.write_state", full_disk)
    world.fail("start kafka", Interrupted())
    with pytest.raises(Interrupted):
        up()
    assert UNDONE not in said
    assert "its records could not all be put back ([Errno 28]" in said[-1]
