"""``python -m pairs.counter ORDER``: several streaming jobs on one JVM, each with its own trigger and shuffle partitions.

They are the lab's own, store and dead letters included; only their session is lent. Once standard input is closed they end, and
each log is counted in a batch.
"""

from __future__ import annotations

import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel
from pyspark.sql import functions as F  # noqa: N812 - the name every Spark programmer knows

from trending.programs.specifications import StreamSpec
from trending.stream import job
from trending.stream.decoder import SCHEMA, decode_batches
from trending.stream.session import build_session, clear_scratch
from trending.tweets.rule import Kind

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Counted(BaseModel):
    """What a batch has counted: (window start, hashtag, tweets) in the order of the ranking, and the other records by label."""

    ranked: list[tuple[int, str, int]]
    rejected: dict[str, int]
    untagged: int


class Order(BaseModel):
    """``host`` is the specification whose session all of them share; the results are written to ``results``."""

    host: StreamSpec
    jobs: list[StreamSpec]
    results: Path


class Results(BaseModel):
    """In the order of the jobs."""

    batches: list[Counted]


def lent(session: SparkSession, spec: StreamSpec) -> SparkSession:
    """Return a session of the job's own on the JVM that is there, which the job does not end."""
    own = session.newSession()
    own.conf.set("spark.sql.shuffle.partitions", str(spec.settings.shuffle_partitions))
    own.stop = lambda: None  # type: ignore[method-assign]
    return own


def count_in_a_batch(session: SparkSession, spec: StreamSpec) -> Counted:
    """Count the whole log by a query that no stream knows."""
    rule = spec.settings.rule
    log = (
        session.read.format("kafka")
        .options(**spec.connection.spark_options())
        .option("subscribe", spec.topic)
        .option("startingOffsets", "earliest")
        .option("endingOffsets", "latest")
        .load()
        .select("partition", "offset", "timestamp", "value")
    )
    window = F.unix_seconds(F.window("time", f"{rule.window_seconds} seconds").start)
    rows = (
        log.mapInArrow(partial(decode_batches, rule), SCHEMA)
        .select("kind", F.when(F.col("kind") == Kind.TWEET.value, window).alias("window"), "label", "records")
        .groupBy("kind", "window", "label")
        .agg(F.sum("records").alias("records"))
        .orderBy("window", F.desc("records"), "label")
        .collect()
    )
    ranked = [(row.window, row.label, row.records) for row in rows if row.kind == Kind.TWEET.value]
    rejected = {row.label: row.records for row in rows if row.kind == Kind.REJECT.value}
    return Counted(ranked=ranked, rejected=rejected, untagged=sum(row.records for row in rows if row.kind == Kind.UNTAGGED.value))


def count(spec: StreamSpec, stop: threading.Event) -> None:
    """Run a job; one that fails ends the others."""
    try:
        job.main(spec, stop)
    except BaseException:
        traceback.print_exc()
        stop.set()
        raise


def await_end(stop: threading.Event) -> None:
    """Set ``stop`` once standard input is closed."""
    sys.stdin.read()
    stop.set()


def main(path: Path) -> None:
    order = Order.model_validate_json(path.read_bytes())
    order.host.heartbeat.parent.mkdir(parents=True)
    clear_scratch(order.host)
    session = build_session(order.host)
    setattr(job, "build_session", lambda spec, _stop=None: lent(session, spec))  # noqa: B010 - the job's module does not export it
    stop = threading.Event()
    threading.Thread(target=await_end, args=(stop,), daemon=True).start()
    with ThreadPoolExecutor(len(order.jobs)) as pool:
        for ended in [pool.submit(count, spec, stop) for spec in order.jobs]:
            ended.result()
    with ThreadPoolExecutor(2) as pool:
        batches = list(pool.map(lambda spec: count_in_a_batch(lent(session, spec), spec), order.jobs))
    order.results.write_text(Results(batches=batches).model_dump_json(), encoding="utf-8")
    session.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
