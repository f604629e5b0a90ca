"""A producer that runs in a thread of this process, and how it is doing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pydantic import BaseModel

from infra.console.interruptions import finished_despite_signals
from trending.programs.heartbeat import read_heartbeat

if TYPE_CHECKING:
    from collections.abc import Callable

    from trending.programs.specifications import ProducerSpec

    Program = Callable[[ProducerSpec, threading.Event], None]


class Produced(BaseModel):
    """What a producer has done; ``unknown`` tweets had neither been acknowledged nor given up when it ended."""

    run: str = ""
    phase: str = "starting"
    sent: int = 0
    acknowledged: int = 0
    failed: int = 0

    @property
    def unknown(self) -> int:
        """How many were sent and neither acknowledged nor given up."""
        return self.sent - self.acknowledged - self.failed

    @property
    def line(self) -> str:
        """The figures in words."""
        unknown = f", unknown {self.unknown}" if self.unknown else ""
        return f"{self.phase}: sent {self.sent}, acknowledged {self.acknowledged}, failed {self.failed}{unknown}"


class Life:
    """The program at work in a thread of its own.

    Its end is an event, and the thread is joined only then: after a join that a signal interrupts, Python 3.11 takes a running
    thread for ended.
    """

    def __init__(self, program: Program, spec: ProducerSpec) -> None:
        self._program, self._spec = program, spec
        self._stop, self.ended = threading.Event(), threading.Event()
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="producer", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._program(self._spec, self._stop)
        except BaseException as error:  # noqa: BLE001 - it is raised where somebody sees it
            self.failure = error
        finally:
            self.ended.set()

    def end(self) -> None:
        """Have the producer send what it holds, and close its ledger."""
        with finished_despite_signals():
            self._stop.set()
            self.ended.wait()
            self._thread.join()


def figures_of(spec: ProducerSpec) -> Produced:
    """Return what a producer's heartbeat says."""
    beat = read_heartbeat(spec.heartbeat)
    if beat is None:
        return Produced()
    counted = {name: int(beat.figures.get(name, 0)) for name in ("sent", "acknowledged", "failed")}
    return Produced(run=beat.note, phase=beat.phase, **counted)
