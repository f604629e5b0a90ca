"""A connection to Kafka as one value: every client of the lab, librdkafka's and Spark's, is configured from it."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - dataclass fields are read at run time
from dataclasses import dataclass, field
from typing import Any

from trending.access.java_client import java_settings

ISOLATION_LEVEL = {"isolation.level": "read_committed"}
"""One level for every reader: stream, audit, views and tools see the same records, and none of an aborted transaction."""

HERE = frozenset({"localhost", "127.0.0.1"})
TO_BROKERS_HERE = {"broker.address.family": "v4", "metadata.recovery.strategy": "none"}
"""Brokers of this machine listen on 127.0.0.1, while Debian's /etc/hosts gives localhost the address ::1 too. librdkafka dials
that first, takes the refusal for the loss of all brokers and begins anew, and a third of the requests ended with _DESTROY_BROKER
(docs/decisions/0169)."""


@dataclass(frozen=True)
class KafkaConnection:
    """Where a cluster is, and what every client must be told to get in.

    ``bootstrap`` is a ``host:port`` list; ``settings`` are librdkafka's own names and values, such as ``security.protocol``. They
    are never shown, since one of them may be a password.
    """

    bootstrap: str
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def _here(self) -> bool:
        return {address.rpartition(":")[0] for address in self.bootstrap.split(",")} <= HERE

    def client(self, own: Mapping[str, object] | None = None, *, silent: bool = True) -> dict[str, Any]:
        """Return the configuration of a librdkafka client with ``own`` settings besides.

        A silent one logs nothing, for where everything that goes wrong is raised; any other logs as librdkafka does by itself.
        """
        quiet = {"log_level": 0} if silent else {}
        local = TO_BROKERS_HERE if self._here else {}
        return {**local, **self.for_others(), **quiet, **(own or {})}

    def for_others(self) -> dict[str, str]:
        """Return what any librdkafka client must be told to get in, of another program and another version too."""
        return {"bootstrap.servers": self.bootstrap, **self.settings}

    def consumer(self, own: Mapping[str, object] | None = None, *, silent: bool = True) -> dict[str, Any]:
        """Return the configuration of a consumer, which commits nothing and reads committed records only."""
        return self.client({"enable.auto.commit": False, **(own or {}), **ISOLATION_LEVEL}, silent=silent)

    def java(self) -> dict[str, str]:
        """Return the configuration of a Java client."""
        return {"bootstrap.servers": self.bootstrap, **java_settings(self.settings)}

    def spark_options(self) -> dict[str, str]:
        """Return the options of Spark's Kafka source, which takes the Java client's settings with ``kafka.`` before them."""
        return {f"kafka.{name}": value for name, value in {**self.java(), **ISOLATION_LEVEL}.items()}
