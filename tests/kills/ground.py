"""A real stack under kills: its programs run with traps, and its processes are killed by their ids."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
from confluent_kafka import Producer
from kills.plan import Target
from kills.points import PRODUCER, STREAM
from kills.program import trapped
from kills.trap import Death, Trap

from infra.game_day.injections import jvm_of, program_process
from infra.host.processes import freeze, thaw
from infra.operations.epochs import counting_epoch, known_topic_id
from infra.operations.producer import producer_spec, wait_for_producer
from infra.operations.stream import stream_spec, wait_for_stream
from infra.supervision.budget import reset_deaths
from infra.supervision.programs import declare_program, start_program
from trending.errors import LabError, NotSurvived
from trending.kafka.log_reader import ends_of, log_ends

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kills.points import Point
    from real.harness import RealStack

POISON = b"{no tweet"
PROCESS_SECONDS = 60.0
"""How long a process may be away that is to be killed."""


class StackGround:
    """A stack that is up to its topic, whose producer and stream are started here, with traps in ``directory``."""

    def __init__(self, stack: RealStack, directory: Path) -> None:
        self._stack = stack
        self._lab = stack.lab
        self._traps = {program: Trap(directory, program) for program in (PRODUCER, STREAM)}
        self._directory = directory
        self._outbox = Producer(self._lab.stack.connection.client({"enable.idempotence": True}))

    def start(self) -> None:
        """Start producer and stream, and wait until both work."""
        lab = self._lab
        specifications = {
            PRODUCER: producer_spec(lab).model_dump_json(),
            STREAM: stream_spec(lab, counting_epoch(lab, known_topic_id(lab))).model_dump_json(),
        }
        for program, text in specifications.items():
            declared = declare_program(lab.paths, program, text, java=program == STREAM)
            start_program(lab.supervisor, lab.paths, trapped(declared, self._directory), text)
        wait_for_producer(self._stack.name)
        wait_for_stream(self._stack.name)

    def close(self) -> None:
        """Close the client that sends the poison."""
        self._outbox.flush(20)
        self._outbox.close()

    def deaths(self) -> list[Death]:
        """Return the deaths at points, in the order in which they came."""
        return sorted(death for trap in self._traps.values() for death in trap.deaths())

    def arm(self, points: Sequence[Point]) -> None:
        for program, trap in self._traps.items():
            trap.arm([point.name for point in points if point.program == program])

    def left(self) -> list[str]:
        return [point for trap in self._traps.values() for point in trap.left()]

    def kill(self, target: Target) -> None:
        deadline = time.monotonic() + PROCESS_SECONDS
        while True:
            try:
                self._process(target).kill()
            except (LabError, psutil.Error) as error:
                if time.monotonic() > deadline:
                    failure = f"there is no {target} to kill"
                    raise NotSurvived(failure, f"{error}\n{self.last_words()}") from error
                time.sleep(0.05)
            else:
                return

    def _process(self, target: Target) -> psutil.Process:
        if target is Target.BROKER:
            return self._lab.runtime.sabotage.process(self._lab.stack.brokers[0])
        if target is Target.PRODUCER:
            return program_process(self._lab, PRODUCER)
        driver = program_process(self._lab, STREAM)
        if target is Target.DRIVER:
            return driver
        jvm = jvm_of(driver)
        return jvm if target is Target.JVM else worker_of(jvm)

    def poison(self) -> None:
        self._outbox.produce(self._lab.settings.stack.topic, POISON)
        self._outbox.poll(0)

    def forgive(self) -> None:
        for component in (PRODUCER, STREAM, self._lab.stack.brokers[0].name):
            reset_deaths(self._lab.paths.budget, component)

    def progress(self) -> Mapping[str, float]:
        return {program: self._stack.figure(program, "offset.0") for program in self._traps}

    def hold(self, *, held: bool) -> None:
        with suppress(LabError, psutil.Error):  # between two lives there is none
            (freeze if held else thaw)(program_process(self._lab, PRODUCER))

    def behind(self) -> int:
        ends = ends_of(log_ends(self._lab.stack.connection, self._lab.settings.stack.topic))
        return max(0, int(sum(ends.values()) - self._stack.figure(STREAM, "offset.0")))

    def last_words(self) -> str:
        return self._stack.output_tails()


def worker_of(jvm: psutil.Process) -> psutil.Process:
    """Return a Python worker of a JVM's: a child of PySpark's daemon. Raises LabError where it has none at the moment."""
    for daemon in jvm.children():
        for worker in daemon.children():
            return worker
    cause = f"the JVM {jvm.pid} has no Python worker"
    raise LabError(cause)
