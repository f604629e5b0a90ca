"""A real stack under kills: its programs run with traps, and its processes are killed by their ids."""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import cycle
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
from infra.operations.producer import producer_spec, wait_for_producer, wanted_producers
from infra.operations.stream import stream_spec, wait_for_stream
from infra.supervision.budget import reset_deaths
from infra.supervision.programs import declare_program, start_program
from trending.errors import LabError, NotSurvived
from trending.kafka.log_reader import ends_of, log_ends
from trending.producer.places.opened import opened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kills.points import Point
    from real.harness import RealStack

POISON = b"{no tweet"
PROCESS_SECONDS = 60.0
"""How long a process may be away that is to be killed."""


class StackGround:
    """A stack that is up to its topic, whose producers and stream are started here, with traps in ``directory``.

    Of several producers each strike hits the next one.
    """

    def __init__(self, stack: RealStack, directory: Path) -> None:
        self._stack = stack
        self._lab = stack.lab
        self._producers = wanted_producers(self._lab)
        self._turns = cycle(self._producers)
        self._struck = PRODUCER
        self._traps = {program: Trap(directory, program) for program in (*self._producers, STREAM)}
        self._directory = directory
        self._outbox = Producer(self._lab.stack.connection.client({"enable.idempotence": True}))

    def start(self) -> None:
        """Start producers and stream, and wait until all work."""
        lab = self._lab
        opened(lab.paths.ledger).close()  # before there are two that would make the file at once
        specifications = {
            **{name: producer_spec(lab, place).model_dump_json() for place, name in enumerate(self._producers)},
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
        self._struck = next(self._turns)
        for kind, program in ((PRODUCER, self._struck), (STREAM, STREAM)):
            self._traps[program].arm([point.name for point in points if point.program == kind])

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
            return program_process(self._lab, self._struck)
        driver = program_process(self._lab, STREAM)
        if target is Target.DRIVER:
            return driver
        jvm = jvm_of(driver)
        return jvm if target is Target.JVM else worker_of(jvm)

    def poison(self) -> None:
        self._outbox.produce(self._lab.settings.stack.topic, POISON)
        self._outbox.poll(0)

    def forgive(self) -> None:
        for component in (*self._producers, STREAM, self._lab.stack.brokers[0].name):
            reset_deaths(self._lab.paths.budget, component)

    def progress(self) -> Mapping[str, float]:
        return {PRODUCER: self._worked(self._struck), STREAM: self._worked(STREAM)}

    def ahead(self) -> float:
        return sum(map(self._worked, self._producers)) - self._worked(STREAM)

    def _worked(self, program: str) -> float:
        """Return how many records of all partitions a program has worked off, by its last heartbeat."""
        beat = self._stack.beat(program)
        return sum(value for name, value in beat.figures.items() if name.startswith("offset.")) if beat else 0.0

    def hold(self, *, held: bool) -> None:
        for name in self._producers:
            with suppress(LabError, psutil.Error):  # between two lives there is none
                (freeze if held else thaw)(program_process(self._lab, name))

    def behind(self) -> int:
        ends = ends_of(log_ends(self._lab.stack.connection, self._lab.settings.stack.topic))
        return max(0, int(sum(ends.values()) - self._worked(STREAM)))

    def last_words(self) -> str:
        return self._stack.output_tails()


def worker_of(jvm: psutil.Process) -> psutil.Process:
    """Return a Python worker of a JVM's: a child of PySpark's daemon. Raises LabError where it has none at the moment."""
    for daemon in jvm.children():
        for worker in daemon.children():
            return worker
    cause = f"the JVM {jvm.pid} has no Python worker"
    raise LabError(cause)
