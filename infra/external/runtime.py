"""A stack on a cluster that is there already: it has no services, so there is nothing of it to start, stop or keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.external.examination import connection_of, principal_of
from infra.external.sabotage import NoSabotage
from infra.kafka.client import BrokerClient
from infra.stack.runtime import SUPERVISOR, KeptData, Observation, Outcome, ServiceState
from trending.access.kept import kept_access
from trending.errors import NotOurs
from trending.settings import RuntimeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.host.paths import StackPaths
    from infra.stack.declaration import Service, Stack
    from trending.access.settings import AccessSettings
    from trending.kafka.connection import KafkaConnection

ASK_SECONDS = 10.0


class ExternalRuntime:
    """Leaves the cluster as it is, save for the topics that this stack has made there.

    ``made`` is topic → id of those; a topic that has another id by now is somebody else's.
    """

    def __init__(self, stack: Stack, paths: StackPaths, access: AccessSettings, made: Mapping[str, str]) -> None:
        self._stack = stack
        self._paths = paths
        self._access = access
        self._made = made

    @property
    def kind(self) -> RuntimeKind:
        """External."""
        return RuntimeKind.EXTERNAL

    @property
    def foundation(self) -> str:
        """The stack's supervisord, which keeps its programs."""
        return SUPERVISOR

    @property
    def sabotage(self) -> NoSabotage:
        """None: the brokers are not ours to break."""
        return NoSabotage()

    def checks(self) -> dict[str, Callable[[], str]]:
        """Return none: a take-down needs no cluster."""
        return {}

    def require_no_namesake(self) -> None:
        """Require nothing: the stack has no services that could have names."""

    def prepare(self) -> None:
        """Fetch nothing: the brokers are there."""

    def start(self, service: Service) -> Outcome:
        """Raise NotOurs."""
        raise _not_ours(service.name)

    def stop(self, service: Service) -> None:
        """Raise NotOurs."""
        raise _not_ours(service.name)

    def remove(self, service: Service) -> None:
        """Raise NotOurs."""
        raise _not_ours(service.name)

    def observe(self, service: Service) -> Observation:
        """Return that there is none."""
        return Observation(service.name, ServiceState.ABSENT)

    def output(self, _service: Service, _lines: int) -> str:
        """Return nothing: the brokers' output is elsewhere."""
        return ""

    def image(self, _service: Service) -> str:
        """Return none."""
        return ""

    def kafka_version(self) -> str:
        """Return none: Kafka's protocol does not tell it."""
        return ""

    def data_place(self, _service: Service) -> str:
        """Return where the data lies."""
        return f"the cluster at {self._stack.connection.bootstrap}"

    def kept_data(self) -> KeptData:
        """Return none: what this machine keeps of the stack says nothing about a broker."""
        return KeptData((), "")

    def destroy(self, *, volumes: bool) -> None:
        """With ``volumes``, delete the topics that this stack has made.

        Raises AccessRefused where we may not, NotReady where the cluster can't be asked; the stack's own data is there then.
        """
        if not (volumes and self._made):
            return
        client = BrokerClient(self._connection())
        for name, topic_id in self._made.items():
            there = client.topic(name, ASK_SECONDS)
            if there is not None and there.topic_id == topic_id:
                client.delete_topic(name, principal_of(self._access))

    def _connection(self) -> KafkaConnection:
        """Return how to get in, from the settings once more if the stack is down already."""
        kept = kept_access(self._paths.access)
        return connection_of(self._access) if kept is None else self._stack.connection


def _not_ours(service: str) -> NotOurs:
    cause = f"{service} belongs to a cluster that is not this stack's own"
    return NotOurs(cause, "runtime external", "make status")
