"""A supervisor without processes: programs are entries of the world, and beat as soon as they are launched."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from infra.supervision.supervisor import ProgramStatus
from trending.errors import SupervisorUnreachable
from trending.programs.heartbeat import write_heartbeat

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.world import World

    from infra.host.paths import StackPaths
    from infra.stack.declaration import Program

FIGURES = {"acknowledged": 7.0, "batches": 2.0, "offset.0": 7.0, "last_ack_at": 1.0}


class FakeSupervisor:
    """Has the methods of infra.supervision.supervisor.Supervisor.

    A program's pid is this process's, which its heartbeat names.
    """

    def __init__(self, world: World, paths: StackPaths) -> None:
        self._world = world
        self._paths = paths

    @property
    def output(self) -> Path:
        return self._paths.output

    def running(self) -> bool:
        return self._world.supervised and not self._world.unreachable

    def unreachable(self) -> str:
        return self._world.unreachable

    def lives(self) -> bool:
        return self._world.supervised

    def require_reachable(self) -> bool:
        if self._world.unreachable:
            raise SupervisorUnreachable("supervisord can't be asked", self._world.unreachable, "make down NAME=lab ends it")
        return self._world.supervised

    def start(self) -> bool:
        self._world.do("start supervisor")
        self.require_reachable()
        if self._world.supervised:
            return False
        self.output.mkdir(parents=True, exist_ok=True)
        self._world.supervised = True
        self._world.changed("start supervisor")
        return True

    def launch(self, program: Program) -> None:
        self._world.do(f"launch {program.name}")
        self._world.ended.pop(program.name, None)
        self._world.frozen.discard(program.name)
        self._world.programs[program.name] = program
        write_heartbeat(self._paths.heartbeat(program.name), "working", FIGURES)
        self._paths.output_file(program.name).write_text(f"{program.name} works\n", encoding="utf-8")
        self._world.changed(f"launch {program.name}")

    def stop(self, name: str) -> None:
        self._world.do(f"stop {name}")
        self._end(name)

    def ask_to_stop(self, name: str) -> None:
        self._world.do(f"ask {name} to stop")

    def remove(self, name: str) -> None:
        self._world.do(f"remove {name}")
        self._end(name)

    def _end(self, name: str) -> None:
        if self._world.programs.pop(name, None) is not None:
            self._world.changed(f"end {name}")

    def status(self, name: str) -> ProgramStatus | None:
        if name not in self._world.programs or not self._world.supervised:
            return None
        if name in self._world.ended:
            return self._world.ended[name]
        self._world.do(f"watch {name}")
        return ProgramStatus(name, "RUNNING", os.getpid(), 0, "", time.time())

    def shutdown(self) -> None:
        self._world.do("shut down supervisor")
        self._world.unreachable = ""
        for name in list(self._world.programs):
            self._end(name)
        if self._world.supervised:
            self._world.supervised = False
            self._world.changed("end supervisor")
