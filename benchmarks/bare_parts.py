"""The peer of row 2: the same parts with the same commands, run one after the other by a script; no Prefect, no supervision.

Each part ends when it answers: the broker took a record and gave it back, the topic has its leader, the producer's first
tweet is acknowledged, the job has printed a ranking. The sum of the parts is what start-up can't go below.
"""

from __future__ import annotations

import subprocess
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from benchmarks.children import Child, has_block, wait_until
from benchmarks.contest import Sample
from benchmarks.stack import declared
from infra.embedded.runtime import broker_command, format_command
from infra.java.class_archives import BROKER, archive_options
from infra.kafka.client import BrokerClient
from infra.kafka.properties import render_properties
from infra.operations.epochs import counting_epoch, known_topic_id, resolve_offsets
from infra.operations.producer import producer_spec
from infra.operations.stream import stream_spec
from infra.operations.topic import TOPIC_SETTINGS
from infra.supervision.programs import declare_program
from trending.errors import LabError
from trending.programs.heartbeat import read_heartbeat
from trending.serving.store import Store  # noqa: F401 - imported here, so that no part is charged with it

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.lab.assembly import Lab
    from trending.programs.specifications import ProgramSpec

TIMEOUT = 300.0


class BareParts:
    """Broker, topic, producer, streaming job: started by hand, timed one by one."""

    name = "bare parts"

    def __init__(self) -> None:
        self.facts = {"commands": "those of start-up, class archives included", "order": "strict"}

    def prepare(self) -> None:
        """Nothing: whatever start-up needs is here."""

    def measure(self) -> Sample:
        """Return the sum of the parts' seconds."""
        parts: dict[str, float] = {}
        with declared() as lab, ExitStack() as running:
            with _timed(parts, "broker"):
                client = start_broker(lab, running)
            with _timed(parts, "topic"):
                client.create_topic(lab.settings.stack.topic, 1, 1, TOPIC_SETTINGS)
                resolve_offsets(lab.paths.name)
            with _timed(parts, "producer"):
                producer = producer_spec(lab)
                _start_program(lab, "producer", producer, running)
                wait_until(lambda: _acknowledged(producer), TIMEOUT, "an acknowledged tweet")
            with _timed(parts, "stream"):
                stream = _start_program(lab, "stream", stream_spec(lab, counting_epoch(lab, known_topic_id(lab))), running)
                wait_until(lambda: has_block(stream.out, stream.require_alive), TIMEOUT, "a ranking")
        return Sample(sum(parts.values()), parts)


@contextmanager
def _timed(parts: dict[str, float], name: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    parts[name] = time.monotonic() - started


def start_broker(lab: Lab, running: ExitStack) -> BrokerClient:
    """Start the lab's broker with the commands of its runtime, ended with ``running``; returns a client once it answers."""
    service = lab.stack.services[0]
    properties = lab.paths.properties("kafka")
    log_dirs = str(lab.paths.broker("kafka"))
    properties.write_text(render_properties({**service.properties, "log.dirs": log_dirs}), encoding="ascii")
    subprocess.run(format_command(lab.stack.cluster_id, properties), capture_output=True, timeout=TIMEOUT, check=True)
    java, *rest = broker_command(service.heap_mb, properties)
    broker = Child("kafka", [java, *archive_options(BROKER), *rest], lab.paths.run)
    running.callback(broker.end)
    client = BrokerClient(lab.stack.connection)
    wait_until(lambda: _answers(client, broker), TIMEOUT, "the broker")
    return client


def _answers(client: BrokerClient, broker: Child) -> bool:
    broker.require_alive()
    try:
        client.cluster(2.0)
        client.round_trip(2.0)
    except LabError:
        return False
    return True


def _start_program(lab: Lab, name: str, spec: ProgramSpec, running: ExitStack) -> Child:
    specification = spec.model_dump_json()
    lab.paths.specification(name).write_text(specification, encoding="utf-8")
    program = declare_program(lab.paths, name, specification, java=name == "stream")
    # The last four words are the program itself; before them may stand the launcher that ends leftovers of an earlier life.
    child = Child(name, program.command[-4:], lab.paths.run, program.environment)
    running.callback(child.end)
    return child


def _acknowledged(spec: ProgramSpec) -> bool:
    beat = read_heartbeat(spec.heartbeat)
    return beat is not None and beat.figures.get("acknowledged", 0) > 0
