"""Row 10: what a stack at one tweet a second costs, against the same programs with default JVM settings."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import psutil

from benchmarks.children import Child, wait_until
from benchmarks.contest import Sample
from benchmarks.memory import family, pss_mb
from benchmarks.running.own_server import OwnServer
from benchmarks.running.own_stack import own_stack
from benchmarks.throughput.counting import MEMORY
from infra.embedded.runtime import LOGGING, format_command
from infra.host.paths import StackPaths
from infra.host.processes import free_port, stack_processes
from infra.java.installation import find_java
from infra.java.jars import jar_directory
from infra.kafka.client import BrokerClient
from infra.kafka.properties import render_properties
from infra.lab.assembly import Lab, record
from infra.operations.epochs import counting_epoch, known_topic_id, resolve_offsets
from infra.operations.page import page_spec
from infra.operations.producer import producer_spec
from infra.operations.stream import stream_spec
from infra.operations.take_down import take_down
from infra.operations.topic import create_topic
from trending.errors import LabError
from trending.programs.heartbeat import read_heartbeat
from trending.settings import LabSettings, PageSettings, RuntimeKind, StackSettings, StreamSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from benchmarks.sizes import Sizes
    from trending.programs.specifications import ProgramSpec

STACK = "bench-idle"
PORT = 29892
SETTLING_SECONDS = 20.0
TIMEOUT = 180.0
MINUTE = 60.0
KAFKA_DEFAULT_HEAP = ("-Xmx1G", "-Xms1G")
"""What Kafka's start script gives a broker that is asked for nothing else."""
SPARK_DEFAULT_HEAP_MB = 1024
CPU = "CPU, s a minute"
CPU_LIMIT_SECONDS = 0.15 * MINUTE
"""15 % of one core."""


class IdleStack:
    """Ours: ``make up`` with its defaults, supervisor and page included."""

    name = "idle stack"

    def __init__(self, sizes: Sizes) -> None:
        self.facts = {"watched": f"{sizes.seconds} s, from {SETTLING_SECONDS:.0f} s after the first ranking on"}
        self._seconds = sizes.seconds
        self._server = OwnServer()

    def prepare(self) -> None:
        """Have the Prefect server running; each measurement brings up its own stack."""
        self._server.start()

    def measure(self) -> Sample:
        """Return the MiB of all its processes, and their CPU seconds a minute."""
        with own_stack(STACK, PORT, page_port=free_port(PORT + 50, 1)):
            paths = StackPaths.of(STACK)
            return _watch(lambda: stack_processes(paths.stack_id), self._seconds)

    def close(self) -> None:
        """Leave nothing, also after an interruption."""
        take_down(STACK, volumes=True)
        self._server.stop()


class DefaultJvms(IdleStack):
    """The peer: broker, producer, job and page by hand, their JVMs as Kafka and Spark start them, and no supervisor."""

    name = "the same with default JVM settings"

    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes)
        heaps = f"broker {' '.join(KAFKA_DEFAULT_HEAP)}, driver {SPARK_DEFAULT_HEAP_MB} MiB"
        self.facts = {**self.facts, "JVMs": f"{heaps}, no other option, no class archive"}

    def measure(self) -> Sample:
        """Return the MiB of all its processes, and their CPU seconds a minute."""
        take_down(STACK, volumes=True)
        try:
            with ExitStack() as running:
                children = _start_parts(running)
                return _watch(lambda: [each for child in children for each in family(child.pid)], self._seconds)
        finally:
            take_down(STACK, volumes=True)


def _start_parts(running: ExitStack) -> list[Child]:
    stack = StackSettings(name=STACK, port=free_port(PORT, 11), runtime=RuntimeKind.EMBEDDED)
    stream = StreamSettings(driver_mb=SPARK_DEFAULT_HEAP_MB)
    lab, _why = record(LabSettings(stack=stack, stream=stream, page=PageSettings(page_port=free_port(PORT + 50, 1))))
    for place in (lab.paths.run, lab.paths.data):
        place.mkdir(parents=True, exist_ok=True)
    java = {"JAVA_HOME": str(find_java().home)}
    broker = _start_broker(lab, running)
    create_topic(lab.paths.name)
    resolve_offsets(lab.paths.name)
    producer = _start(lab, running, "producer", ("trending.producer",), producer_spec(lab))
    counting = stream_spec(lab, counting_epoch(lab, known_topic_id(lab)))
    job = _start(lab, running, "stream", ("benchmarks.running.default_stream",), counting, java)
    wait_until(lambda: _batches(counting.heartbeat, job.require_alive), TIMEOUT, "a batch")
    page = _start(lab, running, "page", ("trending.page",), page_spec(lab))
    return [broker, producer, job, page]


def _start_broker(lab: Lab, running: ExitStack) -> Child:
    properties = lab.paths.properties("kafka")
    values = {**lab.stack.services[0].properties, "log.dirs": str(lab.paths.broker("kafka"))}
    properties.write_text(render_properties(values), encoding="ascii")
    subprocess.run(format_command(lab.stack.cluster_id, properties), capture_output=True, timeout=TIMEOUT, check=True)
    classes = ("-cp", f"{jar_directory('broker')}/*", "kafka.Kafka", str(properties))
    command = [str(find_java().executable), *KAFKA_DEFAULT_HEAP, f"-Dlog4j2.configurationFile={LOGGING.as_uri()}", *classes]
    broker = Child("kafka", command, lab.paths.run)
    running.callback(broker.end)
    client = BrokerClient(lab.stack.connection)
    wait_until(lambda: _answers(client, broker), TIMEOUT, "the broker")
    return broker


def _answers(client: BrokerClient, broker: Child) -> bool:
    broker.require_alive()
    with suppress(LabError):
        client.cluster(2.0)
        return True
    return False


def _start(
    lab: Lab, running: ExitStack, name: str, module: Iterable[str], spec: ProgramSpec, environment: dict[str, str] | None = None
) -> Child:
    path = lab.paths.specification(name)
    path.write_text(spec.model_dump_json(), encoding="utf-8")
    child = Child(name, [sys.executable, "-m", *module, str(path)], lab.paths.run, environment)
    running.callback(child.end)
    return child


def _batches(heartbeat: Path, check: Callable[[], None]) -> bool:
    check()
    beat = read_heartbeat(heartbeat)
    return beat is not None and beat.figures.get("batches", 0) > 0


def _watch(processes: Callable[[], list[psutil.Process]], seconds: float) -> Sample:
    time.sleep(SETTLING_SECONDS)
    watched = processes()
    before, began = _cpu_seconds(watched), time.monotonic()
    time.sleep(seconds)
    spent, lasted = _cpu_seconds(watched) - before, time.monotonic() - began
    running = processes()
    memory, java = pss_mb(running), pss_mb(each for each in running if each.name() == "java")
    return Sample(memory, {MEMORY: memory, "of JVMs": java, "of Python": memory - java, CPU: MINUTE * spent / lasted})


def _cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """Return what the processes have used; one that has ended makes the measurement worthless, and raises RuntimeError."""
    try:
        return sum(sum(process.cpu_times()[:2]) for process in processes)
    except psutil.NoSuchProcess as error:
        message = f"a process of the stack has ended meanwhile: {error}"
        raise RuntimeError(message) from error
