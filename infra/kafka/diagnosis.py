"""Symptom → cause → remedy, as data. It is matched against output and exceptions, and docs/troubleshooting.md shows it."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnosis:
    """One row: a pattern in output or exceptions, its cause and its remedy."""

    symptom: str
    pattern: str
    cause: str
    remedy: str
    reproduced: bool = True
    """False if the row was only read about."""
    final: bool = False
    """True if neither waiting nor a restart heals it."""


TABLE: tuple[Diagnosis, ...] = (
    Diagnosis(
        "unresolved dependency, download failed",
        r"unresolved dependency|download failed: .*\(bundle\)",
        "the connector version is not published, or the local Maven cache holds a POM without its jar",
        "use the locked local jars (make jars), never --packages",
    ),
    Diagnosis(
        "JAVA_GATEWAY_EXITED",
        r"JAVA_GATEWAY_EXITED|JAVA_HOME is not set|java: command not found|Unable to locate a Java",
        "Java is missing, or JAVA_HOME names a wrong place",
        "install Java 17 or 21 and check with: make prerequisites",
    ),
    Diagnosis(
        "Failed to find data source: kafka",
        r"Failed to find (?:the )?data source:? ?`?kafka",
        "a Spark session was already running without the Kafka connector",
        "stop that session first, then start the job again",
    ),
    Diagnosis(
        "NoSuchMethodError … wrapRefArray",
        r"NoSuchMethodError.*wrapRefArray|SerializedOffset\.<init>",
        "a connector jar for Scala 2.12, or one older than Spark",
        "use the locked jars: make jars",
    ),
    Diagnosis(
        "Error while creating ephemeral … node already exists",
        r"Error while creating ephemeral at /brokers/ids/\d+, node already exists|NodeExistsException",
        "the broker was not stopped cleanly and its ZooKeeper session (18 s) is still alive",
        "wait 20 s; the next start heals it",
    ),
    Diagnosis(
        "broker gone ~19 s after start, refused on 2181",
        r"ZooKeeperClientTimeoutException|:2181\b.*Connection refused",
        "ZooKeeper was not ready when the broker started",
        "see ZooKeeper's own diagnosis first: make status",
    ),
    Diagnosis(
        "InconsistentClusterIdException",
        r"InconsistentClusterIdException|Invalid cluster\.id in",
        "one of the two volumes was deleted: the data belongs to another cluster",
        "delete both volumes or neither: make down VOLUMES=1, then make up",
    ),
    Diagnosis(
        "Failed to acquire lock on file .lock",
        r"Failed to acquire lock on file \.lock",
        "a second broker runs on the same data directory",
        "find it with make status, end it with make down",
    ),
    Diagnosis(
        "port is already allocated, address already in use",
        r"port is already allocated|[Aa]ddress already in use",
        "another process listens on the port",
        "end that process, or take another port: make up PORT=19092",
    ),
    Diagnosis(
        "all predefined address pools have been fully subnetted",
        r"address pools have been fully subnetted|non-overlapping IPv4 address pool",
        "Docker has no address range left for another network",
        "docker network ls shows the networks; remove those that nobody uses: docker network prune",
        final=True,
    ),
    Diagnosis(
        "No space left on device",
        r"No space left on device|Disk quota exceeded",
        "the disk that holds the data is full",
        "free some space, or set TRENDING_HOME to a larger disk",
        final=True,
    ),
    Diagnosis(
        "Read-only file system, permission denied on the data directory",
        r"[Rr]ead-only file system|AccessDeniedException|Permission denied",
        "the data directory cannot be written",
        "make it writable, or set TRENDING_HOME to a directory that is",
        final=True,
    ),
    Diagnosis(
        "Failed to resolve 'kafka:…'",
        r"Failed to resolve '[^']+'",
        "the address that the broker advertises cannot be reached from here",
        "compare the advertised address with the one that the client connects to: make status",
    ),
    Diagnosis(
        "Partition … offset was changed from 5 to 0",
        r"offset was changed from \d+ to \d+",
        "the topic was deleted or made anew under an old checkpoint",
        "start with fresh data: make down VOLUMES=1, then make up",
    ),
    Diagnosis(
        "KAFKA_DATA_LOSS, some data may have been lost",
        r"KAFKA_DATA_LOSS|[Ss]ome data may have been (?:lost|missed)",
        "retention or a person deleted records that the stream had not read yet",
        "count what the log still has: make rebuild",
        reproduced=False,
    ),
    Diagnosis(
        "STATE_STORE_KEY_SCHEMA_NOT_COMPATIBLE",
        r"STATE_STORE_KEY_SCHEMA_NOT_COMPATIBLE",
        "the query or a setting changed on an old checkpoint",
        "count anew from the log, which stays: make rebuild",
    ),
    Diagnosis(
        "STREAMING_CHECKPOINT_MISSING_METADATA_FILE, Incomplete log file",
        r"the checkpoint is damaged|STREAMING_CHECKPOINT_\w+|Incomplete log file|[Mm]alformed (?:log|checkpoint)",
        "the checkpoint is damaged",
        "count anew from the log, which stays: make rebuild",
    ),
    Diagnosis(
        "UNKNOWN_TOPIC_OR_PART, LEADER_NOT_AVAILABLE",
        r"UNKNOWN_TOPIC_OR_PART|UnknownTopicOrPartition|LEADER_NOT_AVAILABLE",
        "the topic does not exist, or its leader is not elected yet",
        "make up creates it and waits for its leaders",
    ),
    Diagnosis(
        "INVALID_REPLICATION_FACTOR",
        r"INVALID_REPLICATION_FACTOR|InvalidReplicationFactorException",
        "more replicas were asked for than there are brokers",
        "make up REPLICATION=1, or BROKERS=3 REPLICATION=3",
    ),
    Diagnosis(
        "BufferError: Local: Queue full",
        r"Local: Queue full",
        "the producer is faster than the broker",
        "the producer waits by itself; lower the rate if it should not: make up RATE=…",
    ),
    Diagnosis(
        "_DESTROY_BROKER: Broker handle destroyed without termination",
        r"_DESTROY_BROKER|Broker handle destroyed without",
        "localhost is ::1 too, where no broker listens, and the client has begun anew with a request under way",
        "give a client of your own broker.address.family=v4; the lab's have it",
    ),
    Diagnosis(
        "_DESTROY: Handle is terminating",
        r"_DESTROY\b|Handle is terminating",
        "an AdminClient was collected before its futures were done",
        "keep a reference to the client until its futures are done",
    ),
    Diagnosis(
        "the driver's heap of 512 MiB is full",
        r"the driver's heap of \d+ MiB is full",
        "the heap of Spark's driver is exhausted",
        "give it a larger one: make up DRIVER_MB=1024",
    ),
    Diagnosis(
        "OutOfMemoryError",
        r"java\.lang\.OutOfMemoryError|Terminating due to java\.lang\.OutOfMemoryError",
        "the JVM's heap is exhausted",
        "give it a larger one: make up HEAP_MB=1024",
    ),
    Diagnosis(
        "Getting offsets from KafkaV2 for over 15 s",
        r"Getting offsets from KafkaV2",
        "the broker was lost while the query stays active",
        "see the broker's own diagnosis: make status",
    ),
    Diagnosis(
        "_TRANSPORT, _ALL_BROKERS_DOWN, _MSG_TIMED_OUT",
        r"_TRANSPORT|_ALL_BROKERS_DOWN|_MSG_TIMED_OUT|Connection refused|brokers? (?:are )?down",
        "no broker answers",
        "see the broker's own diagnosis: make status",
    ),
    Diagnosis(
        "all tweets late, or windows shifted",
        r"window.*shifted|clock (?:skew|drift)",
        "a time zone or a drifting clock",
        "everything here is UTC: compare the clock with the broker's record time",
    ),
    Diagnosis(
        "HADOOP_HOME unset, NativeIO$Windows",
        r"HADOOP_HOME (?:and hadoop\.home\.dir are )?unset|NativeIO\$Windows",
        "native Windows",
        "use WSL2",
        reproduced=False,
    ),
    Diagnosis(
        "manifest unknown",
        r"manifest unknown",
        "the image was withdrawn from its registry",
        "use the pinned images, or build local ones: make images",
        reproduced=False,
    ),
    Diagnosis(
        "exec format error, no matching manifest",
        r"exec format error|no matching manifest for",
        "the image is for another processor",
        "choose an image for this processor",
        reproduced=False,
    ),
)

HEAP_EXHAUSTED = 3
"""Exit code of a JVM with -XX:+ExitOnOutOfMemoryError."""
SIGKILLED = frozenset({137, -9, -1})
"""Exit codes after SIGKILL: 128 + 9 from a container, -9 from Python, -1 from supervisord for any signal."""


MEMORY_KILLED = Diagnosis("exit 137, OOMKilled", "", "the kernel killed it at its memory limit", "raise it: make up HEAP_MB=1024")
KILLED_BY_HAND = Diagnosis("exit 137, not OOMKilled", "", "somebody killed it with SIGKILL; memory was not the reason", "make up")
OUT_OF_MEMORY = Diagnosis(
    "SIGKILL, and the kernel's OOM killer struck",
    "",
    "it was killed with SIGKILL, and the kernel's OOM killer struck on this machine at that time",
    "close other programs, or give it less: make up HEAP_MB=256",
)
KILLED = Diagnosis(
    "SIGKILL, and the kernel does not tell of memory",
    "",
    "it was killed with SIGKILL; whether memory was the reason cannot be known here",
    "look for oom in the kernel's log (dmesg), then make up",
)
"""The diagnoses that depend only on how a process ended, whatever it wrote before."""


def diagnose(text: str) -> Diagnosis | None:
    """Return the first row whose pattern occurs in ``text``, most specific rows first, or None."""
    return next((row for row in TABLE if re.search(row.pattern, text)), None)


def diagnose_exit(
    exit_code: int | None, tail: str, *, memory_killed: bool = False, host_memory: bool | None = False
) -> Diagnosis | None:
    """Return why something ended, from its exit code (negative for a signal), its last output and two words on memory.

    ``memory_killed`` is the engine's, on the limit of a container; ``host_memory`` is the kernel's, on the whole machine, and
    None where it tells nothing.
    """
    if memory_killed:
        return MEMORY_KILLED
    if exit_code == HEAP_EXHAUSTED:
        return next(row for row in TABLE if row.symptom == "OutOfMemoryError")
    if exit_code in SIGKILLED:
        return KILLED if host_memory is None else OUT_OF_MEMORY if host_memory else KILLED_BY_HAND
    if exit_code is None and host_memory:  # it was given up, and what ended it last was the stop that followed
        return OUT_OF_MEMORY
    return diagnose(tail)
