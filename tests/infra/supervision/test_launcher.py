from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

from infra.host.processes import COMPONENT_VARIABLE, STACK_VARIABLE, stack_processes
from infra.supervision import launcher as launch


@pytest.fixture(autouse=True)
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    made = f"test-launch-{os.getpid()}-{time.monotonic_ns()}"
    monkeypatch.setenv(STACK_VARIABLE, made)
    monkeypatch.setenv(COMPONENT_VARIABLE, "stream")
    monkeypatch.setattr(sys, "argv", ["launch", "python", "-m", "trending.stream"])
    return made


@pytest.mark.row(20)
def test_what_an_earlier_life_left_is_ended_before_the_program_starts(mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as leftover:
        while not stack_processes(mark, "stream"):  # exec gives a process its name some time before its environment
            time.sleep(0.01)
        another = subprocess.Popen(["sleep", "60"], env={**os.environ, COMPONENT_VARIABLE: "producer"})
        became: list[tuple[str, list[str], bool]] = []
        monkeypatch.setattr(os, "execvp", lambda file, command: became.append((file, command, psutil.pid_exists(leftover.pid))))
        launch.main()
        assert became == [("python", ["python", "-m", "trending.stream"], False)]
        assert another.poll() is None
        another.kill()
        another.wait()


def test_a_leftover_that_does_not_end_keeps_the_program_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "end_processes", lambda _found, _grace: [psutil.Process()])
    monkeypatch.setattr(os, "execvp", lambda *_: pytest.fail("it was started beside its earlier life"))
    with pytest.raises(SystemExit, match="an earlier life is still there"):
        launch.main()
