from __future__ import annotations

import os
import socket
import subprocess
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from fakes.plain import FIRST_PORT

from infra.host.paths import StackPaths
from infra.host.processes import STACK_VARIABLE, free_port, stack_processes
from infra.lab import assembly as module
from infra.lab.assembly import end_orphans, open_lab, record, require_ports, sweep, want
from infra.stack.state import Wanted, read_state
from trending.errors import ConfigurationConflict, LabError, PortTaken, StackAbsent
from trending.settings import LabSettings, ProfileName, RuntimeKind, StackSettings

if TYPE_CHECKING:
    from fakes.world import World

    from infra.lab.assembly import Lab


def settings(**stack: Any) -> LabSettings:
    return LabSettings(stack=StackSettings(**{"name": "lab", "runtime": RuntimeKind.EMBEDDED, **stack}))


def recorded(**stack: Any) -> Lab:
    return record(settings(**stack))[0]


def test_a_stack_that_nobody_made_is_absent_with_the_command_that_makes_it() -> None:
    with pytest.raises(StackAbsent, match="there is no stack lab") as caught:
        open_lab("lab")
    assert caught.value.next_command == "make up NAME=lab"


@pytest.mark.usefixtures("world")
def test_what_is_recorded_is_opened_again_with_the_same_identity() -> None:
    made = recorded(port=19092)
    again = open_lab("lab")
    assert again.state == made.state
    assert again.stack.cluster_id == made.stack.cluster_id
    assert again.settings.stack.port == 19092
    assert again.state.wanted is Wanted.UP


@pytest.mark.usefixtures("world")
def test_the_cluster_id_and_runtime_stay_when_settings_change() -> None:
    first = recorded()
    second, why = record(settings(runtime=RuntimeKind.AUTO, heap_mb=700))
    assert second.state.cluster_id == first.state.cluster_id
    assert second.state.runtime is RuntimeKind.EMBEDDED
    assert "as recorded" in why
    assert open_lab("lab").settings.stack.heap_mb == 700


@pytest.mark.row(5)
@pytest.mark.usefixtures("world")
def test_another_runtime_than_the_recorded_one_is_refused_and_nothing_is_recorded() -> None:
    before = recorded().state
    with pytest.raises(ConfigurationConflict, match="exists in the embedded runtime") as caught:
        recorded(runtime=RuntimeKind.DOCKER, heap_mb=700)
    assert "make down NAME=lab VOLUMES=1" in caught.value.next_command
    assert read_state(StackPaths.of("lab")) == before


@pytest.mark.usefixtures("world")
def test_another_profile_than_the_recorded_one_is_refused() -> None:
    recorded()
    with pytest.raises(ConfigurationConflict):
        recorded(profile=ProfileName.ZOOKEEPER)


def test_a_combination_that_cannot_be_is_refused_before_anything_is_recorded() -> None:
    with pytest.raises(ConfigurationConflict):
        recorded(profile=ProfileName.ZOOKEEPER)
    assert read_state(StackPaths.of("lab")) is None


@pytest.mark.usefixtures("world")
def test_the_id_that_a_cluster_chose_for_itself_is_recorded_once() -> None:
    made = recorded()
    unknown = replace(made, state=made.state.model_copy(update={"cluster_id": ""}))
    module.note_cluster(unknown, "its-own")
    assert open_lab("lab").state.cluster_id == "its-own"
    module.note_cluster(open_lab("lab"), "another")
    assert open_lab("lab").state.cluster_id == "its-own"


@pytest.mark.usefixtures("world")
def test_what_is_wanted_is_changed_and_nothing_else() -> None:
    made = recorded()
    want(made, Wanted.STOPPED)
    assert read_state(StackPaths.of("lab")) == made.state.model_copy(update={"wanted": Wanted.STOPPED})


@pytest.mark.row(3)
def test_a_port_that_somebody_has_is_named_with_process_and_pid_before_anything_starts(world: World) -> None:
    port = free_port(FIRST_PORT, 100)
    made = recorded(port=port)
    require_ports(made)
    with socket.create_server(("127.0.0.1", port + 10)), pytest.raises(PortTaken) as caught:
        require_ports(made)
    assert caught.value.cause == f"port {port + 10} is taken by {psutil.Process().name()}, pid {os.getpid()}"
    assert "PORT=" in caught.value.next_command
    assert world.changes == []


@pytest.mark.usefixtures("world")
def test_the_port_of_a_service_that_runs_is_its_own() -> None:
    port = free_port(FIRST_PORT, 100)
    made = recorded(port=port)
    made.runtime.start(made.stack.services[0])
    with socket.create_server(("127.0.0.1", port)):
        require_ports(made)
    assert made.runtime.observe(made.stack.services[0]).state == "running"


def orphan(lab: Lab) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(["sleep", "60"], env={**os.environ, STACK_VARIABLE: lab.paths.stack_id}, start_new_session=True)
    while not stack_processes(lab.paths.stack_id):
        time.sleep(0.01)
    return child


@pytest.mark.row(9)
def test_orphans_of_a_dead_supervisor_are_ended_and_counted(world: World) -> None:
    made = recorded()
    assert end_orphans(made) == 0
    child = orphan(made)
    world.supervised = True
    assert end_orphans(made) == 0, "a living supervisor owns its processes"
    assert psutil.pid_exists(child.pid)
    world.supervised = False
    assert end_orphans(made) == 1
    assert not psutil.pid_exists(child.pid)
    child.wait()


def test_one_question_decides_whether_processes_are_orphans(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy supervisord that answers once and is silent then has no orphans."""
    made = recorded()
    child = orphan(made)
    world.supervised = True
    monkeypatch.setattr(made.supervisor, "running", lambda: False)
    assert end_orphans(made) == 0
    assert child.poll() is None
    child.kill()
    child.wait()


def test_a_sweep_ends_everything_and_keeps_the_data_and_the_identity(world: World) -> None:
    made = recorded()
    made.supervisor.start()
    made.runtime.start(made.stack.services[0])
    child = orphan(made)
    sweep(made, volumes=False)
    assert not world.supervised
    assert not psutil.pid_exists(child.pid)
    assert (made.paths.data / "kafka").exists()
    state = read_state(made.paths)
    assert state is not None
    assert state.cluster_id == made.state.cluster_id
    child.wait()


@pytest.mark.usefixtures("world")
def test_a_sweep_with_volumes_leaves_nothing() -> None:
    made = recorded()
    made.supervisor.start()
    made.runtime.start(made.stack.services[0])
    sweep(made, volumes=True)
    assert not made.paths.root.exists()
    assert read_state(made.paths) is None


@pytest.mark.usefixtures("world")
def test_processes_that_do_not_end_are_an_error_and_not_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    child = psutil.Process()
    monkeypatch.setattr(module, "of_this_command", frozenset)
    monkeypatch.setattr(module, "end_processes", lambda _found, _grace: [child])
    with pytest.raises(LabError, match="1 processes of lab do not end"):
        sweep(recorded(), volumes=True)


@pytest.mark.usefixtures("world")
def test_a_command_with_the_stacks_mark_refuses_before_any_data_is_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    made = recorded()
    monkeypatch.setattr(module, "stack_processes", lambda _id: [psutil.Process()])
    with pytest.raises(LabError, match="would end itself") as caught:
        sweep(made, volumes=True)
    assert "without TRENDING_STACK_ID" in caught.value.next_command
    assert made.paths.root.exists()
