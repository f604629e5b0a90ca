"""Rows 6, 7, 13 and 18: the streaming job over a topic, its limits and the tutorial's job, in one warm Spark driver."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING
from uuid import uuid4

import psutil

from benchmarks.clusters.own_cluster import cpu_seconds
from benchmarks.contest import Sample
from benchmarks.memory import Peak, family
from benchmarks.throughput.broker import PARTITIONS
from infra.host.paths import CHECKOUT
from infra.host.processes import end_processes
from infra.java.class_archives import spark_environment
from infra.java.installation import find_java
from infra.java.jars import ensure_jars
from infra.spark_cluster.package import ensure_package
from trending.kafka.log_reader import topic_id
from trending.programs.specifications import StreamSpec
from trending.settings import dead_letter_topic

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.clusters.own_cluster import OwnCluster
    from benchmarks.throughput.broker import Broker

TIMEOUT = 600.0
MICRO = 1e6
MOST_WARM_UPS = 5
STILL_FASTER = 0.9
MEMORY = "memory, MiB"
ANSWER = "answer "


class Driver:
    """The Spark driver of ``spark_driver``: started at the first work, again after it died, and ended by ``close``.

    Its tasks run in it, or in the executors of a cluster.
    """

    def __init__(self, broker: Broker, cluster: OwnCluster | None = None) -> None:
        self.broker = broker
        self._cluster = cluster
        self._name = f"spark-driver-{cluster.workers}" if cluster else "spark-driver"
        self._process: subprocess.Popen[str] | None = None

    def work(self, name: str, topic: str, *, memory: bool) -> Sample:
        """Do a piece of work on a topic and return its seconds; RuntimeError where it fails.

        With ``memory`` its largest memory is a part: to look at that costs the driver time.
        """
        process = self._running(topic)
        assert process.stdin is not None  # noqa: S101 - it was opened with a pipe
        asked = json.dumps({"work": name, "spec": str(self._specification(topic))})
        with Peak(process.pid) if memory else nullcontext() as peak:
            process.stdin.write(f"{asked}\n")
            process.stdin.flush()
            seconds = self._answer(process, name)
        return Sample(seconds, {MEMORY: peak.mb} if peak else {})

    def cpu_seconds(self) -> float:
        """Return what the driver with its JVM has taken of the processor; none where none runs."""
        return cpu_seconds(family(self._process.pid)) if self._process is not None else 0.0

    def close(self) -> None:
        """End the driver with its JVM and its workers."""
        if self._process is not None and self._process.poll() is None:
            root = psutil.Process(self._process.pid)
            end_processes([root, *root.children(recursive=True)], 10.0)
            self._process.wait(10)
        self._process = None

    def _running(self, topic: str) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            command = [sys.executable, "-m", "benchmarks.throughput.spark_driver", str(self._specification(topic))]
            environment = {**os.environ, "JAVA_HOME": str(find_java().home), **spark_environment()}
            with self._complaints.open("w") as complaints:
                self._process = subprocess.Popen(
                    command,
                    cwd=CHECKOUT,
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=complaints,
                    text=True,
                )
        return self._process

    def _answer(self, process: subprocess.Popen[str], name: str) -> float:
        assert process.stdout is not None  # noqa: S101 - it was opened with a pipe
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            ready, _write, _error = select.select([process.stdout], [], [], 1.0)
            line = process.stdout.readline() if ready else ""
            if line.startswith(ANSWER):
                return float(json.loads(line.removeprefix(ANSWER))["seconds"])
            if ready and not line:
                break
        self.close()
        message = f"the driver did not answer to {name}: {self._complaints.read_text(encoding='utf-8')[-600:]}"
        raise RuntimeError(message)

    @property
    def _complaints(self) -> Path:
        return self.broker.lab.paths.run / f"{self._name}.err"

    def _specification(self, topic: str) -> Path:
        lab = self.broker.lab
        key = f"bench{uuid4().hex[:6]}"
        settings = lab.settings.stream
        if self._cluster is not None:
            cluster = {"spark_master": self._cluster.master, "spark_properties": str(self._cluster.properties)}
            settings = settings.model_copy(update=cluster)
        spec = StreamSpec(
            bootstrap=lab.stack.connection.bootstrap,
            topic=topic,
            heartbeat=lab.paths.run / f"{self._name}.json",
            settings=settings,
            store=lab.paths.run / key / "store.sqlite",
            checkpoint=lab.paths.run / key,
            checkpoint_id=key,
            topic_id=topic_id(lab.stack.connection, topic) or "",
            start_offsets=dict.fromkeys(self.broker.ends(topic), 0),
            jars=ensure_jars("spark"),
            package=ensure_package() if settings.on_cluster else None,
            dead_letters=dead_letter_topic(topic),
            group="bench",
        )
        path = lab.paths.run / f"{self._name}-{topic}.spec.json"
        path.write_text(spec.model_dump_json(), encoding="utf-8")
        return path


def warm_up(work: Callable[[], float]) -> list[float]:
    """Repeat a piece of work until it hardly gets faster, a few times at most; returns the seconds of each time.

    The lab's driver lets the optimising compiler wait for millions of records (docs/decisions/0118-the-driver-at-rest.md).
    """
    seconds = [work()]
    while len(seconds) < MOST_WARM_UPS:
        seconds.append(work())
        if seconds[-1] > STILL_FASTER * seconds[-2]:
            break
    return seconds


class Work:
    """A participant: one piece of work on a topic, in tweets a second, or in microseconds a tweet with its memory."""

    def __init__(
        self,
        driver: Driver,
        name: str,
        work: str,
        tweets: int,
        *,
        partitions: int = PARTITIONS,
        hashtags: int = 0,
        per_tweet: bool = False,
        facts: dict[str, str] | None = None,
    ) -> None:
        self.name = name
        self.facts = facts or {}
        self._driver = driver
        self._work = work
        self._size = (tweets, partitions, hashtags)
        self._per_tweet = per_tweet
        self._topic = ""

    def prepare(self) -> None:
        """Have the topic filled, and the driver's code for this work compiled."""
        self._topic = self._driver.broker.topic(*self._size)
        warm_up(lambda: self._driver.work(self._work, self._topic, memory=False).value)

    def measure(self) -> Sample:
        """Do the work once."""
        done = self._driver.work(self._work, self._topic, memory=self._per_tweet)
        tweets = self._driver.broker.records(self._topic)
        value = MICRO * done.value / tweets if self._per_tweet else tweets / done.value
        return Sample(value, {"records": tweets, "seconds": done.value, **done.parts})

    def close(self) -> None:
        """End the driver and the broker, unless another one has."""
        self._driver.close()
        self._driver.broker.close()
