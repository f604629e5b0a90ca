"""FAULTS.md rows 3, 6 to 9 and 25: what a failed, interrupted or killed start-up leaves.

On both runtimes, but for what has nothing to do with the runtime: a damaged jar of Spark's, a program's restart budget.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest

from infra.prefect_server import ensure_server, stop_server
from infra.processes import stack_processes
from infra.runtime import ServiceState

if TYPE_CHECKING:
    import subprocess

    from real.harness import RealStack


def test_a_taken_port_is_found_before_anything_starts_and_another_one_works(any_stack: RealStack) -> None:
    stack = any_stack
    with socket.socket() as foreign:
        foreign.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        foreign.bind(("127.0.0.1", stack.port))
        foreign.listen()
        output = stack.up(code=4)
        assert f"port {stack.port} is taken by" in output
        assert f"pid {os.getpid()}" in output
        assert "Traceback" not in output
        assert stack_processes(stack.paths.stack_id) == []
        assert stack.containers() == []
        assert not stack.paths.data.exists()
        stack.port += 50
        assert f"localhost:{stack.port}" in stack.up()


def test_a_failing_producer_step_is_undone_and_what_was_there_before_stays(any_stack: RealStack) -> None:
    stack = any_stack
    output = stack.up(code=2, catalogue="/nonexistent.json")
    assert "the catalogue /nonexistent.json cannot be used" in output
    assert "undoing what this run has made" in output
    assert "Traceback" not in output
    stack.assert_nothing_left()
    stack.up()
    before = stack.service_pid(), stack.program_pid("producer"), stack.program_pid("stream")
    stack.up(code=2, catalogue="/nonexistent.json")
    assert before == (stack.service_pid(), stack.program_pid("producer"), stack.program_pid("stream"))
    stack.audit()


def test_a_damaged_jar_stops_the_stream_step_and_everything_is_undone(stack: RealStack) -> None:
    jars = stack.paths.home / "jars"
    real = jars.resolve()
    _damage(stack)
    try:
        output = stack.up(code=9)
    finally:
        shutil.rmtree(jars)
        jars.symlink_to(real)
    assert "is not the jar that the lock names" in output
    assert "make jars" in output
    assert "Traceback" not in output
    stack.assert_nothing_left()


def _damage(stack: RealStack) -> None:
    """Give the home jars of its own, one of Spark's damaged."""
    jars = stack.paths.home / "jars"
    real = jars.resolve()
    jars.unlink()
    (jars / "spark").mkdir(parents=True)
    for group in real.iterdir():
        if group.is_dir() and group.name != "spark":
            (jars / group.name).symlink_to(group)
    for jar in (real / "spark").glob("*.jar"):
        (jars / "spark" / jar.name).symlink_to(jar)
    first = min((jars / "spark").glob("*.jar"))
    first.unlink()
    first.write_bytes(b"not a jar")


def wait_for_line(process: subprocess.Popen[str], word: str) -> str:
    """Read the command's output up to the line with ``word``."""
    assert process.stdout is not None
    read = ""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        line = process.stdout.readline()
        read += line
        if word in line:
            return read
        if not line:
            break
    raise AssertionError(f"{word!r} never came:\n{read}")


@pytest.mark.parametrize(
    ("runtime", "after", "number"),
    [
        ("embedded", "supervisor:", signal.SIGINT),
        ("embedded", "supervisor:", signal.SIGTERM),
        ("embedded", "producer:", signal.SIGINT),
        ("embedded", "producer:", signal.SIGTERM),
        pytest.param("docker", "supervisor:", signal.SIGTERM, marks=pytest.mark.docker),
        pytest.param("docker", "producer:", signal.SIGINT, marks=pytest.mark.docker),
    ],
)
def test_a_signal_undoes_what_the_run_made(
    stack: RealStack, runtime: str, after: str, number: signal.Signals, request: pytest.FixtureRequest
) -> None:
    if runtime == "docker":
        request.getfixturevalue("docker_engine")
    stack.runtime = runtime
    run = stack.start("start_up", *stack.up_arguments())
    wait_for_line(run, after)
    time.sleep(1)
    run.send_signal(number)
    rest, _nothing = run.communicate(timeout=120)
    assert run.returncode == 130, rest
    assert "undoing what this run has made" in rest
    stack.assert_nothing_left()


@pytest.mark.parametrize("after", ["supervisor:", "producer:"])
def test_after_sigkill_status_lists_what_is_there_up_adopts_and_down_cleans(any_stack: RealStack, after: str) -> None:
    stack = any_stack
    run = stack.start("start_up", *stack.up_arguments())
    wait_for_line(run, after)
    stack.wait_until(lambda: stack.service_state() is ServiceState.RUNNING, 60, "the broker's process is there")
    run.kill()
    run.communicate(timeout=20)
    status = stack.command("status", f"--name={stack.name}", code=None)
    assert "kafka" in status
    broker = stack.service_pid()
    output = stack.up()
    assert stack.service_pid() == broker
    assert "kafka: adopted" in output
    stack.audit()
    stack.down()
    stack.assert_nothing_left()


def test_the_data_plane_outlives_the_prefect_server_and_down_needs_none(any_stack: RealStack) -> None:
    stack = any_stack
    stack.up()
    assert stop_server()
    try:
        before = stack.figure("stream", "offset.0")
        stack.wait_until(lambda: stack.figure("stream", "offset.0") > before, 30, "the stream goes on")
        stack.down()
        stack.assert_nothing_left()
    finally:
        ensure_server()


def test_a_program_that_dies_again_and_again_is_given_up(stack: RealStack) -> None:
    stack.up()
    for death in range(7):
        status = stack.lab.supervisor.status("producer")
        if status is None or not status.alive:
            break
        stack.kill(status.pid)
        stack.wait_until(
            lambda old=status.pid: (
                (now := stack.lab.supervisor.status("producer")) is not None and (now.pid not in {0, old} or not now.alive)
            ),
            20,
            f"supervisord saw death {death + 1}",
        )
        time.sleep(1.2)
    stack.wait_until(lambda: "producer" not in stack.running(), 20, "the producer is given up")
    status = stack.command("status", f"--name={stack.name}", code=1)
    assert "producer" in status
    assert "producer: recreated" in stack.up()
    stack.audit()
