"""``python -m pairs.sender ORDER``: a life of the producer on a clock of the test's, by which minutes take seconds.

Program, source, ledger and client are the lab's own. The clock goes on only where the program waits, by a quarter of a second,
which floats have exactly. The records carry it in the place of the broker's append time, so the topic must take the sender's.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from pydantic import BaseModel

from trending.producer import program
from trending.producer.places.opened import opened
from trending.producer.sources.control import ask
from trending.programs.specifications import ProducerSpec
from trending.simulator.live.changes import asked_of

TICK = 0.25
"""Longer than the producer's looks for what is asked of it: so each moment is one, in every life."""
FLUSH_SECONDS = 10.0
APART_SECONDS = 2.0
"""By how much the clocks of producers that share a scenario may differ. One that comes back after its death is behind by that
and its second of reading back; from five on, its records would be shifted."""
LOOK_SECONDS = 0.01


class Order(BaseModel):
    """What a life does: ``begin`` and ``end`` are seconds since the epoch, ``speed`` how many of the clock's pass in a second.

    ``asked`` are moments, with the text of what is asked for then. It dies when it hands over a record whose place in this life
    is ``dies_at``. At ``holds_at`` it waits until its standard input is closed. ``clocks`` has the clock of each producer, a file
    which all see; they wait for each other.
    """

    spec: ProducerSpec
    begin: float
    end: float
    speed: float
    asked: list[tuple[float, str]] = []
    dies_at: int = 0
    holds_at: float = 0.0
    clocks: list[Path] = []


def write_clock(path: Path, wall: float) -> None:
    """Say to the other producers how far this one's clock is."""
    part = path.with_suffix(".part")
    part.write_text(str(wall), encoding="utf-8")
    part.rename(path)


class Clock:
    """Stands in for the module ``time`` in the producer."""

    def __init__(self, order: Order, stop: threading.Event) -> None:
        self._order = order
        self._stop = stop
        self._asked = sorted(order.asked)
        self.wall = math.ceil(order.begin / TICK) * TICK
        self._real, self._paced_from = time.monotonic(), self.wall
        self._own = order.clocks[order.spec.place] if order.clocks else None
        self._others = [each for each in order.clocks if each != self._own]

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.wall - self._order.begin

    def keep_pace(self) -> None:
        """Let real time pass, where it went on faster than ``speed``."""
        time.sleep(max(0.0, self._real + (self.wall - self._paced_from) / self._order.speed - time.monotonic()))

    def pace_from_here(self) -> None:
        self._real, self._paced_from = time.monotonic(), self.wall

    def tick(self) -> None:
        self.wall += TICK
        while self._asked and self._asked[0][0] <= self.wall:
            _moment, text = self._asked.pop(0)
            with closing(opened(self._order.spec.ledger)) as ledger:
                ask(ledger, asked_of(text), self.wall + 5)
        if self.wall == self._order.holds_at:
            sys.stdin.read()
            self.pace_from_here()
        if self.wall >= self._order.end:
            self._stop.set()
        if self._own is not None:
            # One that has come to its end keeps no other one waiting.
            write_clock(self._own, math.inf if self._stop.is_set() else self.wall)
            while not self._stop.is_set() and self._ahead():
                time.sleep(LOOK_SECONDS)
                self.pace_from_here()

    def _ahead(self) -> bool:
        return any(float(each.read_text(encoding="utf-8")) < self.wall - APART_SECONDS for each in self._others)


def client_of(clock: Clock, dies_at: int) -> type[Producer]:
    """Return the class of a client whose records carry the clock's time, and which dies where it is told to."""

    class Client(Producer):
        handed = 0

        def produce(self, *arguments: Any, **named: Any) -> None:
            if not self.handed:
                clock.pace_from_here()
            self.handed += 1
            if self.handed == dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
            super().produce(*arguments, **(named | {"timestamp": round(clock.wall * 1000)}))

        def poll(self, timeout: float = -1) -> int:
            if not self.handed:  # what a dead life has under way needs time that is real
                served = super().poll(timeout)
            elif timeout > 0 and clock.wall % 1 == 0:
                # So no record of a partition is in the log more than a second before one of another that is older.
                self.flush(FLUSH_SECONDS)
                clock.keep_pace()
                served = 0
            else:
                served = super().poll(0)
            if timeout > 0:
                clock.tick()
            return served

    return Client


def main(path: Path) -> None:
    order = Order.model_validate_json(path.read_bytes())
    stop = threading.Event()
    clock = Clock(order, stop)
    program.time = clock  # type: ignore[assignment,attr-defined]
    program.REPORT_SECONDS *= order.speed  # in real time as often as always
    program.Producer = client_of(clock, order.dies_at)  # type: ignore[attr-defined]
    program.main(order.spec, stop)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
