"""Row 14: scenarios played as fast as the producer can, against khaos-cli, the nearest open simulator, and against each other."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from benchmarks.contest import Sample
from benchmarks.peers.environment import peers_python
from benchmarks.throughput.broker import AS_FAST_AS_IT_CAN, PARTITIONS
from benchmarks.throughput.producing import OurProducer, Producing
from benchmarks.throughput.scripts import run_program
from trending.producer.program import PRODUCER_SETTINGS, linger_ms
from trending.simulator.scenario import Scenario

if TYPE_CHECKING:
    from pathlib import Path

HASHTAGS = 1000
KHAOS_SECONDS = 10
KHAOS_TIMEOUT = 120.0


def endless_rush(**more: object) -> Scenario:
    """Return a scenario of skewed hashtags that is due faster than any producer sends."""
    hashtags, rate = {"zipf": {"count": HASHTAGS}}, {"base": AS_FAST_AS_IT_CAN}
    given = {"version": 1, "seed": 7, "start": "now", "rate": rate, "hashtags": hashtags}
    return Scenario.model_validate_json(json.dumps(given | more))


class PlainScenario(OurProducer):
    """Skewed hashtags, ids as keys."""

    name = "our producer, plain scenario"
    scenario = endless_rush()


class KeyedScenario(OurProducer):
    """Skewed hashtags and keys of the scenario's own, so that the ids go into headers."""

    name = "our producer, scenario with keys"
    scenario = endless_rush(tweets={"key": "usuario"})


class MischievousScenario(OurProducer):
    """Trends, two hashtags, 2 % late and 1 % corrupt: what may cost half of the plain scenario's rate."""

    name = "our producer, scenario with mischief"
    scenario = endless_rush(
        window_time="event",
        trends=[{"hashtag": "#Gol", "at": 1, "rise": 2, "hold": 600, "fade": 60, "peak": 0.5}],
        tweets={"hashtags": {"1": 0.8, "2": 0.2}},
        mischief={"late": {"share": 0.02, "seconds": [130, 300]}, "corrupt": 0.01},
    )


class Khaos(Producing):
    """khaos-cli's producer: keys skewed by Zipf, a tweet's fields, one process, delivery settings as ours where it has them."""

    name = "khaos-cli"

    def prepare(self) -> None:
        """Have the peers' environment too."""
        self._program = peers_python().with_name("khaos")
        self.facts = {"seconds": str(KHAOS_SECONDS), "fields": "drawn from lists, which costs it least"}
        super().prepare()

    def _send(self, topic: str) -> Sample:
        path = self._broker.lab.paths.run / f"{topic}.yaml"
        path.write_text(json.dumps(khaos_scenario(topic)), encoding="utf-8")  # JSON is YAML
        try:
            self._run(path)
        finally:
            path.unlink()
        records = self._broker.records(topic)
        return Sample(records / KHAOS_SECONDS, {"records": records, "seconds": KHAOS_SECONDS})

    def _run(self, path: Path) -> None:
        options = ("--bootstrap-servers", self._bootstrap, "--duration", str(KHAOS_SECONDS))
        command = [str(self._program), "simulate", str(path), *options, "--no-consumers", "--skip-topic-creation"]
        run_program("khaos", command, dict(os.environ), KHAOS_TIMEOUT)


def khaos_scenario(topic: str) -> dict[str, Any]:
    """Return the same work as a scenario of khaos-cli, which knows no skew of a field's values, only of keys."""
    return {
        "name": "tweets",
        "topics": [
            {
                "name": topic,
                "partitions": PARTITIONS,
                "replication_factor": 1,
                "num_producers": 1,
                "producer_rate": AS_FAST_AS_IT_CAN,
                "message_schema": {
                    "key_distribution": "zipfian",
                    "key_cardinality": HASHTAGS,
                    "fields": [
                        {"name": "usuario", "type": "enum", "values": ["@DataFan", "@SparkGuru", "@PythonDev"]},
                        {"name": "texto", "type": "enum", "values": ["hoy aprendí algo nuevo sobre #Spark"]},
                        {"name": "hashtag_principal", "type": "enum", "values": ["#Spark", "#BigData", "#IA"]},
                        {"name": "timestamp", "type": "timestamp"},
                    ],
                },
                "producer_config": {
                    "acks": "all",
                    "compression_type": str(PRODUCER_SETTINGS["compression.type"]),
                    "linger_ms": linger_ms(AS_FAST_AS_IT_CAN),
                    "batch_size": 1_000_000,
                },
            }
        ],
    }
