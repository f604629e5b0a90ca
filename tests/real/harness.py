"""Driving a real stack: commands in processes of their own where they are the subject, plain functions where they are not."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from prefect import Task

from flows import audit, start_up
from flows.commands.modules import module_of
from flows.runs import artifacts as run_artifacts
from flows.runs import stopwatch
from infra.docker.engine import engine
from infra.docker.labels import STACK_LABEL
from infra.forms.every_form import field_sections
from infra.forms.stacks import LastStep, StartUpForm
from infra.game_day.injections import jvm_of, supervisord_process
from infra.host.paths import CHECKOUT, StackPaths
from infra.host.processes import port_owner, stack_processes
from infra.lab.assembly import Lab, open_lab
from infra.operations.description import Line, describe
from infra.operations.take_down import take_down
from infra.operations.undo import found_before
from infra.supervision.control_socket import socket_of
from infra.supervision.output_tail import tail
from trending.audit.reconciliation import Ledgers, LogRange, reconcile
from trending.audit.recounting.recount import recount
from trending.audit.recounting.sequences import by_run
from trending.errors import LabError
from trending.kafka.log_reader import ends_of, log_ends
from trending.kafka.record_columns import read_columns
from trending.producer.ledger import read_ledger
from trending.programs.heartbeat import Heartbeat, read_heartbeat
from trending.serving.epochs import Epoch
from trending.serving.store import StoreView
from trending.stream.letters import Letters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from infra.stack.runtime import ServiceState
    from infra.stack.start_up_summary import StartUpSummary

COMMAND_SECONDS = 300
POLL_SECONDS = 0.25
"""Between two looks at a stack. With ten a second, supervisord took 4.7 % of both cores over the whole suite, for its answers."""
NUMBERS = count(1)
"""Here and not in conftest.py, which pytest loads once more than those who import it: two counters give a name twice."""
CLEAN = re.compile(r"^audit: acknowledged (\d+), in log (\d+), counted (\d+), lost 0, duplicated 0$", re.MULTILINE)


@dataclass
class RealStack:
    """A stack under test: its settings, and the commands on it."""

    name: str
    port: int
    runtime: str = "embedded"
    profile: str = "kraft"
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def paths(self) -> StackPaths:
        return StackPaths.of(self.name)

    @property
    def page_port(self) -> int:
        return self.port + 6

    @property
    def lab(self) -> Lab:
        return open_lab(self.name)

    def start(self, flow: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a command and return its process; its output is one stream."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PREFECT_", "PYTEST_")) and (name == "TRENDING_HOME" or not name.startswith("TRENDING_"))
        }
        return subprocess.Popen(
            [sys.executable, "-m", module_of(flow), *arguments],
            cwd=CHECKOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def command(self, flow: str, *arguments: str, code: int | None = 0, seconds: float = COMMAND_SECONDS) -> str:
        """Run a command to its end, require its exit code (None: any), return its output."""
        process = self.start(flow, *arguments)
        try:
            output, _nothing = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _nothing = process.communicate()
            raise AssertionError(f"{flow} did not end:\n{output}\n{self.output_tails()}") from None
        assert code in {None, process.returncode}, f"{flow} ended with {process.returncode}:\n{output}\n{self.output_tails()}"
        return output

    def up_arguments(self, **more: str) -> list[str]:
        wanted = {
            "name": self.name,
            "port": str(self.port),
            "zookeeper_port": str(self.port + 5),
            "page_port": str(self.page_port),
            "runtime": self.runtime,
            "profile": self.profile,
            "trigger_seconds": "2",
            "rate": "20",
            "heap_mb": "256",
            **self.settings,
            **more,
        }
        return [f"--{name}={value}" for name, value in wanted.items()]

    def up(self, *, code: int = 0, **more: str) -> str:
        return self.command("start_up", *self.up_arguments(**more), code=code)

    def bring_up(self, until: LastStep = LastStep.PAGE, **more: str) -> StartUpSummary:
        """Bring the stack up in this process by start-up's own steps, without engine and server: 4 s less than the command."""
        given = dict(argument.removeprefix("--").split("=", 1) for argument in self.up_arguments(**more))
        sections: dict[str, Any] = {"until": until}
        for name, section in field_sections(StartUpForm).items():
            if section and name in given:
                sections.setdefault(section, {})[name] = given[name]
        with plain():
            return start_up.start_up.fn(StartUpForm.model_validate(sections))

    def down(self, *, volumes: bool = True) -> str:
        """Take the stack down in this process, as the command does where no server answers; returns what was said."""
        with heard() as lines:
            take_down(self.name, volumes=volumes)
        return "\n".join(lines)

    def down_command(self, *, volumes: bool = True) -> str:
        return self.command("tear_down", f"--name={self.name}", *(["--volumes"] if volumes else []))

    def audit(self, *, resume: bool = True) -> str:
        """Audit in this process; requires that nothing was lost or doubled, and that at least one tweet was counted.

        With ``resume`` the producer is started again; without, the stack stays at rest.
        """
        with plain():
            report = audit.recount(self.name, resume=resume)
        output = "\n".join(report.lines(self.lab.settings.stream.zone))
        assert report.clean, output
        return self.require_clean(output)

    def audit_command(self) -> str:
        return self.require_clean(self.command("audit", f"--name={self.name}", "--at_rest"))

    @staticmethod
    def require_clean(output: str) -> str:
        found = CLEAN.search(output)
        assert found, output
        assert int(found.group(1)) > 0
        assert int(found.group(2)) == int(found.group(3))
        return output

    def require_kept(self) -> None:
        """Require of a stack without a stream: acknowledged ⊆ log ⊆ attempted, and no tweet twice in the log."""
        lab = self.lab
        connection, topic = lab.stack.connection, lab.settings.stack.topic
        lab.supervisor.remove("producer")  # at rest, so that ledger and log are of the same moment
        ledger = read_ledger(lab.paths.ledger)
        ends = ends_of(log_ends(connection, topic))
        starts = dict.fromkeys(ends, 0)
        epochs = (Epoch("none", "", topic, "", starts, ends),)
        log = recount(read_columns(connection, topic, {}, ends), epochs, by_run(ledger.acknowledged_ranges({})))
        # The log stands for the stream too, of which there is none: what is left to compare is the ledger with the log.
        view = StoreView(epochs, log.tweets, log.rejects, 0)
        found = reconcile(Ledgers(ledger, ledger), LogRange(starts, starts, ends, time.time()), log, view, Letters(), 0.0)
        assert found.acknowledged > 0
        assert (found.lost, found.duplicated, found.not_attempted) == (0, 0, 0), found

    def service_pid(self, service: str = "kafka") -> int:
        """Return the pid of a service's process on this machine, in either runtime."""
        lab = self.lab
        return lab.runtime.sabotage.process(lab.stack.service(service)).pid

    def program_pid(self, program: str) -> int:
        status = self.lab.supervisor.status(program)
        assert status is not None, f"{program} is not declared"
        return status.pid

    def supervisord(self) -> psutil.Process:
        return supervisord_process(self.lab)

    def jvm_pid(self) -> int:
        return jvm_of(psutil.Process(self.program_pid("stream"))).pid

    def beat(self, program: str) -> Heartbeat | None:
        return read_heartbeat(self.paths.heartbeat(program))

    def figure(self, program: str, figure: str) -> float:
        beat = self.beat(program)
        return beat.figures.get(figure, 0.0) if beat else 0.0

    def kill(self, pid: int, number: int = signal.SIGKILL) -> None:
        os.kill(pid, number)

    @contextmanager
    def frozen(self, service: str = "kafka") -> Iterator[None]:
        """Freeze a service: ``docker pause`` for a container, SIGSTOP for a process."""
        if self.runtime == "docker":
            with engine() as client:
                container = client.containers.get(self.lab.stack.qualified(service))
                container.pause()
                try:
                    yield
                finally:
                    container.unpause()
            return
        pid = self.service_pid(service)
        self.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            self.kill(pid, signal.SIGCONT)

    def wait_until(self, holds: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if holds():
                    return
            except (LabError, psutil.Error, StopIteration, AssertionError):
                pass
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"after {seconds} s still not: {what}\n{self.output_tails()}")

    def wait_new_life(self, program: str, old: int, seconds: float = 60) -> None:
        """Wait until a program has a new pid and beats with it, the stream with a finished batch or caught-up offsets."""

        def reborn() -> bool:
            beat = self.beat(program)
            working = "acknowledged" if program == "producer" else "offset.0"
            return beat is not None and beat.pid not in {0, old} and beat.figures.get(working, 0) > 0

        self.wait_until(reborn, seconds, f"{program} lives again")

    def wait_progress(self, seconds: float = 90) -> None:
        """Wait until the stream has counted tweets that were acknowledged after this call."""
        before = self.figure("stream", "offset.0")
        self.wait_until(lambda: self.figure("stream", "offset.0") > before, seconds, "the stream moves")

    def unwell(self) -> list[Line]:
        """Return what ``status`` would find wrong, looked at in this process."""
        return [line for line in describe(self.lab) if line.trouble]

    def wait_well(self, seconds: float = 60, *, without: frozenset[str] = frozenset()) -> None:
        """Wait until ``status`` would find nothing wrong, but for programs that were never asked for."""
        self.wait_until(lambda: {line.name for line in self.unwell()} <= without, seconds, "everything is healthy")

    def running(self) -> set[str]:
        return set(found_before(self.name).running)

    def output_tails(self) -> str:
        """Return what the programs said last: their heartbeats, with how old they are, and the ends of their logs."""
        beats = {program: self.beat(program) for program in ("producer", "stream", "page")}
        lines = [f"--- {program} {beat.age(time.time()):.1f} s ago: {beat}" for program, beat in beats.items() if beat]
        logs = sorted(self.paths.output.glob("*.log"))
        return "\n".join([*lines, *(f"--- {path.name}\n{tail(path, 12)}" for path in logs)])

    def assert_nothing_left(self) -> None:
        """Require that no process, socket, lock, container, network or port of the stack is left."""
        assert stack_processes(self.paths.stack_id) == []
        assert not socket_of(self.paths.run).exists()
        assert not self.paths.lock.exists()
        assert port_owner(self.port) is None
        assert self.containers() == []
        assert port_owner(self.page_port) is None
        if self.runtime == "docker":
            with engine() as client:
                assert client.networks.list(filters={"label": f"{STACK_LABEL}={self.paths.stack_id}"}) == []

    def containers(self) -> list[str]:
        """Return the names of the stack's containers, in whatever state; there are none outside the docker runtime."""
        if self.runtime != "docker":
            return []
        with engine() as client:
            mine = {"label": f"{STACK_LABEL}={self.paths.stack_id}"}
            return [str(each.name) for each in client.containers.list(all=True, filters=mine)]

    def service_state(self, service: str = "kafka") -> ServiceState:
        lab = self.lab
        return lab.runtime.observe(lab.stack.service(service)).state


@contextmanager
def plain() -> Iterator[None]:
    """Have the flows' modules call the functions under their tasks, and leave no artifacts: neither engine nor server."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (start_up, audit):
            for name, value in list(vars(module).items()):
                if isinstance(value, Task):
                    patch.setattr(module, name, value.fn)
        for module in (stopwatch, run_artifacts):
            for name in list(vars(module)):
                if name.startswith("create_") and name.endswith("_artifact"):
                    patch.setattr(module, name, lambda *_page, **_named: None)
        yield


@contextmanager
def heard() -> Iterator[list[str]]:
    """Collect the lines that the lab says in this process."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage()) if getattr(record, "lab", False) else None  # type: ignore[method-assign]
    logger = logging.getLogger("trending")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def python(code: str, *arguments: str, cwd: Path = CHECKOUT) -> subprocess.Popen[str]:
    """Start a Python process of the test's own."""
    return subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=cwd, text=True, stdout=subprocess.PIPE)
