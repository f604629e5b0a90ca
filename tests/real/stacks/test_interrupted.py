"""FAULTS.md rows 8, 35 and 36: signals during an undo, a closed terminal, and what a checkout that is gone has left."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from real.harness import COMMAND_SECONDS

from infra.docker.engine import engine
from infra.docker.labels import HOME_LABEL, NAME_LABEL, STACK_LABEL, USER_LABEL
from infra.host.paths import StackPaths
from infra.host.processes import stack_processes
from trending.errors import Interrupted

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from real.harness import RealStack

APART = 0.5
"""Signals closer together than 0.2 s count once."""


def read_until(command: subprocess.Popen[str], piece: str) -> str:
    """Read the command's lines up to one with the piece; returns them."""
    assert command.stdout is not None
    read = ""
    for line in command.stdout:
        read += line
        if piece in line:
            return read
    raise AssertionError(f"{piece!r} was never said:\n{read}")


@pytest.mark.row(36, "D", "E")
def test_a_start_whose_terminal_was_closed_is_undone(any_stack: RealStack) -> None:
    stack = any_stack
    command = stack.start("start_up", *stack.up_arguments())
    read_until(command, "producer: created")
    assert command.stdout is not None
    command.stdout.close()  # every further line fails, as on a terminal that is gone
    for _ in range(2):  # the shell passes on what the kernel has sent
        os.kill(command.pid, signal.SIGHUP)
        time.sleep(APART)
    assert command.wait(60) == Interrupted.exit_code
    stack.assert_nothing_left()
    assert not stack.paths.root.exists()


@pytest.mark.row(8, "E")
def test_the_third_signal_abandons_an_undo_and_lists_what_is_left(stack: RealStack) -> None:
    command = stack.start("start_up", *stack.up_arguments())
    try:
        read_until(command, "producer: created")
        broker = stack.service_pid()
        stack.kill(broker, signal.SIGSTOP)  # so that the undo waits for its end, however fast the machine
        command.send_signal(signal.SIGINT)
        read_until(command, "undoing what this run has made")
        time.sleep(APART)
        command.send_signal(signal.SIGTERM)
        read_until(command, "once more abandons it")
        time.sleep(APART)
        command.send_signal(signal.SIGHUP)
        output, _nothing = command.communicate(timeout=COMMAND_SECONDS)
    finally:
        command.kill()
        command.communicate()
    assert command.returncode == Interrupted.exit_code
    assert "Traceback" not in output
    assert "was undone" not in output
    assert broker in {process.pid for process in stack_processes(stack.paths.stack_id)}
    assert "the undo was abandoned. This is left: " in output
    assert f"make down NAME={stack.name} ends what runs" in output
    stack.kill(broker, signal.SIGCONT)
    stack.down_command()
    stack.assert_nothing_left()


@pytest.mark.docker
@pytest.mark.row(35, "D")
@pytest.mark.parametrize("volumes", [False, True])
def test_what_a_checkout_that_is_gone_has_in_docker_is_listed_and_goes_when_it_is_named(
    stack: RealStack,
    docker_engine: None,
    tmp_path: Path,
    volumes: bool,  # noqa: FBT001
) -> None:
    home = tmp_path / "gone" / ".trending"
    name = f"{stack.name}-gone"
    mark = {STACK_LABEL: StackPaths(home, name).stack_id, NAME_LABEL: name, USER_LABEL: "ana", HOME_LABEL: str(home)}
    with engine() as client:
        volume = client.volumes.create(f"{name}_kafka-data", labels=mark)
        network = client.networks.create(f"{name}_default", labels=mark)
    try:
        seen = stack.command("status", f"--name={stack.name}", code=None)
        assert f"volume {volume.name}" in seen
        assert f"network {network.name}" in seen
        assert f"make down NAME={name} LEFT_BY={home}" in seen
        stack.command("tear_down", f"--name={name}", f"--left_by={home}", *(["--volumes"] if volumes else []))
        with engine() as client:
            assert [each.name for each in client.networks.list(filters={"label": HOME_LABEL}) if each.name == network.name] == []
            there = [each.name for each in client.volumes.list(filters={"label": HOME_LABEL}) if each.name == volume.name]
        assert there == ([] if volumes else [volume.name])
        assert not home.parent.exists()
    finally:
        with engine() as client:
            for each in client.volumes.list(filters={"label": f"{STACK_LABEL}={mark[STACK_LABEL]}"}):
                each.remove()
            for left in client.networks.list(filters={"label": f"{STACK_LABEL}={mark[STACK_LABEL]}"}):
                left.remove()
