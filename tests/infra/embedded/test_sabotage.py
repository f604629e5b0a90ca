"""Freezing and killing a process of the test's own, found through a supervisor that knows nothing else."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from fakes.plain import lab_stack

from infra.embedded.sabotage import ProcessSabotage
from infra.host.paths import StackPaths
from infra.host.processes import thaw
from infra.stack.profiles import declare
from infra.supervision.supervisor import ProgramStatus
from trending.errors import LabError
from trending.settings import RuntimeKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.stack.declaration import Service


class OneService:
    """A supervisor that knows one service, with the pid of a real process; none once it has ended."""

    def __init__(self, process: psutil.Process | None) -> None:
        self._process = process

    def status(self, name: str) -> ProgramStatus | None:
        if name != "kafka" or self._process is None:
            return None
        return ProgramStatus(name, "RUNNING", self._process.pid, 0, "", time.time())


@pytest.fixture
def broker() -> Service:
    return declare(lab_stack(), RuntimeKind.EMBEDDED, StackPaths.of("lab"), "id").brokers[0]


@pytest.fixture
def process() -> Iterator[psutil.Process]:
    started = subprocess.Popen(["sleep", "60"])
    yield psutil.Process(started.pid)
    started.kill()
    started.wait()


def sabotage(process: psutil.Process | None) -> ProcessSabotage:
    return ProcessSabotage(OneService(process))  # type: ignore[arg-type]


def settle(process: psutil.Process, status: str) -> None:
    deadline = time.monotonic() + 5
    while process.status() != status:
        assert time.monotonic() < deadline, process.status()
        time.sleep(0.01)


@pytest.mark.row(12)
def test_a_service_is_found_frozen_and_thawed(process: psutil.Process, broker: Service) -> None:
    made = sabotage(process)
    assert made.process(broker) == process
    made.pause(broker)
    settle(process, psutil.STATUS_STOPPED)
    made.resume(broker)
    settle(process, psutil.STATUS_SLEEPING)


def test_a_service_that_is_killed_is_brought_back_by_supervisord(process: psutil.Process, broker: Service) -> None:
    made = sabotage(process)
    made.kill(broker)
    settle(process, psutil.STATUS_ZOMBIE)
    assert (made.keeper, made.contained) == ("supervisord", False)


def test_a_service_that_does_not_run_is_one_clear_error(broker: Service) -> None:
    for act in (sabotage(None).process, sabotage(None).pause, sabotage(None).resume, sabotage(None).kill):
        with pytest.raises(LabError, match="the process of kafka is not to be seen on this machine") as caught:
            act(broker)
        assert caught.value.evidence == "runtime embedded"


def test_a_frozen_process_that_ended_is_thawed_without_a_word() -> None:
    started = subprocess.Popen(["sleep", "60"])
    process = psutil.Process(started.pid)
    started.kill()
    started.wait()
    thaw(process)
