from __future__ import annotations

import re

import pytest

from infra.kafka.diagnosis import TABLE, diagnose, diagnose_exit

JAVA_MISSING = """JAVA_HOME is not set
Traceback (most recent call last):
pyspark.errors.exceptions.base.PySparkRuntimeError: [JAVA_GATEWAY_EXITED] Java gateway process exited before sending"""
NO_CONNECTOR = """:: problems summary ::
:::: WARNINGS
        module not found: org.apache.spark#spark-sql-kafka-0-10_2.13;4.3.0
Exception in thread "main" RuntimeException: [unresolved dependency: org.apache.spark#spark-sql-kafka-0-10_2.13;4.3.0: not found]
[JAVA_GATEWAY_EXITED] Java gateway process exited before sending"""
POM_ALONE = "[download failed: org.lz4#lz4-java;1.8.0!lz4-java.jar(bundle)]\n[JAVA_GATEWAY_EXITED] Java gateway process exited"
NO_ZOOKEEPER = """INFO Opening socket connection to server zookeeper/172.18.0.2:2181.
WARN Session 0x0 for server zookeeper/172.18.0.2:2181, unexpected error java.net.ConnectException: Connection refused
ERROR Fatal error during KafkaServer startup. Prepare to shutdown (kafka.server.KafkaServer)
kafka.zookeeper.ZooKeeperClientTimeoutException: Timed out waiting for connection while in state: CONNECTING"""
STATE_SCHEMA = (
    "[STATE_STORE_KEY_SCHEMA_NOT_COMPATIBLE] Provided key schema does not match existing state key schema. SQLSTATE: XXKST"
)
DAMAGED = "[STREAMING_CHECKPOINT_MISSING_METADATA_FILE] Checkpoint location /data/checkpoints/1 metadata file is missing"

SAMPLES = {
    "no address range": ("Error response from daemon: all predefined address pools have been fully subnetted", "address range"),
    "Java missing": (JAVA_MISSING, "Java is missing"),
    "connector not published": (NO_CONNECTOR, "connector version is not published"),
    "a POM without its jar": (POM_ALONE, "POM without its jar"),
    "session without connector": ("[DATA_SOURCE_NOT_FOUND] Failed to find the data source: kafka. Make sure", "already running"),
    "old wording of the same": ("Failed to find data source: kafka. Please deploy the application", "already running"),
    "Scala 2.12": (
        "java.lang.NoSuchMethodError: 'scala.collection.mutable.WrappedArray scala.Predef$.wrapRefArray(java.lang.Object[])'",
        "Scala 2.12",
    ),
    "old connector": (
        "NoSuchMethodError: 'void org.apache.spark.sql.execution.streaming.SerializedOffset.<init>'",
        "older than Spark",
    ),
    "stale znode": (
        "ERROR Error while creating ephemeral at /brokers/ids/1, node already exists and owner '72057' does not match session",
        "ZooKeeper session",
    ),
    "cluster id, ZooKeeper": (
        "kafka.common.InconsistentClusterIdException: The Cluster ID a doesn't match stored clusterId Some(b) in meta.properties",
        "volumes",
    ),
    "cluster id, KRaft": (
        "java.lang.RuntimeException: Invalid cluster.id in: /data/meta.properties. Expected a, but read b",
        "volumes",
    ),
    "second broker": (
        "KafkaException: Failed to acquire lock on file .lock in /data. A Kafka instance in another process uses it.",
        "second broker",
    ),
    "ZooKeeper not ready": (NO_ZOOKEEPER, "ZooKeeper"),
    "port allocated": ("Bind for 127.0.0.1:9092 failed: port is already allocated", "listens on the port"),
    "address in use": (
        "KafkaException: Socket server failed to bind to 127.0.0.1:9092: Address already in use.",
        "listens on the port",
    ),
    "advertised address": (
        "kafka:9092/1: Failed to resolve 'kafka:9092': Temporary failure in name resolution (after 8ms in state CONNECT)",
        "advertises",
    ),
    "broker down": ("_TRANSPORT: Local: Broker transport failure", "no broker answers"),
    "all brokers down": ("KafkaError{code=_ALL_BROKERS_DOWN,val=-187,str='1/1 brokers are down'}", "no broker answers"),
    "message timed out": ("_MSG_TIMED_OUT: Local: Message timed out", "no broker answers"),
    "no topic": ("UNKNOWN_TOPIC_OR_PART: Broker: Unknown topic or partition", "topic does not exist"),
    "no topic, Spark": ("org.apache.kafka.common.errors.UnknownTopicOrPartitionException: This server", "topic does not exist"),
    "no leader": ("LEADER_NOT_AVAILABLE: Broker: Leader not available", "leader is not elected"),
    "too many replicas": (
        "INVALID_REPLICATION_FACTOR: Unable to replicate the partition 3 time(s): only 1 broker(s) are registered.",
        "more replicas",
    ),
    "queue full": ("BufferError: Local: Queue full", "faster than the broker"),
    "client begun anew": ("Failed to get watermark offsets: Local: Broker handle destroyed without termination", "begun anew"),
    "client collected": ("_DESTROY: Local: Broker handle destroyed", "collected"),
    "handle terminating": ("cimpl.KafkaException: Handle is terminating", "collected"),
    "Spark waits for a lost broker": ('{"message": "Getting offsets from KafkaV2[Subscribe[tweets_topic]]"}', "lost"),
    "topic recreated": (
        "IllegalStateException: Partition tweets_topic-0's offset was changed from 5 to 0, some data may have been missed",
        "deleted or made anew",
    ),
    "query changed": (STATE_SCHEMA, "changed on an old checkpoint"),
    "checkpoint damaged": (DAMAGED, "checkpoint is damaged"),
    "offset log damaged": ("java.lang.IllegalStateException: Incomplete log file", "checkpoint is damaged"),
    "driver's heap": (
        "trending.stream ERROR OutOfMemoryError: the driver's heap of 512 MiB is full: make up DRIVER_MB=1024",
        "the heap of Spark's driver is exhausted",
    ),
    "heap exhausted": ("Terminating due to java.lang.OutOfMemoryError: Java heap space", "heap is exhausted"),
    "clock": ("every tweet is late: clock drift of 3600 s", "clock"),
    "Windows": ("java.io.FileNotFoundException: HADOOP_HOME and hadoop.home.dir are unset", "native Windows"),
    "Windows, native": ("UnsatisfiedLinkError: org.apache.hadoop.io.nativeio.NativeIO$Windows.access0", "native Windows"),
    "image withdrawn": ("manifest for bitnami/kafka:3.4 not found: manifest unknown: manifest unknown", "withdrawn"),
    "other processor": ("exec /usr/bin/java: exec format error", "another processor"),
    "other processor, at the pull": ("no matching manifest for linux/arm64/v8 in the manifest list entries", "another processor"),
    "disk full": ("java.io.IOException: No space left on device", "full"),
    "read-only": ("java.nio.file.FileSystemException: /data/meta.properties: Read-only file system", "cannot be written"),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_every_known_symptom_is_recognised_with_a_cause_and_a_remedy(name: str) -> None:
    text, cause = SAMPLES[name]
    found = diagnose(text)
    assert found is not None
    assert cause in found.cause
    assert found.remedy


def test_a_text_without_symptom_has_no_diagnosis() -> None:
    assert diagnose("INFO Kafka Server started") is None
    assert diagnose("") is None


def test_every_row_can_match_and_says_what_to_do() -> None:
    for row in TABLE:
        assert row.pattern
        assert not re.search(row.pattern, ""), row.symptom
        assert row.cause
        assert row.remedy


@pytest.mark.row(10)
def test_memory_kill_heap_and_kill_by_hand_are_three_verdicts_with_three_remedies() -> None:
    memory = diagnose_exit(137, "", memory_killed=True)
    heap = diagnose_exit(3, "")
    by_hand = diagnose_exit(137, "")
    assert memory is not None
    assert heap is not None
    assert by_hand is not None
    assert "memory limit" in memory.cause
    assert "heap" in heap.cause
    assert "SIGKILL" in by_hand.cause
    assert len({memory.cause, heap.cause, by_hand.cause}) == 3
    assert len({memory.remedy, heap.remedy, by_hand.remedy}) == 3


@pytest.mark.parametrize("exit_code", [137, -9, -1])
def test_a_kill_looks_the_same_from_docker_python_and_supervisord(exit_code: int) -> None:
    found = diagnose_exit(exit_code, "")
    assert found is not None
    assert "SIGKILL" in found.cause


def test_other_exits_are_explained_by_the_log_or_not_at_all() -> None:
    found = diagnose_exit(1, "java.io.IOException: No space left on device")
    assert found is not None
    assert "full" in found.cause
    assert diagnose_exit(1, "nothing special") is None
    assert diagnose_exit(None, "") is None


@pytest.mark.row(10)
def test_a_kill_is_put_down_to_memory_only_as_far_as_the_kernel_tells() -> None:
    found = {known: diagnose_exit(-1, "", host_memory=known) for known in (False, True, None)}
    causes = {known: row.cause for known, row in found.items() if row is not None}
    assert "memory was not the reason" in causes[False]
    assert "OOM killer struck" in causes[True]
    assert "cannot be known" in causes[None]
    assert len({row.remedy for row in found.values() if row is not None}) == 3
    given_up = diagnose_exit(None, "", host_memory=True)
    assert given_up is not None
    assert "OOM killer" in given_up.cause
