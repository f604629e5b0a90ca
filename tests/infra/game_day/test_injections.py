"""Breaking real processes of the test's own, found through a pretended supervisor."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import psutil
import pytest
from fakes.plain import lab_stack

from infra.game_day import injections as faults
from infra.host.processes import STACK_VARIABLE
from infra.lab.assembly import Lab, assemble
from infra.stack.state import StackState, Wanted
from infra.supervision.supervisor import ProgramStatus
from trending.errors import LabError
from trending.settings import LabSettings, RuntimeKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.stack.declaration import Service


class OneProgram:
    """A supervisor that knows one program, with the pid of a real process."""

    def __init__(self, name: str, pid: int) -> None:
        self._status = ProgramStatus(name, "RUNNING", pid, 0, "", time.time())

    def status(self, name: str) -> ProgramStatus | None:
        return self._status if name == self._status.name else None


@contextmanager
def sleeper(*command: str, **environment: str) -> Iterator[psutil.Process]:
    started = subprocess.Popen(command or ("sleep", "60"), env={**os.environ, **environment}, start_new_session=True)
    try:
        yield psutil.Process(started.pid)
    finally:
        started.kill()
        started.wait()


def lab_with(name: str, pid: int) -> Lab:
    settings = LabSettings(stack=lab_stack())
    state = StackState(wanted=Wanted.UP, runtime=RuntimeKind.EMBEDDED, cluster_id="id", settings=settings)
    return replace(assemble(state), supervisor=OneProgram(name, pid))  # type: ignore[arg-type]


def test_a_program_is_found() -> None:
    with sleeper() as process:
        assert faults.program_process(lab_with("producer", process.pid), "producer") == process


def test_what_does_not_run_is_one_clear_error() -> None:
    lab = lab_with("other", os.getpid())
    with pytest.raises(LabError, match="stream does not run"):
        faults.program_process(lab, "stream")
    with pytest.raises(LabError, match="has no JVM"):
        faults.jvm_of(psutil.Process())


def test_the_jvm_is_a_descendant_named_java(tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.symlink_to("/bin/sleep")
    code = f"import subprocess; subprocess.run(['{java}', '60'])"
    with sleeper(sys.executable, "-c", code) as driver:
        deadline = time.monotonic() + 10
        while not driver.children():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.2)
        child = driver.children()[0]
        try:
            assert faults.jvm_of(driver) == child
        finally:
            child.kill()


def test_the_supervisord_is_known_by_mark_and_command(home: Path) -> None:
    lab = lab_with("kafka", os.getpid())
    mark = {STACK_VARIABLE: lab.paths.stack_id}
    with sleeper(**mark), pytest.raises(LabError, match="no supervisord"):
        faults.supervisord_process(lab)
    with sleeper(sys.executable, "-c", "import time; time.sleep(60)", "supervisor.supervisord", **mark) as process:
        deadline = time.monotonic() + 5
        while True:
            try:
                assert faults.supervisord_process(lab) == process
                break
            except LabError:
                assert time.monotonic() < deadline
                time.sleep(0.02)


class _Broken:
    """A runtime that notes the heap and the limit it was started with."""

    def __init__(self) -> None:
        self.done: list[tuple[str, int, int, str]] = []

    def remove(self, service: Service) -> None:
        self.done.append(("remove", service.heap_mb, service.memory_mb, ""))

    def start(self, service: Service) -> None:
        self.done.append(("start", service.heap_mb, service.memory_mb, service.environment["KAFKA_HEAP_OPTS"]))


def test_a_starved_broker_is_started_anew_with_too_little() -> None:
    lab = lab_with("kafka", os.getpid())
    runtime = _Broken()
    lab = replace(lab, runtime=runtime)  # type: ignore[arg-type]
    service = lab.stack.services[0]
    faults.exhaust_heap(lab, service)
    faults.exceed_memory(lab, service)
    assert [step for step, *_rest in runtime.done] == ["remove", "start"] * 2
    assert runtime.done[1] == ("start", 24, service.memory_mb, "-Xmx24M -Xms24M")
    assert runtime.done[3][2] == 200
    assert "-Xmx400M" in runtime.done[3][3]
