"""The peer of row 1: what a person does by the usual tutorial, minus the person. Start, sleep 30 s, topic, producer, job."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

from benchmarks.children import Child, has_block, wait_until
from benchmarks.contest import Sample, Unmeasurable
from benchmarks.kafka_tools import VERSION, bench_directory, fetch_tools, run_tool
from benchmarks.stack import declared
from infra.embedded.runtime import LOGGING
from infra.java.installation import find_java
from infra.java.jars import jar_directory
from infra.kafka.properties import render_properties

PACKAGE = "org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0"
SLEEP = 30.0
TIMEOUT = 300.0
_HERE = Path(__file__).parent


class ManualProcedure:
    """Plain commands, default JVM settings, a sleep where readiness would be observed."""

    name = "manual procedure"

    def __init__(self) -> None:
        self.facts = {
            "topic tool": f"org.apache.kafka.tools.TopicCommand of kafka-tools {VERSION}",
            "broker": "-Xmx512M -Xms512M, storage formatted first",
            "job": f"spark-submit --packages {PACKAGE}, Ivy cache warm, from_json, 10 s trigger, Spark's defaults",
            "sleep": f"{SLEEP:.0f} s",
        }

    def prepare(self) -> None:
        """Fetch the topic tool once and warm Ivy's cache; raises Unmeasurable where neither cache nor network has them."""
        fetch_tools()
        warm = bench_directory() / "nothing.py"
        warm.write_text("", encoding="ascii")
        done = subprocess.run(
            _submit(warm), env={**os.environ, **_environment()}, capture_output=True, text=True, timeout=2 * TIMEOUT, check=False
        )
        if done.returncode:
            message = f"spark-submit --packages does not work here: {done.stderr.strip()[-300:]}"
            raise Unmeasurable(message)

    def measure(self) -> Sample:
        """Return the seconds from the first command to the end of the first block."""
        with declared() as lab, ExitStack() as running:
            run, bootstrap, topic = lab.paths.run, lab.stack.connection.bootstrap, lab.settings.stack.topic
            marks = [("", time.monotonic())]
            properties = run / "server.properties"
            values = {**lab.stack.services[0].properties, "log.dirs": str(lab.paths.broker("kafka"))}
            properties.write_text(render_properties(values), encoding="ascii")
            storage = ["format", "--cluster-id", lab.stack.cluster_id, "--config", str(properties)]
            subprocess.run([*_java("kafka.tools.StorageTool"), *storage], capture_output=True, timeout=TIMEOUT, check=True)
            heap = ["-Xmx512M", "-Xms512M", f"-Dlog4j2.configurationFile={LOGGING.as_uri()}"]
            broker = Child("broker", [*_java("kafka.Kafka", *heap), str(properties)], run)
            running.callback(broker.end)
            marks.append(("broker", time.monotonic()))
            time.sleep(SLEEP)
            marks.append(("sleep", time.monotonic()))
            create = ("--create", "--topic", topic, "--partitions", "1", "--replication-factor", "1")
            run_tool("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", bootstrap, *create)
            marks.append(("topic", time.monotonic()))
            producer = Child("tutorial-producer", [sys.executable, str(_HERE / "tutorial_producer.py"), bootstrap, topic], run)
            running.callback(producer.end)
            job = Child("job", _submit(_HERE / "tutorial_job.py", bootstrap, topic), run, _environment())
            running.callback(job.end)
            wait_until(lambda: has_block(job.out, job.require_alive), TIMEOUT, "a ranking")
            marks.append(("job", time.monotonic()))
        parts = {name: at - before for (_, before), (name, at) in pairwise(marks)}
        return Sample(sum(parts.values()), parts)


def _java(main: str, *options: str) -> list[str]:
    return [str(find_java().executable), *options, "-cp", f"{jar_directory('broker')}/*", main]


def _submit(script: Path, *arguments: str) -> list[str]:
    ivy = f"spark.jars.ivy={bench_directory() / 'ivy'}"
    submit = str(Path(_environment()["SPARK_HOME"]) / "bin" / "spark-submit")
    return [submit, "--conf", ivy, "--packages", PACKAGE, str(script), *arguments]


def _environment() -> dict[str, str]:
    spec = find_spec("pyspark")
    home = str(Path(spec.origin).parent) if spec and spec.origin else ""
    java = str(find_java().home)
    return {"SPARK_HOME": home, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1", "JAVA_HOME": java}
