"""A standalone Spark cluster of the benchmark's own, as ``make spark-cluster`` makes it: two workers of one core each.

It has a home of its own, so that neither its start nor its end touches the cluster of the lab's home.
"""

from __future__ import annotations

import json
import os
import shutil
import urllib.request
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psutil

from benchmarks.memory import family
from infra.host.paths import lab_home
from infra.spark_cluster.standalone import WORKERS, cluster_supervisor, properties, start_cluster, stop_cluster
from trending.private_file import write_private

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

HOME = "TRENDING_HOME"
PAGE_SECONDS = 2.0


class OwnCluster:
    """The cluster on which a job gets an executor on each of so many workers; ``close`` ends it and deletes its home."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.master = ""
        self._home: Path | None = None

    def start(self) -> None:
        """Have master and workers running, and the properties of a job there written."""
        if self._home is not None:
            return
        self._home = lab_home() / "bench" / f"spark-cluster-{self.workers}"
        with self._at_home():
            self.master = start_cluster()
            secret = properties().read_text(encoding="ascii")
            write_private(self.properties, f"{secret}spark.cores.max {self.workers}\n")

    @property
    def properties(self) -> Path:
        """The file of Spark's properties for a job on it."""
        assert self._home is not None  # noqa: S101 - it was started
        return self._home / "job.properties"

    def require_executors(self) -> None:
        """Raise RuntimeError unless a job has exactly the cores that it is to have, one on each worker."""
        with self._at_home():
            page = (properties().parent / "master").read_text(encoding="ascii").split()[1]
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{page}/json/", timeout=PAGE_SECONDS) as reply:
            used = sorted(int(worker["coresused"]) for worker in json.load(reply)["workers"])
        if used != sorted([1] * self.workers + [0] * (len(WORKERS) - self.workers)):
            message = f"the job is to have {self.workers} executors of one core; cores used on the workers: {used}"
            raise RuntimeError(message)

    def cpu_seconds(self) -> float:
        """Return what the workers and everything below them, executors and their Python, have taken of the processor."""
        with self._at_home():
            supervisor = cluster_supervisor()
            pids = [status.pid for name in WORKERS if (status := supervisor.status(name)) is not None]
        return cpu_seconds(process for pid in pids for process in family(pid))

    def close(self) -> None:
        """End master, workers and executors, unless that was done."""
        if self._home is None:
            return
        with self._at_home():
            stop_cluster()
        shutil.rmtree(self._home)
        self._home = None

    @contextmanager
    def _at_home(self) -> Iterator[None]:
        """Give what asks for the lab's home this cluster's."""
        before = os.environ.get(HOME)
        os.environ[HOME] = str(self._home)
        try:
            yield
        finally:
            del os.environ[HOME]
            if before is not None:
                os.environ[HOME] = before


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """Return the CPU seconds of processes and of the children that they have outlived and waited for.

    So a child that ends between two looks takes nothing away: what it had is its parent's then.
    """
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total
