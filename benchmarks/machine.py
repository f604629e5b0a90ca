"""What the figures were measured on: machine, versions, load."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version

import psutil

from infra.java.installation import find_java
from infra.java.jars import locked

PACKAGES = ("prefect", "pyspark", "confluent-kafka", "pyarrow", "msgspec", "supervisor")


def load() -> float:
    """Return the one-minute load average."""
    return os.getloadavg()[0]


def versions() -> dict[str, str]:
    """Return the versions of everything that takes part."""
    java = subprocess.run([find_java().executable, "-version"], capture_output=True, text=True, timeout=20, check=False).stderr
    kafka = next(jar.version for jar in locked("broker") if jar.artifact == "kafka_2.13")
    return {
        "python": platform.python_version(),
        "java": java.splitlines()[0].split('"')[1],
        "kafka": kafka,
        **{package: version(package) for package in PACKAGES},
    }


def machine() -> dict[str, str | int]:
    """Return what the machine is."""
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count() or 0,
        "memory_mb": psutil.virtual_memory().total >> 20,
    }
