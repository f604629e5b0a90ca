"""A runtime without machine: implements infra.stack.runtime.Runtime on the world's state."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fakes.supervisor import FakeSupervisor

from infra.docker.compose_stack import require_no_compose_stack
from infra.embedded.runtime import kept_directories
from infra.embedded.sabotage import ProcessSabotage
from infra.kafka.cluster_id import META, require_one_cluster
from infra.stack.runtime import SUPERVISOR, KeptData, Observation, Outcome, ServiceState
from trending.settings import RuntimeKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes.world import World

    from infra.host.paths import StackPaths
    from infra.stack.declaration import Service, Stack


class FakeRuntime:
    """Services are entries of ``world.services``: name → the declaration's hash."""

    def __init__(self, world: World, stack: Stack, paths: StackPaths, kind: RuntimeKind = RuntimeKind.EMBEDDED) -> None:
        self._world = world
        self._kind = kind
        self._stack = stack
        self._paths = paths

    @property
    def kind(self) -> RuntimeKind:
        return self._kind

    @property
    def foundation(self) -> str:
        return next(iter(self._world.checks), SUPERVISOR)

    @property
    def sabotage(self) -> ProcessSabotage:
        return ProcessSabotage(FakeSupervisor(self._world, self._paths))  # type: ignore[arg-type]

    def checks(self) -> dict[str, Callable[[], str]]:
        return dict(self._world.checks)

    def require_no_namesake(self) -> None:
        if self._kind is RuntimeKind.DOCKER:
            require_no_compose_stack(self._stack.name)

    def image(self, _service: Service) -> str:
        return ""

    def kafka_version(self) -> str:
        return self._world.kafka_version

    def prepare(self) -> None:
        self._world.do("prepare")

    def start(self, service: Service) -> Outcome:
        self._world.do(f"start {service.name}")
        known = self._world.services.get(service.name)
        if known == service.config_hash:
            return Outcome.ADOPTED
        stopped = self._world.stopped.pop(service.name, None)
        if self._kind is RuntimeKind.DOCKER:
            self._world.volumes.setdefault(f"{self._stack.name}_{service.name}-data", self._stack.cluster_id)
        else:
            directory = self._paths.broker(service.name)
            directory.mkdir(parents=True, exist_ok=True)
            (directory / META).write_text(f"cluster.id={self._stack.cluster_id}\n", encoding="utf-8")
        self._world.cluster_id = self._stack.cluster_id
        self._world.services[service.name] = service.config_hash
        self._world.started[service.name] = time.time()
        self._world.changed(f"start {service.name}")
        if stopped == service.config_hash:
            return Outcome.STARTED
        return Outcome.RECREATED if known or stopped else Outcome.CREATED

    def stop(self, service: Service) -> None:
        self._world.do(f"stop {service.name}")
        if known := self._world.services.get(service.name):
            self._world.stopped[service.name] = known
        self._end(service)

    def remove(self, service: Service) -> None:
        self._world.do(f"remove {service.name}")
        self._world.stopped.pop(service.name, None)
        self._end(service)

    def _end(self, service: Service) -> None:
        self._world.frozen.discard(service.name)
        if self._world.services.pop(service.name, None) is not None:
            self._world.changed(f"end {service.name}")

    def observe(self, service: Service) -> Observation:
        known = self._world.services.get(service.name)
        if known is None:
            state = ServiceState.STOPPED if service.name in self._world.stopped else ServiceState.ABSENT
            return Observation(service.name, state)
        drifted = known != service.config_hash
        started_at = self._world.started.get(service.name)
        return Observation(service.name, ServiceState.RUNNING, "pid 4711", drifted=drifted, started_at=started_at)

    def output(self, service: Service, lines: int) -> str:
        return "\n".join(f"{service.name} says {number}" for number in range(lines))

    def data_place(self, service: Service) -> str:
        return f"the data of {service.name}"

    def kept_data(self) -> KeptData:
        """As the real ones do: volumes of the world, or directories of the home."""
        if self._kind is not RuntimeKind.DOCKER:
            return kept_directories(self._stack, self._paths)
        return KeptData(tuple(self._world.volumes), require_one_cluster(self._world.volumes, self._stack.name))

    def destroy(self, *, volumes: bool) -> None:
        self._world.do("destroy")
        self._world.stopped.clear()
        if volumes:
            self._world.topics.clear()
            if self._kind is RuntimeKind.DOCKER:
                self._world.volumes.clear()
