"""What a game day does to a container. Only one that carries the stack's mark is ever touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
from docker.errors import NotFound

from infra.docker.engine import engine
from infra.docker.labels import STACK_LABEL
from infra.stack.runtime import unseen_process
from trending.errors import LabError, NotOurs
from trending.settings import RuntimeKind

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

    from infra.stack.declaration import Service, Stack


class ContainerSabotage:
    """Has the methods of infra.stack.runtime.Sabotage."""

    keeper = "Docker"
    contained = True

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def process(self, service: Service) -> psutil.Process:
        """Return the Java below the container's init, where the container is on this machine."""
        with engine() as client:
            pid = int(self._container(client, service).attrs["State"]["Pid"])
        try:
            init = psutil.Process(pid)
            family = [init, *init.children(recursive=True)]
        except psutil.NoSuchProcess:
            family = []
        for process in reversed(family):
            if process.name() == "java":
                return process
        raise unseen_process(service, RuntimeKind.DOCKER)

    def pause(self, service: Service) -> None:
        """Pause the container."""
        with engine() as client:
            self._container(client, service).pause()

    def resume(self, service: Service) -> None:
        """Let the container go on; fine where it is not paused any more."""
        with engine() as client:
            container = self._container(client, service)
            if container.status == "paused":
                container.unpause()

    def kill(self, service: Service) -> None:
        """Kill the container as a person does, which Docker does not undo by itself."""
        with engine() as client:
            self._container(client, service).kill("SIGKILL")

    def _container(self, client: DockerClient, service: Service) -> Container:
        """Return the service's container; raises LabError where there is none, NotOurs for anybody else's of that name."""
        name = self._stack.qualified(service.name)
        try:
            container = client.containers.get(name)
        except NotFound as error:
            cause = f"there is no container {name}"
            raise LabError(cause, str(error.explanation or error), "make status") from error
        if container.labels.get(STACK_LABEL) != self._stack.stack_id:
            cause = f"the container {name} is not of {self._stack.name}: it is left alone"
            raise NotOurs(cause, container.short_id, "make status")
        return container
