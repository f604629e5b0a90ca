"""A machine of pretend: services, programs and topics with state, the order in which they were touched, and failures to order."""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fakes.broker import FakeBroker
from fakes.runtime import FakeRuntime
from fakes.supervisor import FIGURES, FakeSupervisor
from leftovers import descendants

import infra.lab.assembly
from infra.docker.labels import COMPONENT_LABEL, STACK_LABEL
from infra.docker.listing import Listed, Listing
from infra.docker.marks import DockerMarks, MarkedContainer, MarkedThings
from infra.host.paths import StackPaths
from infra.host.processes import port_owner
from trending.kafka.record_columns import by_columns
from trending.programs.heartbeat import write_heartbeat
from trending.settings import PageSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from infra.docker.compose_stack import ComposeStack
    from infra.host.processes import PortOwner
    from infra.kafka.client import TopicView
    from infra.lab.assembly import Lab
    from infra.stack.declaration import Program, Stack
    from infra.stack.state import StackState
    from infra.supervision.supervisor import ProgramStatus
    from trending.kafka.connection import KafkaConnection
    from trending.kafka.log_reader import Record
    from trending.kafka.open_transactions import Held
    from trending.kafka.record_columns import RecordColumns


class World:
    """What the fakes of one stack share; other stacks have a world of their own in ``others``.

    ``calls`` is every operation in order, ``changes`` those that changed something. ``fail`` makes the next call of an operation
    raise, or do, something before it has had any effect. ``ended`` overrides what supervisord says of a program. ``volumes`` is
    name → cluster id of Docker's volumes, ``marked`` its containers, ``unreachable`` why a living supervisord can't be asked.
    ``stopped`` are services that were stopped and kept. ``external`` means that brokers answer that are no services of the stack.
    """

    def __init__(self, stack: str = "lab") -> None:
        self.stack = stack
        self.others: dict[str, World] = {}
        self.bootstraps: dict[str, World] = {}
        self.calls: list[str] = []
        self.changes: list[str] = []
        self.services: dict[str, str] = {}
        self.stopped: dict[str, str] = {}
        self.programs: dict[str, Program] = {}
        self.ended: dict[str, ProgramStatus] = {}
        self.topics: dict[str, TopicView] = {}
        self.topic_settings: dict[str, dict[str, str]] = {}
        self.supervised = False
        self.external = False
        self.unreachable = ""
        self.cluster_id = ""
        self.volumes: dict[str, str] = {}
        self.marked: tuple[MarkedContainer, ...] = ()
        self.compose: ComposeStack | None = None
        self.checks: dict[str, Callable[[], str]] = {}
        self.kafka_version = "4.4.0"
        self.slow: dict[str, float] = {}
        self.records: list[Record] = []
        self.held: list[Held] = []
        self.due = 7
        self.end = 7
        self.frozen: set[str] = set()
        self.started: dict[str, float] = {}
        self.pages: dict[int, str] = {}
        self.port_owners: dict[int, PortOwner | None] = {PageSettings().page_port: None}
        self._failures: dict[str, list[BaseException | Callable[[], object]]] = {}
        self._lock = threading.Lock()

    def fail(self, operation: str, *errors: BaseException | Callable[[], object]) -> None:
        self._failures.setdefault(operation, []).extend(errors)

    def do(self, operation: str) -> None:
        with self._lock:
            if self.calls[-1:] != [operation]:
                self.calls.append(operation)
            waiting = self._failures.get(operation)
            error = waiting.pop(0) if waiting else None
        if seconds := self.slow.get(operation, 0.0):
            time.sleep(seconds)  # a sleep of nothing waits for the scheduler, 2 ms on a busy machine, ten thousand times
        if isinstance(error, BaseException):
            raise error
        if error is not None:
            error()

    def changed(self, operation: str) -> None:
        with self._lock:
            self.changes.append(operation)

    def forget_history(self) -> None:
        self.calls.clear()
        self.changes.clear()

    @property
    def running(self) -> set[str]:
        return set(self.services) | set(self.programs)

    def log_ends(self, connection: KafkaConnection, topic: str, _timeout: float = 10.0) -> dict[int, tuple[int, int]]:
        world = self.bootstraps[connection.bootstrap]
        world.do(f"ends of {topic}")
        return dict.fromkeys(range(world.topics[topic].partitions), (0, world.end))

    def append(self, paths: StackPaths, *records: Record) -> None:
        """Add records of partition 0 to the log, and let the stream say that it has come to the end of it."""
        self.records += records
        self.end = max(record.offset for record in self.records) + 1
        write_heartbeat(paths.heartbeat("stream"), "working", {**FIGURES, "offset.0": self.end})

    def offsets_at(self, connection: KafkaConnection, topic: str, _at: float, _timeout: float = 10.0) -> dict[int, int]:
        world = self.bootstraps[connection.bootstrap]
        world.do("offsets in time")
        self.broker(connection).cluster(0.0)  # raises where no broker answers
        return dict.fromkeys(range(world.topics[topic].partitions), self.due)

    def held_partitions(self, connection: KafkaConnection, _topic: str, _seconds: float, _timeout: float) -> list[Held]:
        return self.bootstraps[connection.bootstrap].held

    def topic_id(self, connection: KafkaConnection, topic: str, _timeout: float = 10.0) -> str | None:
        view = self.bootstraps[connection.bootstrap].topics.get(topic)
        return view.topic_id if view else None

    def read_log(self, connection: KafkaConnection, topic: str, start: dict[int, int], end: dict[int, int]) -> Iterator[Record]:
        world = self.bootstraps[connection.bootstrap]
        world.do(f"read {topic}")
        found = [] if topic.endswith(".dlq") else world.records
        return (each for each in found if start.get(each.partition, 0) <= each.offset < end.get(each.partition, 0))

    def read_columns(
        self, connection: KafkaConnection, topic: str, start: dict[int, int], end: dict[int, int]
    ) -> Iterator[RecordColumns]:
        return by_columns(self.read_log(connection, topic, start, end))

    def assemble(self, state: StackState, *_show: object) -> Lab:
        """Stand in for infra.lab.assembly.assemble: the real declaration, pretended hands."""
        lab = _assemble(state)
        name = state.settings.stack.name
        world = self if name == self.stack else self.others.setdefault(name, World(name))
        self.bootstraps[lab.stack.connection.bootstrap] = world
        self.pages[state.settings.page.page_port] = lab.paths.stack_id
        supervisor, runtime = FakeSupervisor(world, lab.paths), FakeRuntime(world, lab.stack, lab.paths, state.runtime)
        return replace(lab, supervisor=supervisor, runtime=runtime)

    def broker(self, connection: KafkaConnection) -> FakeBroker:
        """Stand in for infra.kafka.client.BrokerClient."""
        return FakeBroker(self.bootstraps.get(connection.bootstrap, self), connection)

    def ask_whose(self, port: int) -> str:
        """Stand in for infra.operations.page.ask_whose: the page of the stack that was opened last."""
        self.do("ask page")
        return self.pages[port]

    def port_owner(self, port: int) -> PortOwner | None:
        """Stand in for the lab's own: the usual page's port is free, whatever runs on this machine; others are looked at."""
        return self.port_owners[port] if port in self.port_owners else port_owner(port)

    def marked_things(self, _seconds: int) -> MarkedThings:
        """Stand in for infra.docker.marks.marked_things: the stack's volumes and containers."""
        mine = {STACK_LABEL: StackPaths.of(self.stack).stack_id}
        containers = tuple(Listed(each.name, {**mine, COMPONENT_LABEL: each.component}, each.state) for each in self.marked)
        return MarkedThings(Listing(containers, volumes=tuple(Listed(name, mine) for name in self.volumes)))

    def docker_marks(self, stack_id: str, seconds: int) -> DockerMarks:
        """Stand in for infra.docker.marks.docker_marks."""
        return self.marked_things(seconds).of(stack_id)

    def put_in_place(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Give every module that touches the machine the pretended one."""
        for module in ("infra.lab.assembly", "infra.operations.services", "infra.operations.topic"):
            monkeypatch.setattr(f"{module}.assemble", self.assemble)
        for module in ("infra.lab.runtime_factory", "infra.operations.take_down"):
            monkeypatch.setattr(f"{module}.engine_answers", lambda: "no Docker engine answers here")
        for module in ("infra.docker.compose_stack", "infra.commands.status", "infra.operations.take_down"):
            monkeypatch.setattr(f"{module}.compose_stack", lambda _project: self.compose)
        monkeypatch.setattr("infra.docker.engine.engine", nullcontext)
        monkeypatch.setattr("infra.commands.status.marked_things", self.marked_things)
        monkeypatch.setattr("infra.lab.forgotten.marked_things", lambda _seconds: MarkedThings(Listing()))
        monkeypatch.setattr("infra.lab.forgotten.forgotten_processes", list)  # another test's or session's, on this machine
        # Of the machine's processes only the test's own: reading the environment of each takes 29 ms, a thousand times.
        monkeypatch.setattr("psutil.process_iter", lambda *_attributes: iter(descendants()))
        for module in ("infra.lab.runtime_factory", "infra.lab.remains"):
            monkeypatch.setattr(f"{module}.docker_marks", self.docker_marks)
        monkeypatch.setattr("infra.kafka.readiness.BrokerClient", self.broker)
        monkeypatch.setattr("infra.operations.topic.BrokerClient", self.broker)
        monkeypatch.setattr("infra.lab.brokers.BrokerClient", self.broker)
        monkeypatch.setattr("infra.health.examination.BrokerClient", self.broker)
        monkeypatch.setattr("infra.game_day.faults.BrokerClient", self.broker)
        monkeypatch.setattr("infra.health.freshness.log_ends", self.log_ends)
        monkeypatch.setattr("infra.health.freshness.offsets_at", self.offsets_at)
        for module in ("infra.health.freshness", "infra.commands.status"):
            monkeypatch.setattr(f"{module}.held_partitions", self.held_partitions)
        monkeypatch.setattr("infra.health.examination.check_memory", lambda _mb: "enough")
        monkeypatch.setattr("infra.operations.epochs.log_ends", self.log_ends)
        monkeypatch.setattr("infra.operations.stream.log_ends", self.log_ends)
        for module in ("epochs", "stream", "audit"):
            monkeypatch.setattr(f"infra.operations.{module}.topic_id", self.topic_id)
        monkeypatch.setattr("infra.lab.assembly.port_owner", self.port_owner)
        monkeypatch.setattr("infra.operations.page.ask_whose", self.ask_whose)
        monkeypatch.setattr("infra.operations.audit.log_ends", self.log_ends)
        for module in ("audit", "report"):
            monkeypatch.setattr(f"infra.operations.{module}.read_log", self.read_log)
        monkeypatch.setattr("infra.operations.audit.read_columns", self.read_columns)
        monkeypatch.setattr("infra.operations.report.find_browser", lambda: None)
        monkeypatch.setattr("infra.operations.stream.ensure_jars", lambda _group: (Path("/jars/connector.jar"),))
        monkeypatch.setattr("infra.operations.services.check_memory", lambda: "enough")


_assemble = infra.lab.assembly.assemble


def whole_stack(stack: Stack) -> set[str]:
    """Return the names of everything that a stack which is up runs."""
    return {service.name for service in stack.services} | {"producer", "stream", "page"}
