"""The broker that rows 3 to 8, 13 and 17 share: an embedded one of the benchmark's own, with topics that our producer fills."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from confluent_kafka.admin import AdminClient

from benchmarks.bare_parts import start_broker
from benchmarks.children import Child, wait_until
from infra.host.processes import free_port
from infra.kafka.client import BrokerClient
from infra.lab.assembly import Lab, record
from infra.operations.epochs import resolve_offsets
from infra.operations.take_down import take_down
from infra.operations.topic import TOPIC_SETTINGS
from trending.kafka.log_reader import ends_of, log_ends, topic_id
from trending.programs.heartbeat import Heartbeat, read_heartbeat
from trending.programs.specifications import ProducerSpec
from trending.settings import (
    LabSettings,
    PageSettings,
    ProducerSettings,
    RuntimeKind,
    StackSettings,
    StreamSettings,
    dead_letter_topic,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trending.simulator.scenario import Scenario

PREFIX = "bench-"
PORT = 29692
PARTITIONS = 2
TIMEOUT = 300.0
FILL_TIMEOUT = 900.0
AS_FAST_AS_IT_CAN = 1_000_000.0
"""The highest rate of the setting."""
FILL_SECONDS = 5.0
"""A producer is stopped within a second of the heartbeat that tells of enough tweets."""


class Broker:
    """A stack of which only the broker runs, started at the first use. ``close`` ends it and deletes its data.

    ``stacks`` are recorded beside it on the same broker: each has a ledger, a store and a topic of its own.
    """

    def __init__(self) -> None:
        self._running = ExitStack()
        self._lab: Lab | None = None
        self._filled: dict[tuple[str, int, int], str] = {}
        self._stacks = 0

    @property
    def lab(self) -> Lab:
        """The stack of the broker, which is started now unless it runs."""
        if self._lab is None:
            self._lab = self._record("log", free_port(PORT, 11))
            start_broker(self._lab, self._running)
        return self._lab

    def stack(self, tweets: int, partitions: int = PARTITIONS) -> Lab:
        """Return another stack on this broker, whose topic holds so many tweets at least, sent by its own producer."""
        port = self.lab.settings.stack.port
        self._stacks += 1
        lab = self._record(f"stack{self._stacks}", port, f"tweets{self._stacks}")
        self._make(lab, lab.settings.stack.topic, partitions)
        resolve_offsets(lab.paths.name)  # counting begins at the log's end, so before there is one
        self._produce(lab, lab.settings.stack.topic, lab.paths.ledger, tweets, None)
        return lab

    def topic(self, tweets: int, partitions: int = PARTITIONS, hashtags: int = 0) -> str:
        """Return a topic of so many tweets at least; with ``hashtags`` of a catalogue with that many, all alike in weight.

        Each is filled once.
        """
        key = (f"{partitions}p", tweets, hashtags)
        if key not in self._filled:
            lab, name = self.lab, f"filled-{partitions}p-{tweets}-{hashtags}"
            self._make(lab, name, partitions)
            self._produce(lab, name, lab.paths.run / f"{name}.sqlite", tweets, self._catalogue(hashtags) if hashtags else None)
            self._filled[key] = name
        return self._filled[key]

    @contextmanager
    def scratch_topic(self, partitions: int = PARTITIONS) -> Iterator[str]:
        """Give an empty topic that is deleted afterwards."""
        name = f"scratch-{uuid4().hex[:8]}"
        self._make(self.lab, name, partitions)
        try:
            yield name
        finally:
            client = AdminClient(self.lab.stack.connection.client({}))
            for future in client.delete_topics([name]).values():
                future.result(TIMEOUT)

    def records(self, topic: str) -> int:
        """Return how many records the topic's log holds."""
        return sum(end - first for first, end in log_ends(self.lab.stack.connection, topic).values())

    def ends(self, topic: str) -> dict[int, int]:
        """Return partition → offset behind the topic's last record."""
        return ends_of(log_ends(self.lab.stack.connection, topic))

    def producer(
        self,
        lab: Lab,
        topic: str,
        ledger: Path,
        catalogue: Path | None = None,
        rate: float = AS_FAST_AS_IT_CAN,
        scenario: Scenario | None = None,
    ) -> RunningProducer:
        """Start the lab's producer program on a topic, as fast as it can unless a rate is given; a scenario has its own rate."""
        identity = topic_id(lab.stack.connection, topic) or ""
        name = f"producer-{uuid4().hex[:8]}"
        spec = ProducerSpec(
            bootstrap=lab.stack.connection.bootstrap,
            topic=topic,
            heartbeat=lab.paths.run / f"{name}.json",
            settings=ProducerSettings(rate=rate, catalogue=str(catalogue) if catalogue else None),
            ledger=ledger,
            topic_id=identity,
            scenario=scenario.model_dump_json(by_alias=True) if scenario else "",
        )
        return RunningProducer(spec, name, lab.paths.run)

    def close(self) -> None:
        """End the broker, and delete what it and the stacks beside it have written."""
        self._running.close()
        for number in range(1, self._stacks + 1):
            take_down(f"{PREFIX}stack{number}", volumes=True)
        if self._lab is not None:
            take_down(self._lab.paths.name, volumes=True)
        self._lab, self._stacks = None, 0
        self._filled.clear()

    def _record(self, name: str, port: int, topic: str = "tweets") -> Lab:
        take_down(f"{PREFIX}{name}", volumes=True)
        stack = StackSettings(name=f"{PREFIX}{name}", port=port, runtime=RuntimeKind.EMBEDDED, topic=topic)
        settings = LabSettings(stack=stack, page=PageSettings(page_port=0), stream=StreamSettings(trigger_seconds=0))
        lab, _why = record(settings)
        for place in (lab.paths.run, lab.paths.data):
            place.mkdir(parents=True, exist_ok=True)
        return lab

    def _make(self, lab: Lab, topic: str, partitions: int) -> None:
        client = BrokerClient(lab.stack.connection)
        client.create_topic(topic, partitions, 1, TOPIC_SETTINGS)
        client.create_topic(dead_letter_topic(topic), 1, 1, {})
        wait_until(lambda: len(log_ends(lab.stack.connection, topic)) == partitions, TIMEOUT, f"the topic {topic}")

    def _produce(self, lab: Lab, topic: str, ledger: Path, tweets: int, catalogue: Path | None) -> None:
        running = self.producer(lab, topic, ledger, catalogue, fill_rate(tweets))
        try:
            running.wait_for(tweets, FILL_TIMEOUT)
        finally:
            running.end()

    def _catalogue(self, hashtags: int) -> Path:
        path = self.lab.paths.run / f"catalogue-{hashtags}.json"
        path.write_text(json.dumps({"hashtags": [{"name": f"#{number:07d}"} for number in range(hashtags)]}), encoding="ascii")
        return path


def fill_rate(tweets: int) -> float:
    """Return the rate to fill a topic with: one at which what still comes until the producer is stopped is a small part."""
    return min(AS_FAST_AS_IT_CAN, tweets / FILL_SECONDS)


class RunningProducer:
    """The producer program at work, watched by its heartbeat as the lab does."""

    def __init__(self, spec: ProducerSpec, name: str, directory: Path) -> None:
        path = directory / f"{name}.spec.json"
        path.write_text(spec.model_dump_json(), encoding="utf-8")
        self._spec = spec
        self._child = Child(name, [sys.executable, "-m", "trending.producer", str(path)], directory)

    def wait_for(self, acknowledged: int, timeout: float) -> Heartbeat:
        """Return the first heartbeat that tells of so many acknowledged tweets."""
        seen: list[Heartbeat] = []

        def told() -> bool:
            self._child.require_alive()
            beat = read_heartbeat(self._spec.heartbeat)
            if beat is None or beat.figures.get("acknowledged", 0) < acknowledged:
                return False
            seen.append(beat)
            return True

        wait_until(told, timeout, f"{acknowledged:,} acknowledged tweets")
        return seen[-1]

    def end(self) -> None:
        """Stop it; it sends what it holds and closes its ledger first."""
        self._child.end()
