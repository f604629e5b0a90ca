"""The driver's session: a JVM with the locked connector jars, on loopback unless a cluster calls it from elsewhere."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from pyspark import SparkContext
from pyspark.sql import SparkSession

from trending.places.objects import ObjectPlace
from trending.stream.cluster.executors import (
    LOGGING,
    cluster_options,
    require_executors,
    set_environment,
    watch_master,
)
from trending.stream.cluster.master import require_master
from trending.stream.cluster.master_log import cluster_log
from trending.stream.staging.driver import require_store

if TYPE_CHECKING:
    from trending.programs.specifications import StreamSpec

DRIVER_OPTIONS: tuple[str, ...] = (
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:+UseSerialGC",
    "-XX:MetaspaceSize=192m",
    "-XX:Tier4InvocationThreshold=500000",
    "-XX:Tier4MinInvocationThreshold=60000",
    "-XX:Tier4CompileThreshold=1500000",
    "-XX:Tier4BackEdgeThreshold=400000",
)
"""No collection while classes are still being loaded, and the optimising compiler only for what runs a hundred times as often as
it would ask for (loops: ten times): code of start-up and of single batches is not worth its time, what runs for every record
still gets there within seconds of real load."""
HEAP_EXHAUSTED = 3
"""Exit code of a JVM with -XX:+ExitOnOutOfMemoryError."""
ENDING_SECONDS = 2.0
"""A JVM that has closed its connections ends within so long."""
CHECKPOINT_FILES = "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
"""Spark's usual one goes through Hadoop's FileContext, which asks a ``readlink`` process about each file, 2 or 3 a batch. Both
write a temporary file and rename it."""

S3A = {"attempts.maximum": "3", "retry.limit": "3", "connection.establish.timeout": "5s", "connection.request.timeout": "10s"}
"""A store that is away ends the query within a minute and not after ten; supervisord starts the job again."""

STATE_STORE = {
    "providerClass": "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider",
    "rocksdb.changelogCheckpointing.enabled": "true",
    "rocksdb.boundedMemoryUsage": "true",
    "rocksdb.maxMemoryUsageMB": "128",
}
"""The state lies on disk, in RocksDB, whose memory is bounded for all partitions together; on the heap, a million hashtags a
minute fill it (docs/decisions/0121). A checkpoint stays with the provider that it began with, whatever is said here."""


def clear_scratch(spec: StreamSpec) -> None:
    """Make the job's directory for temporary files; delete what killed jobs have left in it and in those of other checkpoints.

    The caller holds the lock of its own checkpoint. A directory whose checkpoint another job holds is left alone.
    """
    for leftover in spec.scratch.parent.iterdir() if spec.scratch.parent.is_dir() else ():
        if leftover == spec.scratch:
            shutil.rmtree(leftover)
            continue
        with suppress(Timeout), FileLock(spec.lock_of(leftover.name), timeout=0):
            shutil.rmtree(leftover)
    spec.scratch.mkdir(parents=True)


def object_options(spec: StreamSpec) -> dict[str, str]:
    """Return how Hadoop gets to a checkpoint in an object store. Who we are, Spark takes from the environment and hands on."""
    place = spec.checkpoint
    if not isinstance(place, ObjectPlace):
        return {}
    options = {"endpoint.region": place.region, "path.style.access": "true", **S3A}
    if place.endpoint:
        options |= {"endpoint": place.endpoint, "connection.ssl.enabled": str(place.endpoint.startswith("https:")).lower()}
    return {f"spark.hadoop.fs.s3a.{name}": value for name, value in options.items()}


def build_session(spec: StreamSpec, stop: threading.Event | None = None) -> SparkSession:
    """Start the driver's JVM with the locked connector jars; its temporary files are the stack's.

    On a cluster, raises NotReady where no master or no executor answers, ConfigurationConflict where they can't run the job,
    LabError where they are to write to a store that they do not get into; for room there it waits until ``stop``.
    """
    # It tells of every call back at INFO, and with a traceback of those that a dead JVM leaves open: that hid what was the cause.
    logging.getLogger("py4j").setLevel(logging.WARNING)
    settings = spec.settings
    os.environ["SPARK_LOCAL_IP"] = settings.bound_to
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    options = [*DRIVER_OPTIONS, f'"-Djava.io.tmpdir={spec.scratch}"']
    if settings.on_cluster:
        set_environment(spec)
        options += [f'"-Dlog4j2.configurationFile={LOGGING.as_uri()}"', f'"-Dtrending.cluster.log={cluster_log(spec)}"']
        own = cluster_options(spec)
    else:
        # On the class path, where the class archive finds them too.
        own = {"spark.driver.extraClassPath": os.pathsep.join(str(jar) for jar in spec.jars)}
    builder = (
        SparkSession.builder.appName("trending")
        .master(settings.spark_master if settings.on_cluster else settings.in_driver_process)
        .config("spark.driver.memory", f"{settings.driver_mb}m")
        .config("spark.driver.host", settings.driver_host)
        .config("spark.driver.bindAddress", settings.bound_to)
        .config("spark.driver.extraJavaOptions", " ".join(options))
        .config("spark.local.dir", str(spec.scratch))
        .config("spark.hadoop.fs.defaultFS", "file:///")
        .config("spark.sql.streaming.checkpointFileManagerClass", CHECKPOINT_FILES)
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", str(settings.shuffle_partitions))
    )
    own |= object_options(spec)
    own |= {f"spark.sql.streaming.stateStore.{name}": value for name, value in STATE_STORE.items()}
    for name, value in own.items():
        builder = builder.config(name, value)
    granted_at = None
    if not settings.on_cluster:
        session = builder.getOrCreate()
    else:
        require_master(settings)
        watch = watch_master(spec)
        session = builder.getOrCreate()
        watch.built.set()
        granted_at = watch.granted_at
    session.sparkContext.setLogLevel("WARN")
    if settings.on_cluster:
        stop = stop or threading.Event()
        require_executors(session, spec, stop, granted_at)
        require_store(session, spec, stop)
    return session


def jvm_exit_code() -> int | None:
    """Return the exit code of the driver's JVM, which is ending; None while it goes on, and where we have not started it."""
    gateway = SparkContext._gateway  # noqa: SLF001 - nothing public leads to the process
    process: subprocess.Popen[bytes] | None = gateway.proc if gateway is not None else None
    if process is None:  # spark-submit has started both of us
        return None
    try:
        return process.wait(ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        return None
