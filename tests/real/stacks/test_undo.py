"""FAULTS.md rows 3, 7 to 9, 19 and 25: what a failed, interrupted or killed start-up leaves.

On both runtimes, but for what has nothing to do with the runtime: a damaged jar of Spark's, a program's restart budget. Without
the stream where it is not the subject, since Spark costs 10 s a start. What was there before an up that fails is in
test_game_day.py, a take-down without a Prefect server in test_journey.py.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest

from infra.forms.stacks import LastStep
from infra.host.processes import stack_processes, wait_for_end
from infra.stack.runtime import ServiceState

if TYPE_CHECKING:
    import subprocess

    from real.harness import RealStack


@pytest.mark.row(3, "D", "E")
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
        assert f"localhost:{stack.port}" in stack.up(until="topic")


@pytest.mark.row(7, "D", "E")
def test_a_failing_producer_step_is_undone(any_stack: RealStack) -> None:
    stack = any_stack
    output = stack.up(code=2, catalogue="/nonexistent.json")
    assert "the catalogue /nonexistent.json cannot be used" in output
    assert "undoing what this run has made" in output
    assert "Traceback" not in output
    stack.assert_nothing_left()
    assert not stack.paths.root.exists()


@pytest.mark.row(7, "E")
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


@pytest.mark.row(8, "D", "E")
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
    stack.wait_until(lambda: begun(stack, "kafka" if after == "supervisor:" else "stream"), 30, "the next step has begun")
    run.send_signal(number)
    rest, _nothing = run.communicate(timeout=120)
    assert run.returncode == 130, rest
    assert "undoing what this run has made" in rest
    stack.assert_nothing_left()


def begun(stack: RealStack, step: str) -> bool:
    """Whether a start-up has come so far that the service or program is there."""
    if step == "kafka" and stack.runtime == "docker":
        return stack.containers() != []
    return stack.lab.supervisor.status(step) is not None


@pytest.mark.row(9, "D", "E")
@pytest.mark.parametrize(
    ("after", "until"), [("supervisor:", LastStep.PRODUCER), ("producer:", LastStep.PAGE)], ids=["supervisor", "producer"]
)
def test_after_sigkill_status_lists_what_is_there_up_adopts_and_down_cleans(
    any_stack: RealStack, after: str, until: LastStep
) -> None:
    stack = any_stack
    run = stack.start("start_up", *stack.up_arguments())
    wait_for_line(run, after)
    stack.wait_until(lambda: stack.service_state() is ServiceState.RUNNING, 60, "the broker's process is there")
    run.kill()
    run.communicate(timeout=20)
    status = stack.command("status", f"--name={stack.name}", code=None)
    assert "kafka" in status
    broker = stack.service_pid()
    output = stack.up(until=until)
    assert stack.service_pid() == broker
    assert "kafka: adopted" in output
    if until is LastStep.PAGE:
        stack.audit()
    else:
        stack.require_kept()
    stack.down()
    stack.assert_nothing_left()


@pytest.mark.row(25, "D", "E")
def test_with_its_supervisor_killed_up_starts_everything_anew_and_nothing_is_orphaned(any_stack: RealStack) -> None:
    stack = any_stack
    stack.bring_up(LastStep.PRODUCER)
    orphan = stack.program_pid("producer")
    supervisord = stack.supervisord()
    supervisord.kill()
    assert wait_for_end([supervisord], 5) == []
    before = stack.figure("producer", "acknowledged")
    stack.wait_until(lambda: stack.figure("producer", "acknowledged") > before, 20, "the producer goes on")
    output = stack.up(until="producer")
    assert "processes that an earlier supervisor left behind" in output
    assert stack.program_pid("producer") not in {0, orphan}
    assert [line for line in stack.unwell() if "left over" in line.state] == []
    stack.require_kept()


@pytest.mark.row(27, "E")
def test_a_program_that_dies_again_and_again_is_given_up(stack: RealStack) -> None:
    stack.bring_up(LastStep.PRODUCER)
    for death in range(7):
        # Not in its first second, which is what supervisord's own retries are for.
        stack.wait_until(lambda: producer_state(stack) in {"RUNNING", "STOPPED", "FATAL"}, 20, "it runs again, or never again")
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
    stack.wait_until(lambda: "producer" not in stack.running(), 20, "the producer is given up")
    status = stack.command("status", f"--name={stack.name}", code=1)
    assert "producer" in status
    assert "producer: recreated" in stack.up(until="producer")
    stack.require_kept()


def producer_state(stack: RealStack) -> str:
    status = stack.lab.supervisor.status("producer")
    return "" if status is None else status.state
