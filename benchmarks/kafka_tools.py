"""Kafka's own command-line tools, as their release ships them; fetched once from Maven Central by the Ivy that pyspark ships.

They are peers and no part of the lab, so they are not in its lock. 4.2.0 is the newest that Maven Central has, and it needs the
libraries of its own release: on those of 4.4.0 TopicCommand ends with NoSuchMethodError.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from benchmarks.contest import Unmeasurable
from infra.host.paths import lab_home
from infra.java.installation import find_java
from infra.java.jars import ivy_jar

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "4.2.0"
TIMEOUT = 600.0
_SETTINGS = """<ivysettings><settings defaultResolver="central"/>
<resolvers><ibiblio name="central" m2compatible="true"/></resolvers></ivysettings>
"""


def bench_directory() -> Path:
    """Return where the benchmarks keep what they fetch."""
    path = lab_home() / "bench"
    path.mkdir(parents=True, exist_ok=True)
    return path


def fetch_tools() -> Path:
    """Return the directory with the tools' jars; raises Unmeasurable where they are neither here nor to be had."""
    place = bench_directory() / "tools"
    complete = place / ".complete"
    if complete.exists():
        return place
    place.mkdir(exist_ok=True)
    settings = bench_directory() / "ivysettings.xml"
    settings.write_text(_SETTINGS, encoding="ascii")
    tools = ["-dependency", "org.apache.kafka", "kafka-tools", VERSION, "-confs", "default"]
    cache = ["-cache", str(bench_directory() / "ivy-tools"), "-retrieve", "[artifact]-[revision].[ext]"]
    command = [str(find_java().executable), "-jar", str(ivy_jar()), "-settings", str(settings), *tools, *cache]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if done.returncode or not (place / f"kafka-tools-{VERSION}.jar").exists():
        message = f"kafka-tools {VERSION} cannot be fetched: {(done.stdout + done.stderr).strip()[-300:]}"
        raise Unmeasurable(message)
    complete.touch()
    return place


def run_tool(main: str, *arguments: str) -> str:
    """Run one of the tools and return what it printed; raises Unmeasurable when it fails."""
    command = [str(find_java().executable), "-cp", f"{fetch_tools()}/*", main, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if done.returncode:
        message = f"{main}: {(done.stderr + done.stdout).strip()[:300]}"
        raise Unmeasurable(message)
    return done.stdout
