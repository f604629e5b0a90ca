"""What carries a stack's mark and is somebody's, as a shell that got a program's variables."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from at_terminal import at_terminal

from infra.commands import clean
from infra.host import paths
from infra.host.marks import NAME_VARIABLE, forgotten_processes, mark_of_process
from infra.host.paths import CHECKOUT, lives_elsewhere
from infra.host.processes import (
    HOME_VARIABLE,
    STACK_VARIABLE,
    end_processes,
    parent_and_terminal,
    stack_processes,
    users_processes,
)

IN_ANOTHER_ROOT = """
import os, sys, time
os.chroot(sys.argv[1])
print("there", flush=True)
time.sleep(60)
"""
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


@pytest.mark.row(25)
def test_what_keeps_somebodys_terminals_is_somebodys_too(mark: str) -> None:
    """As tmux's server, which has none itself: started in such a shell it carries the mark, and was killed with every session."""
    keeps = [sys.executable, "-S", "-c", "import pty; pty.spawn(['sleep', '60'])"]
    variables = {STACK_VARIABLE: mark, NAME_VARIABLE: "lab", HOME_VARIABLE: "/no/such/home"}
    with subprocess.Popen(keeps, env={**os.environ, **variables}, stdin=subprocess.DEVNULL, start_new_session=True) as server:
        deadline = time.monotonic() + 10
        while len(theirs := users_processes(mark)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert server.pid in [each.pid for each in theirs]
        assert stack_processes(mark) == []
        assert mark_of_process(server.pid) is None
        assert server.pid not in [pid for _mark, _component, pid in forgotten_processes()]
        for each in theirs:
            each.kill()


def test_a_process_that_has_ended_has_no_terminal() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    assert not parent_and_terminal(child.pid)[1]


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


@pytest.mark.row(35)
@pytest.mark.skipif(not Path("/proc/self/root").exists(), reason="without /proc no process of another file system is seen")
def test_what_sees_another_directory_where_the_home_is_belongs_to_another_machine(
    mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container with a checkout at the same path, whose stacks have the same ids: a take-down out here killed them."""
    home, files = tmp_path / "lab" / ".trending", tmp_path / "files"
    home.mkdir(parents=True)
    variables = {STACK_VARIABLE: mark, NAME_VARIABLE: "lab", HOME_VARIABLE: str(home)}
    with subprocess.Popen(["sleep", "60"], env={**os.environ, **variables}, start_new_session=True) as child:
        while not stack_processes(mark):
            time.sleep(0.01)
        assert mark_of_process(child.pid) is not None
        assert not lives_elsewhere(child.pid, str(tmp_path / "gone"))
        theirs = files / str(child.pid) / "root" / str(home).lstrip("/")
        theirs.mkdir(parents=True)
        monkeypatch.setattr(paths, "PROC", files)
        assert stack_processes(mark) == []
        assert mark_of_process(child.pid) is None
        assert child.pid not in [each.pid for each in clean.running_processes(home, tmp_path / ".venv")]
        home.rmdir()
        assert child.pid not in [pid for _mark, _component, pid in forgotten_processes()]
        theirs.rmdir()
        assert child.pid in [pid for _mark, _component, pid in forgotten_processes()], "it is gone there too"
        child.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change its root directory")
def test_what_runs_in_a_chroot_beside_a_home_of_its_own_is_neither_found_nor_forgotten(mark: str, tmp_path: Path) -> None:
    home = "/home/ana/lab/.trending"
    (tmp_path / home.lstrip("/")).mkdir(parents=True)
    variables = {STACK_VARIABLE: mark, NAME_VARIABLE: "lab", HOME_VARIABLE: home}
    child = subprocess.Popen(
        [sys.executable, "-c", IN_ANOTHER_ROOT, str(tmp_path)],
        env={**os.environ, **variables},
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "there\n"
        assert stack_processes(mark) == []
        assert child.pid not in [pid for _mark, _component, pid in forgotten_processes()]
        assert mark_of_process(child.pid) is None
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
