"""What a game day does to a broker that runs as a process under the stack's supervisord."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

from infra.host.processes import freeze, thaw
from infra.stack.runtime import unseen_process
from trending.settings import RuntimeKind

if TYPE_CHECKING:
    from infra.stack.declaration import Service
    from infra.supervision.supervisor import Supervisor


class ProcessSabotage:
    """Has the methods of infra.stack.runtime.Sabotage."""

    keeper = "supervisord"
    contained = False

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def process(self, service: Service) -> psutil.Process:
        """Return the process that supervisord runs the broker as."""
        status = self._supervisor.status(service.name)
        if status is None or not status.alive:
            raise unseen_process(service, RuntimeKind.EMBEDDED)
        return psutil.Process(status.pid)

    def pause(self, service: Service) -> None:
        """Stop the process without ending it."""
        freeze(self.process(service))

    def resume(self, service: Service) -> None:
        """Let the process go on."""
        thaw(self.process(service))

    def kill(self, service: Service) -> None:
        """Kill the process, which supervisord starts again."""
        self.process(service).kill()
