"""Ours in rows 1, 2 and 15: ``python -m flows.start_up`` with the Prefect server running, until the first complete ranking."""

from __future__ import annotations

import os
import re
import sys
import time

from benchmarks.children import Child, has_block, wait_until
from benchmarks.contest import Sample, Unmeasurable
from benchmarks.kafka_tools import bench_directory
from benchmarks.stack import NAME, gone_before_and_after, settings
from infra.docker.presence import engine_answers
from infra.host.paths import StackPaths
from infra.java.class_archives import BROKER, SPARK, archive
from infra.lab.runtime_factory import missing_image
from infra.prefect_services.credentials import prefect_environment
from infra.prefect_services.server import ensure_server, stop_server
from trending.settings import RuntimeKind

TIMEOUT = 300.0
_STEP = re.compile(r"^\[ *([0-9.]+) s\] ([^:]+):", re.MULTILINE)


class OurStartUp:
    """The start-up flow, run from a terminal as ``make up`` does."""

    name = "start-up flow"
    runtime = RuntimeKind.EMBEDDED

    def __init__(self) -> None:
        made = all(archive(each).exists() for each in (BROKER, SPARK))
        self.facts = {"class archives": "used" if made else "none (make archives)"}
        self._server_is_ours = False

    def prepare(self) -> None:
        """Have the Prefect server running, and one start behind us, so that bytecode and page cache are as after any start."""
        self._server_is_ours = ensure_server().started
        self.measure()

    def measure(self) -> Sample:
        """Return the seconds from the start of the command to the end of the first block in the job's output."""
        paths = StackPaths.of(NAME)
        with gone_before_and_after():
            stack = settings(self.runtime).stack
            chosen = ["--name", NAME, "--port", str(stack.port), "--runtime", str(self.runtime), "--page_port", "0"]
            command = [sys.executable, "-m", "flows.start_up", *chosen]
            environment = {**os.environ, **prefect_environment(), "PYTHONUNBUFFERED": "1"}
            started = time.monotonic()
            child = Child("start-up", command, bench_directory(), environment)
            try:
                wait_until(lambda: has_block(paths.output_file("stream"), child.require_no_failure), TIMEOUT, "a ranking")
                seconds = time.monotonic() - started
                child.finish(TIMEOUT)
            finally:
                child.end()
            steps = {name: float(took) for took, name in _STEP.findall(child.out.read_text(encoding="utf-8"))}
        return Sample(seconds, {**steps, "outside the steps": seconds - sum(steps.values())})

    def close(self) -> None:
        """Stop the Prefect server if it was started here."""
        if self._server_is_ours:
            stop_server()


class OurStartUpInDocker(OurStartUp):
    """The same flow with its broker in a container: ours in row 15, where the embedded one is the peer."""

    name = "start-up flow in Docker"
    runtime = RuntimeKind.DOCKER

    def __init__(self) -> None:
        super().__init__()
        self.facts = {**self.facts, "class archives": f"{self.facts['class archives']}, the broker's not in the container"}

    def prepare(self) -> None:
        """Have the image at hand besides; raises Unmeasurable without an engine or the image."""
        silence = engine_answers()
        missing = None if silence else missing_image(settings(self.runtime).stack)
        if silence or missing:
            message = silence or f"the image {missing} is not here: make images"
            raise Unmeasurable(message)
        super().prepare()
