"""Row 18: the job on two workers of a standalone Spark cluster and on one, by the same log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.contest import Sample
from benchmarks.throughput.counting import MICRO, Driver, Work

if TYPE_CHECKING:
    from benchmarks.clusters.own_cluster import OwnCluster
    from benchmarks.throughput.broker import Broker

EXECUTORS_CPU = "CPU of the executors, µs a tweet"
WAKING = 10_000
"""Tweets that are worked on before each measurement. An executor ends Python workers that were idle for a minute, as they are
while the others have their turns. Without it a round on two workers took 6.6 µs of CPU a tweet after a pause, and 3.6 in the
next one."""
DRIVER_CPU = "CPU of the driver, µs a tweet"


class ClusterWork(Work):
    """A participant: a piece of work whose tasks run in a cluster's executors, in tweets a second and CPU time a tweet."""

    def __init__(self, driver: Driver, cluster: OwnCluster, name: str, work: str, tweets: int) -> None:
        super().__init__(driver, name, work, tweets, facts={"executors": f"{cluster.workers}, of one core each"})
        self._cluster = cluster
        self._few = ""

    def prepare(self) -> None:
        """Have the cluster running, the topic filled, and driver and executors warm."""
        self._cluster.start()
        super().prepare()
        self._few = self._driver.broker.topic(WAKING)
        self._cluster.require_executors()

    def measure(self) -> Sample:
        """Do the work once, with Python running in every executor, and look at what it has taken of the processor."""
        self._driver.work(self._work, self._few, memory=False)
        executors, driver = self._cluster.cpu_seconds(), self._driver.cpu_seconds()
        sample = super().measure()
        micro = MICRO / sample.parts["records"]
        taken = {
            EXECUTORS_CPU: micro * (self._cluster.cpu_seconds() - executors),
            DRIVER_CPU: micro * (self._driver.cpu_seconds() - driver),
        }
        return Sample(sample.value, {**sample.parts, **taken})

    def close(self) -> None:
        """End driver and broker, then the cluster."""
        try:
            super().close()
        finally:
            self._cluster.close()


def on_workers(broker: Broker, cluster: OwnCluster, tweets: int) -> tuple[ClusterWork, ClusterWork]:
    """Return the decode-bound batch and the streaming job on a cluster; one driver does both."""
    driver = Driver(broker, cluster)
    where = f"{cluster.workers} worker{'s' if cluster.workers > 1 else ''}"
    return (
        ClusterWork(driver, cluster, f"decoded on {where}", "decoded", tweets),
        ClusterWork(driver, cluster, f"streaming job on {where}", "ranking", tweets),
    )
