"""Rows 3 to 5: tweets generated, serialised and acknowledged a second, by one process."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from benchmarks.contest import Sample
from benchmarks.kafka_tools import VERSION, run_tool
from benchmarks.peers.environment import peers_python
from benchmarks.throughput.scripts import run_script
from trending.producer.program import PRODUCER_SETTINGS, linger_ms
from trending.simulator.generator import Catalogue, Simulator
from trending.tweets.record_id import record_keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.sizes import Sizes
    from benchmarks.throughput.broker import Broker
    from trending.simulator.scenario import Scenario

TIMEOUT = 900.0
BATCH_BYTES = 1_000_000
"""librdkafka's ``batch.size``, which the lab leaves alone."""
PAYLOADS = 2_000
_RATE = re.compile(r"^(\d+) records sent, ([\d.]+) records/sec", re.MULTILINE)


class Producing:
    """Sends to an empty topic of the shared broker."""

    name = ""

    def __init__(self, broker: Broker, sizes: Sizes) -> None:
        self._broker = broker
        self._sizes = sizes
        self.facts: dict[str, str] = {}

    def prepare(self) -> None:
        """Have the broker running and its code compiled: our producer has sent so many tweets to it."""
        self._broker.topic(self._sizes.tweets)

    def measure(self) -> Sample:
        """Return acknowledged records a second."""
        with self._broker.scratch_topic() as topic:
            return self._send(topic)

    def close(self) -> None:
        """End the broker, unless another one has."""
        self._broker.close()

    def _send(self, topic: str) -> Sample:
        raise NotImplementedError

    @property
    def _bootstrap(self) -> str:
        return self._broker.lab.stack.connection.bootstrap


class OurProducer(Producing):
    """The producer program as ``make up RATE=1000000`` runs it: simulator, ids, ledger, heartbeat."""

    name = "our producer"
    scenario: Scenario | None = None

    def _send(self, topic: str) -> Sample:
        lab = self._broker.lab
        ledger = lab.paths.run / f"{topic}.sqlite"
        running = self._broker.producer(lab, topic, ledger, scenario=self.scenario)
        try:
            first = running.wait_for(1, TIMEOUT)
            last = running.wait_for(int(first.figures["acknowledged"]) + self._sizes.tweets, TIMEOUT)
        finally:
            running.end()
            for path in lab.paths.run.glob(f"{ledger.name}*"):
                path.unlink()
        tweets, seconds = last.figures["acknowledged"] - first.figures["acknowledged"], last.at - first.at
        return Sample(tweets / seconds, {"records": tweets, "seconds": seconds})


class KafkaPythonLoop(Producing):
    """The tutorial's loop with kafka-python, without its sleep."""

    name = "kafka-python loop"

    def prepare(self) -> None:
        """Have the peers' environment too."""
        self._python = str(peers_python())
        self.facts = {"tweets": f"{self._sizes.few:,}", "flush": "once, at the end", "settings": "kafka-python's own"}
        super().prepare()

    def _send(self, topic: str) -> Sample:
        return run_script("kafka_python_loop", self._bootstrap, topic, self._sizes.few, python=self._python)


class PerfTest(Producing):
    """``kafka-producer-perf-test``: payloads made of our tweets with keys as long as ours, same delivery settings."""

    name = "kafka-producer-perf-test"

    def prepare(self) -> None:
        """Fetch the tool and write its payloads too."""
        self.facts = {
            "tool": f"kafka-tools {VERSION}",
            "payloads": f"{PAYLOADS} tweets, each behind a key of ours as hexadecimal",
        }
        super().prepare()
        self._payloads = self._broker.lab.paths.run / "payloads.txt"
        self._payloads.write_bytes(b"\n".join(key + value for key, value in messages(PAYLOADS)))
        self.measure()

    def _send(self, topic: str) -> Sample:
        settings = {
            "bootstrap.servers": self._bootstrap,
            "acks": "all",
            "enable.idempotence": "true",
            "max.in.flight.requests.per.connection": str(PRODUCER_SETTINGS["max.in.flight.requests.per.connection"]),
            "compression.type": str(PRODUCER_SETTINGS["compression.type"]),
            "linger.ms": str(linger_ms(1e6)),
            "batch.size": str(BATCH_BYTES),
        }
        properties = self._broker.lab.paths.run / "perf-test.properties"
        properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="ascii")
        number = ("--topic", topic, "--num-records", str(self._sizes.tweets), "--throughput", "-1")
        said = run_tool(
            "org.apache.kafka.tools.ProducerPerformance",
            *number,
            "--payload-file",
            str(self._payloads),
            "--producer.config",
            str(properties),
        )
        return Sample(perf_test_rate(said))


class ConstantBytes(Producing):
    """One message through librdkafka from Python again and again, settings as ours."""

    name = "constant bytes through librdkafka"

    def prepare(self) -> None:
        """Write the message too: a tweet behind a key of ours."""
        super().prepare()
        key, value = next(messages(1))
        self._message = self._broker.lab.paths.run / "message"
        self._message.write_bytes(key + value)
        self.facts = {"message": f"{len(key) + len(value)} bytes, always the same, no callback"}

    def _send(self, topic: str) -> Sample:
        return run_script("constant_bytes", self._bootstrap, topic, self._sizes.tweets, self._message)


def messages(number: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values as our producer sends them."""
    values, _hashtags = Simulator(Catalogue(), 1).burst(number, 1_765_845_070.25)
    yield from zip(record_keys("0123456789ab", range(10**6, 10**6 + number)), values, strict=True)


def perf_test_rate(said: str) -> float:
    """Return the records a second of the tool's last line, which is about all of them; raises RuntimeError without one."""
    rates = _RATE.findall(said)
    if not rates:
        message = f"kafka-producer-perf-test told no rate: {said[-300:]}"
        raise RuntimeError(message)
    return float(rates[-1][1])
