"""The driver's session: a JVM on loopback, with the locked connector jars."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pyspark.sql import SparkSession

if TYPE_CHECKING:
    from trending.programs.specifications import StreamSpec

DRIVER_OPTIONS = (
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:+UseSerialGC",
    "-XX:MetaspaceSize=192m",
    "-XX:Tier4InvocationThreshold=50000",
    "-XX:Tier4MinInvocationThreshold=6000",
    "-XX:Tier4CompileThreshold=150000",
)
"""No collection while classes are still being loaded, and the optimising compiler only for what runs ten times as often as
it would ask for: start-up code is not worth its time, what runs for every record still gets there within seconds."""


def build_session(spec: StreamSpec) -> SparkSession:
    """Start the driver's JVM on loopback with the locked connector jars."""
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    settings = spec.settings
    session = (
        SparkSession.builder.appName("trending")
        .master(f"local[{os.cpu_count() or 2}]")
        .config("spark.driver.extraClassPath", os.pathsep.join(str(jar) for jar in spec.jars))
        .config("spark.driver.memory", f"{settings.driver_mb}m")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.extraJavaOptions", " ".join(DRIVER_OPTIONS))
        .config("spark.hadoop.fs.defaultFS", "file:///")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", str(settings.shuffle_partitions))
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("WARN")
    return session
