"""Everything that a user's shell may export, all of it at once, in one life of a stack. FAULTS.md row 36."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from socket import create_server
from typing import TYPE_CHECKING

import psutil
import pytest

from infra.host.paths import CHECKOUT
from infra.host.processes import stack_processes

if TYPE_CHECKING:
    from pathlib import Path

    from real.harness import RealStack

SECONDS = 115


def everything(place: Path, taken: int) -> dict[str, str]:
    """Return all the variables; ``taken`` is a port that something else listens on, as the first JVM with a JMX port would."""
    (place / "spark").mkdir()
    (place / "spark" / "spark-defaults.conf").write_text("spark.eventLog.enabled true\n", encoding="ascii")
    (place / "hadoop").mkdir()
    elsewhere = (
        "<configuration><property><name>fs.defaultFS</name><value>hdfs://localhost:9000</value></property></configuration>"
    )
    (place / "hadoop" / "core-site.xml").write_text(elsewhere, encoding="ascii")
    jmx = f"-Dcom.sun.management.jmxremote.port={taken} -Dcom.sun.management.jmxremote.authenticate=false"
    proxy = "http://127.0.0.1:9"
    return {
        "JAVA_TOOL_OPTIONS": f"-XX:+UseG1GC {jmx}",
        "_JAVA_OPTIONS": "-Dfoo=bar",
        "SPARK_HOME": "/opt/spark-3.5",
        "SPARK_CONF_DIR": str(place / "spark"),
        "SPARK_REMOTE": "sc://localhost:1",
        "SPARK_SUBMIT_OPTS": "-XX:+UseG1GC",
        "PYSPARK_SUBMIT_ARGS": "--packages org.apache.spark:spark-sql-kafka-0-10_2.12:3.5.0 pyspark-shell",
        "PYSPARK_PYTHON": "/no/python",
        "HADOOP_CONF_DIR": str(place / "hadoop"),
        "KAFKA_OPTS": "-javaagent:/no.jar",
        "KAFKA_HEAP_OPTS": "-Xmx10M",
        "CLASSPATH": "/no/x.jar",
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY"), proxy),
        "ALL_PROXY": "socks5://127.0.0.1:9",
        "LC_ALL": "tr_TR.UTF-8",
        "TZ": "Asia/Kathmandu",
        "PYTHONIOENCODING": "ascii",
        "HOME": "/proc",
        "PREFECT_PROFILE": "nosuch",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_CLIENT_CUSTOM_HEADERS": '{"Authorization": "Basic x"}',
        "PREFECT_API_KEY": "pnu_of_another_server",
    }


@pytest.mark.row(36, "E")
def test_row_36_everything_exported_at_once_has_no_influence(stack: RealStack, tmp_path: Path) -> None:
    plain = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT_", "PYTEST_", "TRENDING_")) and name.lower() != "no_proxy"
    }

    def run(module: str, *arguments: str, tail: str = "") -> str:
        line = ["bash", "-c", f'set -o pipefail; "$@" {tail}', "-", sys.executable, "-m", module, *arguments]
        done = subprocess.run(line, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert done.returncode == 0, done.stdout + done.stderr + stack.output_tails()
        return done.stdout

    with ExitStack() as held:
        taken = held.enter_context(create_server(("127.0.0.1", 0))).getsockname()[1]
        home = {name: os.environ[name] for name in ("TRENDING_HOME", "PREFECT_HOME")}  # make sets the second one
        exported = everything(tmp_path, taken)
        environment = {**plain, **exported, **home}
        output = run("flows.start_up", *stack.up_arguments())
        assert "stream: created" in output, "the lab's own lines are printed whatever PREFECT_LOGGING_LEVEL says"
        assert "? pid" in output, "what an ASCII terminal cannot show"
        for process in stack_processes(stack.paths.stack_id):
            inherited = process.environ()
            # Spark's launcher sets some of them itself, SPARK_HOME for example: it is the user's value that must not be there.
            assert {name for name, value in exported.items() if inherited.get(name) == value} <= {"HOME", "TZ"}
            assert not [name for name in inherited if name.startswith("PREFECT_")], process.cmdline()
        assert "-XX:+UseSerialGC" in " ".join(psutil.Process(stack.jvm_pid()).cmdline())
        stack.wait_progress()
        assert run("infra.commands.status", f"--name={stack.name}", tail="| head -1").count("\n") == 1
        assert "lost 0, duplicated 0" in run("flows.audit", f"--name={stack.name}")
        run("flows.tear_down", f"--name={stack.name}", "--volumes")
    stack.assert_nothing_left()
