from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import time
import weakref
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from infra.host import processes
from infra.host.processes import (
    COMPONENT_VARIABLE,
    STACK_VARIABLE,
    PortOwner,
    end_processes,
    free_port,
    port_owner,
    wait_for_end,
)
from infra.host.processes import stack_processes as found_processes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STUBBORN = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('x', flush=True); time.sleep(60)"
OBEDIENT = "trap 'echo bye; exit' TERM; echo ready; while :; do sleep 0.02; done"
LISTENER = "import socket,time; s=socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); time.sleep(60)"


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start processes that carry marks; those that are left are ended."""
    children: list[subprocess.Popen[str]] = []

    def start(*command: str, stack: str = "", component: str = "") -> subprocess.Popen[str]:
        environment = {**os.environ, STACK_VARIABLE: stack, COMPONENT_VARIABLE: component}
        children.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True))
        return children[-1]

    yield start
    for child in children:
        child.kill()
        child.communicate()


@pytest.fixture
def mark() -> str:
    return f"test-{os.getpid()}-{time.monotonic_ns()}"


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_processes_are_found_by_their_marks_and_others_are_not(spawn: Callable[..., subprocess.Popen[str]], mark: str) -> None:
    kafka = spawn("sleep", "60", stack=mark, component="kafka")
    stream = spawn("sleep", "60", stack=mark, component="stream")
    spawn("sleep", "60", stack=mark + "-another", component="kafka")
    wait_until(lambda: len(found_processes(mark)) == 2)
    assert {process.pid for process in found_processes(mark)} == {kafka.pid, stream.pid}
    assert [process.pid for process in found_processes(mark, "kafka")] == [kafka.pid]


@pytest.mark.row(28)
def test_a_zombie_is_not_found(spawn: Callable[..., subprocess.Popen[str]], mark: str) -> None:
    child = spawn("sleep", "60", stack=mark)
    os.kill(child.pid, signal.SIGKILL)
    wait_until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE)
    assert found_processes(mark) == []


@pytest.mark.row(28)
def test_a_process_that_got_the_pid_of_ours_is_not_killed_in_its_stead(
    spawn: Callable[..., subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    child = spawn("sleep", "60")
    ours = psutil.Process(child.pid)
    monkeypatch.setattr(ours, "_ident", (child.pid, 12345.0))
    assert end_processes([ours], 0.1) == []
    assert child.poll() is None


def test_processes_end_by_sigterm_when_they_obey(spawn: Callable[..., subprocess.Popen[str]]) -> None:
    child = spawn("sh", "-c", OBEDIENT)
    assert child.stdout is not None
    child.stdout.readline()
    assert end_processes([psutil.Process(child.pid)], 5) == []
    assert child.stdout.read() == "bye\n"


def test_a_stubborn_process_is_killed_after_the_grace(spawn: Callable[..., subprocess.Popen[str]]) -> None:
    child = spawn(sys.executable, "-S", "-c", STUBBORN)
    assert child.stdout is not None
    child.stdout.readline()
    started = time.monotonic()
    assert end_processes([psutil.Process(child.pid)], 0.3) == []
    assert not psutil.pid_exists(child.pid)
    assert time.monotonic() - started >= 0.3


@pytest.mark.row(12)
def test_a_frozen_process_is_ended_by_sigterm(spawn: Callable[..., subprocess.Popen[str]]) -> None:
    child = spawn("sh", "-c", OBEDIENT)
    assert child.stdout is not None
    child.stdout.readline()
    os.kill(child.pid, signal.SIGSTOP)
    wait_until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_STOPPED)
    assert end_processes([psutil.Process(child.pid)], 5) == []
    assert child.stdout.read() == "bye\n"


@pytest.mark.row(3)
def test_the_owner_of_a_port_is_named_with_its_pid(spawn: Callable[..., subprocess.Popen[str]]) -> None:
    child = spawn(sys.executable, "-S", "-c", LISTENER)
    assert child.stdout is not None
    port = int(child.stdout.readline())
    owner = port_owner(port)
    assert owner is not None
    assert owner.pid == child.pid
    assert "python" in owner.name
    assert str(owner) == f"port {port}: {owner.name}, pid {child.pid}"
    child.kill()
    child.wait()
    assert port_owner(port) is None


def test_a_listener_on_every_interface_takes_the_port_too() -> None:
    with socket.create_server(("", 0)) as server:
        owner = port_owner(server.getsockname()[1])
        assert owner is not None
        assert owner.pid == os.getpid()


def test_a_port_of_an_invisible_process_is_taken_by_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(psutil, "net_connections", lambda **_: [])
        assert port_owner(port) == PortOwner(port, None, "a process of another user")
        assert str(port_owner(port)) == f"port {port}: a process of another user"

        def refuse(**_: object) -> None:
            raise psutil.AccessDenied

        monkeypatch.setattr(psutil, "net_connections", refuse)
        assert port_owner(port) == PortOwner(port, None, "a process of another user")


def test_a_free_port_has_its_whole_span_free(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = {9100, 9203}
    monkeypatch.setattr(processes, "port_owner", lambda port: PortOwner(port, 1, "x") if port in taken else None)
    assert free_port(9100, 100) == 9300
    assert free_port(9100, 1) == 9101


class Witness:
    """A local variable of a caller."""


def test_a_wait_in_vain_keeps_no_caller_alive(spawn: Callable[..., subprocess.Popen[str]]) -> None:
    def caller() -> weakref.ref[Witness]:
        witness = Witness()
        assert [each.pid for each in wait_for_end([psutil.Process(child.pid)], 0.1)] == [child.pid]
        return weakref.ref(witness)

    child = spawn("sleep", "60")
    gc.disable()
    try:
        assert caller()() is None
    finally:
        gc.enable()


def test_a_child_that_has_ended_is_reaped_and_is_not_waited_for(spawn: Callable[..., subprocess.Popen[str]]) -> None:
    child = spawn("true")
    process = psutil.Process(child.pid)
    assert wait_for_end([process], 5) == []
    assert not psutil.pid_exists(child.pid)
    assert wait_for_end([process], 5) == []


@pytest.mark.row(3)
def test_a_listener_on_the_loopback_of_ipv6_alone_takes_the_port_too() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
        owner = port_owner(port)
        assert owner is not None
        assert owner.pid == os.getpid()
        assert owner.name.endswith(" on [::1]")
        with socket.create_server(("127.0.0.1", port)):
            ours = port_owner(port)
            assert ours is not None
            assert not ours.name.endswith("[::1]"), "the one that programs reach is named first"
    assert port_owner(port) is None


def test_a_machine_without_ipv6_has_its_ports_free(monkeypatch: pytest.MonkeyPatch) -> None:
    make = socket.socket

    def only_ipv4(family: int, *rest: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(97, "Address family not supported by protocol")
        return make(family, *rest)

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setattr(socket, "socket", only_ipv4)
    assert port_owner(port) is None
