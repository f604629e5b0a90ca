"""The streaming job: Kafka → Arrow decoding → counts by window and hashtag → dead letters, serving store, printed ranking."""

from __future__ import annotations

import json
import logging
import os
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from filelock import FileLock, Timeout
from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark.errors import PySparkException, StreamingQueryException
from pyspark.sql import functions as F  # noqa: N812 - the name every Spark programmer knows

from trending.errors import ConfigurationConflict, LabError, NotReady
from trending.kafka.log_reader import topic_id
from trending.kafka.log_start import LogStartWatch
from trending.kafka.shown_offsets import ShownOffsets
from trending.places.answers import told_by_hadoop
from trending.places.objects import ObjectPlace
from trending.programs.heartbeat import write_heartbeat
from trending.programs.refused import NAME as REFUSED
from trending.programs.refused import note_refused
from trending.serving.store import WRITE_SECONDS, Store
from trending.stream.catching_up import most_offsets, watermark_seconds
from trending.stream.checkpoint import committed_offsets, ends_of_batch, passed_by
from trending.stream.completeness import require_counted, require_nothing_dropped
from trending.stream.dead_letters import DeadLetters
from trending.stream.decoder import SCHEMA, decode_batches
from trending.stream.progress import ProgressListener
from trending.stream.session import HEAP_EXHAUSTED, build_session, clear_scratch, jvm_exit_code
from trending.stream.sink import Pruning, RankingSink
from trending.stream.soundness import damaged_by, require_sound, tells_of_damage
from trending.stream.staging.driver import Collection

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

    from trending.programs.specifications import StreamSpec

logger = logging.getLogger("trending.stream")

BROKER_OPTIONS = {
    "kafka.default.api.timeout.ms": "10000",
    "kafka.request.timeout.ms": "5000",
    "fetchOffset.numRetries": "1",
    "kafka.max.poll.records": "5000",
    "kafka.max.partition.fetch.bytes": "65536",
    "kafka.fetch.max.wait.ms": "10",
}
"""With Spark's defaults a lost broker goes unnoticed for 184 s; with these the query fails after 11 s and is started again.

After each poll Spark asks the broker for the partition's beginning and end, so a poll must be worth it. All that it hands out
stands decompressed in the heap: at most one answer of the broker, 64 KiB in the log or one larger batch (docs/decisions/0126).

Its questions wait behind the next fetch, which the consumer has sent by then: at the log's end the broker keeps that for the time
given here, by default half a second, and answers no other question of the connection (docs/decisions/0171)."""
BATCH_SECONDS = 15.0
"""Half of what the supervisor waits before it kills: the query's own end and the JVM's have the other half."""
MAX_BACKOFF_SECONDS = 10.0
ABSENT_LOOKS = 4
ABSENT_PAUSE_SECONDS = 2.0
"""All looks together take less than a heartbeat may be old."""
LOST_BROKER = ("TimeoutException", "DisconnectException", "UnknownTopicOrPartition", "LeaderNotAvailable")
"""Kafka exceptions that a restart of the query can heal; everything else ends the job with its cause."""


def count_hashtags(session: SparkSession, spec: StreamSpec) -> DataFrame:
    """Return the streaming aggregation: kind, window start in seconds, label, partition, offsets, records."""
    offsets = {spec.topic: {str(partition): offset for partition, offset in spec.start_offsets.items()}}
    source = (
        session.readStream.format("kafka")
        .options(**BROKER_OPTIONS, **spec.connection.spark_options())
        .option("subscribe", spec.topic)
        .option("startingOffsets", json.dumps(offsets))
        .option("maxOffsetsPerTrigger", most_offsets(spec))
        .load()
        .select("partition", "offset", "timestamp", "value")
    )
    rule = spec.settings.rule
    return (
        source.mapInArrow(partial(decode_batches, rule), SCHEMA)
        .withWatermark("time", f"{watermark_seconds(spec)} seconds")
        .groupBy(F.window("time", f"{rule.window_seconds} seconds"), "kind", "label", "partition", "offsets")
        .agg(F.sum("records").alias("records"))
        .select("kind", F.unix_seconds("window.start").alias("window_start"), "label", "partition", "offsets", "records")
    )


def start_query(spec: StreamSpec, counts: DataFrame, sink: Callable[[DataFrame, int], None]) -> StreamingQuery:
    """Start the query in update mode; its first batch runs at once, the next ones at each trigger."""
    return (
        counts.writeStream.queryName("ranking")
        .outputMode("update")
        .foreachBatch(sink)
        .option("checkpointLocation", spec.checkpoint_uri)
        .trigger(processingTime=f"{round(spec.settings.trigger_seconds * 1000)} milliseconds")
        .start()
    )


def watch(query: StreamingQuery, progress: ProgressListener, spec: StreamSpec, stop: threading.Event) -> None:
    """Beat until the query ends, or until ``stop`` is set and the batch at hand is over.

    Raises the query's exception, and ConfigurationConflict once Spark drops groups.
    """
    while query.isActive and not stop.is_set():
        if progress.dropped:
            query.stop()
            require_nothing_dropped(spec, progress.dropped)
        figures = {**progress.figures(), "trigger_seconds": spec.settings.trigger_seconds}
        write_heartbeat(spec.heartbeat, "running", figures, query.status["message"])
        stop.wait(0.25)
    if stop.is_set():
        let_batch_end(query, progress, spec)
        query.stop()
        return
    query.awaitTermination(1)


def let_batch_end(query: StreamingQuery, progress: ProgressListener, spec: StreamSpec) -> None:
    """Wait until the batch at hand is committed, for ``BATCH_SECONDS`` at most: cut short, all of it would run again."""
    ended = progress.batches
    deadline = time.monotonic() + BATCH_SECONDS
    while query.isActive and query.status["isTriggerActive"] and progress.batches == ended:
        if time.monotonic() >= deadline:
            logger.warning("the batch at hand takes longer than %.0f s; the next start runs it again", BATCH_SECONDS)
            return
        write_heartbeat(spec.heartbeat, "ending the batch", progress.figures(), query.status["message"])
        time.sleep(0.1)


def is_lost_broker(error: StreamingQueryException) -> bool:
    """Tell whether the query failed for want of a broker, which passes, or for a reason that stays."""
    text = str(error)
    return any(name in text for name in LOST_BROKER) and "changed from" not in text


def require_same_topic(spec: StreamSpec, stop: threading.Event) -> None:
    """Raise ConfigurationConflict when the topic was deleted or made anew: its offsets mean nothing any more.

    The job stops then and never starts from the beginning by itself. A broker that does not answer says nothing either way; one
    that denies the topic is asked again for a while: a restarted broker answers before its controller has told it what exists.
    """
    for look in range(ABSENT_LOOKS):
        if look and stop.wait(ABSENT_PAUSE_SECONDS):
            return
        try:
            found = topic_id(spec.connection, spec.topic)
        except NotReady:
            return
        if found is not None:
            break
    if found != spec.topic_id:
        cause = f"the topic {spec.topic} was deleted" + (" and made anew" if found else "") + " while the stream ran"
        evidence = f"topic id {found}, the checkpoint's is {spec.topic_id}"
        raise ConfigurationConflict(cause, evidence, "make down VOLUMES=1, then make up")


def _write(sink: Callable[[DataFrame, int], None], refusals: list[LabError], frame: DataFrame, number: int) -> None:
    """Call the sink and keep its error: Spark passes on no more of it than a text."""
    try:
        sink(frame, number)
    except LabError as error:
        refusals.append(error)
        raise


def run_job(spec: StreamSpec, stop: threading.Event, sink: Callable[[DataFrame, int], None], store: Store) -> None:
    """Run the query until ``stop``; a lost broker restarts it with back-off, anything else raises LabError."""
    write_heartbeat(spec.heartbeat, "starting the session")
    require_sound(spec.checkpoint, spec.topic)
    require_counted(spec, store)
    session = build_session(spec, stop)
    progress = ProgressListener(
        lambda run, groups: store.note_dropped(spec.checkpoint_id, run, groups),
        committed_offsets(spec.checkpoint, spec.topic),
    )
    session.streams.addListener(progress)
    backoff = 1.0
    refusals: list[LabError] = []
    while not stop.is_set():
        batches = progress.batches
        try:
            counts = count_hashtags(session, spec)
            watch(start_query(spec, counts, partial(_write, sink, refusals)), progress, spec, stop)
        except (StreamingQueryException, NotReady) as error:
            require_same_topic(spec, stop)
            failure = refusals.pop() if refusals else error
            if isinstance(failure, LabError) and not isinstance(failure, NotReady):
                raise failure from error
            if isinstance(failure, StreamingQueryException) and not is_lost_broker(failure):
                raise _query_failed(failure, spec) from error
            backoff = 1.0 if progress.batches > batches else min(backoff * 2, MAX_BACKOFF_SECONDS)
            logger.warning("the broker is lost; the query starts again in %.0f s", backoff)
            write_heartbeat(spec.heartbeat, "broker lost", progress.figures())
            stop.wait(backoff)
    session.stop()
    write_heartbeat(spec.heartbeat, "stopped", progress.figures())


def main(spec: StreamSpec, stop: threading.Event) -> None:
    """Run the job alone on its checkpoint; a second job on the same one is refused.

    That is by a lock on this machine. A job elsewhere is not seen: whoever starts later has the checkpoint by the store's token.
    """
    spec.lock.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(spec.lock, timeout=0)
    try:
        held = lock.acquire()
    except Timeout as error:
        cause = f"another job runs on the checkpoint {spec.checkpoint}"
        raise ConfigurationConflict(cause, str(error), "make status") from error
    with held, closing(Store(spec.store, WRITE_SECONDS)) as store:
        clear_scratch(spec)
        store.hold(spec.checkpoint_id)
        known = store.dead_letter_offset(spec.checkpoint_id)
        noted = partial(note_refused, spec.heartbeat.with_name(REFUSED))
        letters = DeadLetters(spec.connection, spec.topic, spec.dead_letters, known, noted)
        ends_of = partial(ends_of_batch, spec.checkpoint, spec.topic)
        shown = ShownOffsets(spec.connection, spec.group, spec.topic)
        show = partial(print, flush=True)
        settings = spec.settings
        passed = partial(passed_by, spec.checkpoint, settings.window_seconds)
        look = LogStartWatch(spec.connection, spec.topic).look
        pruning = Pruning(settings.ranking_days, look, settings.ranking_hashtags, passed)
        collect = Collection(spec).collect
        sink = RankingSink(store, spec.checkpoint_id, letters, settings.zone, show, ends_of, shown.commit, pruning, collect)
        try:
            run_job(spec, stop, sink, store)
        except (Py4JNetworkError, ConnectionError) as error:
            _end_without_jvm(error, jvm_exit_code(), spec)
        except (Py4JError, PySparkException) as error:
            # A call that was under way when the JVM died ends like one that it refused.
            if (exit_code := jvm_exit_code()) is not None:
                _end_without_jvm(error, exit_code, spec)
            raise _refused(error, spec) from error


def _query_failed(error: Exception, spec: StreamSpec) -> LabError:
    return _of_checkpoint(error, spec) or LabError("the streaming query failed", str(error), "make status")


def _refused(error: Exception, spec: StreamSpec) -> LabError:
    return _of_checkpoint(error, spec) or LabError("Spark refused the job", str(error), "make status")


def _of_checkpoint(error: Exception, spec: StreamSpec) -> LabError | None:
    """Return the error where Spark could not use the checkpoint: an object store that is away is no damage."""
    text = str(error)
    if isinstance(spec.checkpoint, ObjectPlace) and (said := told_by_hadoop(text)):
        return NotReady(f"the checkpoint {spec.checkpoint} cannot be used", said, "make up looks what is wrong with it")
    said = tells_of_damage(text)
    return damaged_by(spec.checkpoint, said) if said else None


def _end_without_jvm(error: Exception, exit_code: int | None, spec: StreamSpec) -> NoReturn:
    """End at once: with its JVM gone, PySpark's own clean-up at exit would wait for answers that never come."""
    if exit_code == HEAP_EXHAUSTED:
        wanted = 2 * spec.settings.driver_mb
        logger.error("OutOfMemoryError: the driver's heap of %d MiB is full: make up DRIVER_MB=%d", wanted // 2, wanted)
    else:
        logger.error("the driver's JVM is gone: %s", error)
    time.sleep(0.1)
    os._exit(1)
