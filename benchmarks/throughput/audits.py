"""Row 17: the audit command over a log that the job has counted, from process start to its end, against Spark reading it."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.children import Child, wait_until
from benchmarks.contest import Sample
from benchmarks.memory import Peak
from benchmarks.running.own_server import OwnServer
from benchmarks.throughput.counting import MEMORY
from infra.java.class_archives import spark_environment
from infra.java.installation import find_java
from infra.operations.epochs import counting_epoch, known_topic_id
from infra.operations.stream import stream_spec
from infra.prefect_services.credentials import prefect_environment
from trending.programs.heartbeat import read_heartbeat

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.throughput.broker import Broker
    from infra.lab.assembly import Lab

TIMEOUT = 900.0


class CountedLog:
    """A stack whose log the streaming job has counted to its end; shared by the audit and what it is compared with."""

    def __init__(self, broker: Broker, tweets: int) -> None:
        self.broker = broker
        self.tweets = tweets
        self._lab: Lab | None = None

    def lab(self) -> Lab:
        """Return the stack; it is filled and counted at the first call."""
        if self._lab is None:
            self._lab = self._count(self.broker.stack(self.tweets))
        return self._lab

    def records(self) -> int:
        """Return how many records the log holds."""
        return self.broker.records(self.lab().settings.stack.topic)

    def specification(self) -> Path:
        """Return the file of the job's specification."""
        return self.lab().paths.specification("stream")

    def _count(self, lab: Lab) -> Lab:
        ends = self.broker.ends(lab.settings.stack.topic)
        spec = stream_spec(lab, counting_epoch(lab, known_topic_id(lab)))
        lab.paths.specification("stream").write_text(spec.model_dump_json(), encoding="utf-8")
        environment = {"JAVA_HOME": str(find_java().home), **spark_environment()}
        command = [sys.executable, "-m", "trending.stream", str(lab.paths.specification("stream"))]
        child = Child("stream", command, lab.paths.run, environment)

        def counted() -> bool:
            child.require_alive()
            beat = read_heartbeat(spec.heartbeat)
            return beat is not None and all(beat.figures.get(f"offset.{part}", 0) >= end for part, end in ends.items())

        try:
            wait_until(counted, TIMEOUT, "the job has counted the log")
        finally:
            child.end()
        return lab


class Audit:
    """``make audit AUDIT=full``: ours, in tweets a second; its largest memory is a part."""

    def __init__(self, log: CountedLog) -> None:
        self.name = f"audit of {log.tweets:,} tweets"
        self.facts = {
            "command": "python -m flows.audit --audit full, with the Prefect server running",
            "memory": "PSS of its processes",
        }
        self._log = log
        self._server = OwnServer()

    def prepare(self) -> None:
        """Have the log counted and the Prefect server running."""
        self._server.start()
        self._log.lab()
        self.measure()

    def measure(self) -> Sample:
        """Return audited tweets a second; an audit that is not clean fails."""
        lab = self._log.lab()
        command = [sys.executable, "-m", "flows.audit", "--name", lab.paths.name, "--audit", "full"]
        began = time.monotonic()
        child = Child("audit", command, lab.paths.run, {**prefect_environment(), **_passed()})
        with Peak(child.pid) as peak:
            try:
                child.finish(TIMEOUT)
            finally:
                child.end()
        seconds = time.monotonic() - began
        return Sample(self._log.records() / seconds, {"seconds": seconds, MEMORY: peak.mb})

    def close(self) -> None:
        """End the server if it was started here, and the broker unless another one has."""
        self._server.stop()
        self._log.broker.close()


class NoopFromStart:
    """The peer: a Spark process that starts, reads the same log into ``noop`` and ends."""

    def __init__(self, log: CountedLog) -> None:
        self.name = f"Spark reads {log.tweets:,} tweets into noop, from process start"
        self.facts = {"session": "the streaming job's, class archive included"}
        self._log = log

    def prepare(self) -> None:
        """Have the log counted."""
        self._log.lab()
        self.measure()

    def measure(self) -> Sample:
        """Return tweets a second."""
        lab = self._log.lab()
        command = [sys.executable, "-m", "benchmarks.throughput.noop_read", str(self._log.specification())]
        environment = {"JAVA_HOME": str(find_java().home), **spark_environment()}
        began = time.monotonic()
        child = Child("noop", command, lab.paths.run, environment)
        try:
            child.finish(TIMEOUT)
        finally:
            child.end()
        seconds = time.monotonic() - began
        return Sample(self._log.records() / seconds, {"seconds": seconds})

    def close(self) -> None:
        """End the broker, unless another one has."""
        self._log.broker.close()


def _passed() -> dict[str, str]:
    """Return what a command of the lab finds its home by."""
    return {name: os.environ[name] for name in ("TRENDING_HOME",) if name in os.environ}
