"""A Spark driver that stays, so that rows 6, 7, 13 and 18 compare work in one warm JVM. Its session is the streaming job's.

Argument: the file of the job's specification. Then a line of JSON in for each piece of work, ``{"work": …, "spec": path}``,
and one out, ``{"seconds": …}``. The works:

- ``ranking``: the streaming job, from the log to the ranking in the store;
- ``noop``: Spark reads the same columns into its ``noop`` sink;
- ``untouched``: it hands them to Python and back first;
- ``tutorial``: the tutorial's job, without its pauses;
- ``decoded``: the job's decoder and counts as one batch, without state, store or checkpoint.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from contextlib import closing, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - the name every Spark programmer knows

from benchmarks import tutorial_job
from trending.kafka.log_start import LogStartWatch
from trending.programs.specifications import StreamSpec
from trending.serving.epochs import Epoch
from trending.serving.store import Store
from trending.stream.checkpoint import ends_of_batch, passed_by
from trending.stream.dead_letters import DeadLetters
from trending.stream.decoder import SCHEMA as DECODED
from trending.stream.decoder import decode_batches
from trending.stream.job import BROKER_OPTIONS, count_hashtags
from trending.stream.session import build_session
from trending.stream.sink import Pruning, RankingSink
from trending.stream.staging.driver import Collection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery
    from pyspark.sql.streaming.readwriter import DataStreamWriter

ANSWER = "answer "
COLUMNS = ("partition", "offset", "timestamp", "value")
SCHEMA = "partition int, offset bigint, timestamp timestamp, value binary"


def rank(session: SparkSession, spec: StreamSpec) -> None:
    """Count the whole topic with the job's own query and sink, into a fresh store under a fresh checkpoint."""
    with closing(Store(spec.store)) as store:
        key = Epoch(spec.checkpoint_id, spec.checkpoint_id, spec.topic, spec.topic_id, spec.start_offsets, {}, spec.settings.rule)
        store.take_over(key)
        letters = DeadLetters(spec.connection, spec.topic, spec.dead_letters, 0)
        ends_of = partial(ends_of_batch, spec.checkpoint, spec.topic)
        passed = partial(passed_by, spec.checkpoint, spec.settings.window_seconds)
        look = LogStartWatch(spec.connection, spec.topic).look
        pruning = Pruning(spec.settings.ranking_days, look, spec.settings.ranking_hashtags, passed)
        collect = Collection(spec).collect
        sink = RankingSink(store, spec.checkpoint_id, letters, spec.settings.zone, print, ends_of, _show_nobody, pruning, collect)
        writer = count_hashtags(session, spec).writeStream.queryName("ranking").outputMode("update").foreachBatch(sink)
        _run(writer, Path(str(spec.checkpoint)))


def read_into_noop(session: SparkSession, spec: StreamSpec) -> None:
    """Read the job's columns of the whole topic into Spark's ``noop`` sink."""
    _noop(_source(session, spec))


def hand_to_python(session: SparkSession, spec: StreamSpec) -> None:
    """Hand the job's columns to Python and back before they end in ``noop``."""
    _noop(_source(session, spec).mapInArrow(_untouched, SCHEMA))


def follow_the_tutorial(session: SparkSession, spec: StreamSpec) -> None:
    """Run the tutorial's job over the whole topic."""
    reader = session.readStream.format("kafka").option("kafka.bootstrap.servers", spec.bootstrap).option("subscribe", spec.topic)
    counts = tutorial_job.count(reader.option("startingOffsets", "earliest").load())
    _run(counts.writeStream.outputMode("update").foreachBatch(tutorial_job.show), Path(str(spec.checkpoint)))


def decode(session: SparkSession, spec: StreamSpec) -> None:
    """Decode the whole topic and add the counts up as the job does, which is the part of it that grows with tweets alone."""
    rule = spec.settings.rule
    counts = (
        _source(session, spec)
        .mapInArrow(partial(decode_batches, rule), DECODED)
        .groupBy(F.window("time", f"{rule.window_seconds} seconds"), "kind", "label", "partition", "offsets")
        .agg(F.sum("records"))
    )
    _noop(counts)


WORKS: Mapping[str, Callable[[SparkSession, StreamSpec], None]] = {
    "ranking": rank,
    "noop": read_into_noop,
    "untouched": hand_to_python,
    "tutorial": follow_the_tutorial,
    "decoded": decode,
}


def _untouched(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield from batches


def _show_nobody(_ends: Mapping[int, int]) -> None:
    """Show no consumer group: each measurement would leave one."""


def _source(session: SparkSession, spec: StreamSpec) -> DataFrame:
    options = {**BROKER_OPTIONS, **spec.connection.spark_options()}
    return session.read.format("kafka").options(**options).option("subscribe", spec.topic).load().select(*COLUMNS)


def _noop(frame: DataFrame) -> None:
    frame.write.format("noop").mode("overwrite").save()


def _run(writer: DataStreamWriter, checkpoint: Path) -> None:
    query: StreamingQuery = writer.option("checkpointLocation", f"file://{checkpoint}").trigger(availableNow=True).start()
    query.awaitTermination()


def fresh(spec: StreamSpec, place: Path) -> StreamSpec:
    """Return the specification with a store and a checkpoint of its own in an empty directory."""
    return spec.model_copy(update={"store": place / "store.sqlite", "checkpoint": place / spec.checkpoint_id})


def main() -> None:
    """Do what each line asks for until there is none."""
    spec = StreamSpec.load(Path(sys.argv[1]))
    spec.scratch.mkdir(parents=True, exist_ok=True)
    # What Spark and the tutorial print goes to the errors: the answers have the output for themselves.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with redirect_stdout(sys.stderr):
        session = build_session(spec)
        for line in sys.stdin:
            asked = json.loads(line)
            place = Path(tempfile.mkdtemp(dir=spec.scratch))
            chosen = fresh(StreamSpec.load(Path(asked["spec"])), place)
            began = time.monotonic()
            WORKS[asked["work"]](session, chosen)
            seconds = time.monotonic() - began
            shutil.rmtree(place)
            answers.write(f"{ANSWER}{json.dumps({'seconds': seconds})}\n")
            answers.flush()
        session.stop()


if __name__ == "__main__":
    main()
