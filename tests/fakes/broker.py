"""A broker client without broker: answers while a service of the world runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.kafka.client import ClusterView, TopicView
from trending.errors import ConfigurationConflict, NotReady

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fakes.world import World

    from trending.kafka.connection import KafkaConnection


class FakeBroker:
    """Has the methods of infra.kafka.client.BrokerClient; topics are entries of the world."""

    def __init__(self, world: World, connection: KafkaConnection) -> None:
        self._world = world
        self._bootstrap = connection.bootstrap

    def _require(self) -> None:
        if not (self._world.services or self._world.external) or "kafka" in self._world.frozen:
            cause = f"no broker answers at {self._bootstrap}"
            raise NotReady(cause, "_TRANSPORT: Local: Broker transport failure", "make status")

    def cluster(self, _timeout: float) -> ClusterView:
        self._require()
        return ClusterView(self._world.cluster_id, 1, tuple(self._bootstrap.split(",")))

    def topic(self, name: str, _timeout: float) -> TopicView | None:
        self._require()
        return self._world.topics.get(name)

    def create_topic(self, name: str, partitions: int, replication: int, settings: Mapping[str, str]) -> bool:
        self._world.do(f"create {name}")
        self._require()
        if name in self._world.topics:
            return False
        self._world.topics[name] = TopicView(name, f"id-of-{name}", partitions, replication, ())
        self._world.topic_settings[name] = dict(settings)
        self._world.changed(f"create {name}")
        return True

    def require_topic(self, name: str, partitions: int, _replication: int, _settings: Mapping[str, str]) -> TopicView:
        self._world.do(f"check {name}")
        view = self._world.topics[name]
        if view.partitions != partitions:
            cause = f"the topic {name} exists with other settings"
            raise ConfigurationConflict(cause, f"partitions is {view.partitions}, asked for {partitions}")
        return view

    def set_topic(self, name: str, settings: Mapping[str, str]) -> dict[str, str]:
        self._require()
        existing = self._world.topic_settings.setdefault(name, {})
        before = {key: existing.get(key, "the broker's") for key, value in settings.items() if existing.get(key) != value}
        existing.update(settings)
        return before

    def round_trip(self, _timeout: float, _topic: str) -> None:
        self._world.do("round trip")
        self._require()
