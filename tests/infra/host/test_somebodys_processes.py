"""What carries a stack's mark and is somebody's, as a shell that got a program's variables."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest
from at_terminal import at_terminal

from infra.host.marks import HOME_VARIABLE, NAME_VARIABLE, forgotten_processes
from infra.host.paths import CHECKOUT
from infra.host.processes import STACK_VARIABLE, end_processes, has_terminal, stack_processes, users_processes

ENDS_ITSELF = """
import psutil
from infra.host.processes import end_processes
own = [psutil.Process(), psutil.Process().parent()]
assert end_processes(own, 0.1) == own
"""


@pytest.fixture
def mark() -> str:
    return f"test-{os.getpid()}-{time.monotonic_ns()}"


@pytest.mark.row(25)
def test_what_has_a_terminal_is_somebodys_though_it_carries_the_mark(mark: str) -> None:
    with at_terminal(**{STACK_VARIABLE: mark}) as shell:
        assert stack_processes(mark) == []
        assert [each.pid for each in users_processes(mark)] == [shell.pid]


def test_a_process_that_has_ended_has_no_terminal() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    assert not has_terminal(child.pid)


def test_a_command_ends_neither_itself_nor_what_it_was_started_by() -> None:
    path = os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "src")])
    environment = {**os.environ, "PYTHONPATH": path}
    with subprocess.Popen(["sleep", "60"]) as bystander:
        done = subprocess.run([sys.executable, "-c", ENDS_ITSELF], env=environment, cwd=CHECKOUT, check=False, timeout=60)
        assert done.returncode == 0
        assert bystander.poll() is None
        assert end_processes([psutil.Process(bystander.pid)], 5) == []


def test_a_shell_with_the_mark_of_a_home_that_is_gone_is_not_what_a_checkout_has_left(mark: str) -> None:
    variables = {STACK_VARIABLE: mark, NAME_VARIABLE: "lab", HOME_VARIABLE: "/no/such/home"}
    with at_terminal(**variables) as shell:
        assert shell.pid not in [pid for _mark, _component, pid in forgotten_processes()]
    child = subprocess.Popen(["sleep", "60"], env={**os.environ, **variables}, start_new_session=True)
    try:
        while not stack_processes(mark):
            time.sleep(0.01)
        assert child.pid in [pid for _mark, _component, pid in forgotten_processes()]
    finally:
        child.kill()
        child.wait()
