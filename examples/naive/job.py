"""The streaming job of the usual tutorial. It runs, it prints a ranking, and it has a bug: find it.

It counts hashtags by window in update mode, and takes each batch for the ranking.
"""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812 - the name every Spark programmer knows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SCHEMA = "usuario string, texto string, hashtag_principal string, timestamp double"
LENGTH = f"{os.environ.get('WINDOW_SECONDS', '60')} seconds"
BATCH = os.environ.get("BATCH", "100")
"""At most so many messages a batch."""


def read(session: SparkSession) -> DataFrame:
    """Read the topic from its beginning."""
    source = session.readStream.format("kafka").option("kafka.bootstrap.servers", os.environ["KAFKA_BOOTSTRAP"])
    source = source.option("subscribe", os.environ["KAFKA_TOPIC"]).option("startingOffsets", "earliest")
    return source.option("maxOffsetsPerTrigger", BATCH).load()


def count(messages: DataFrame) -> DataFrame:
    """Count the tweets of each window by hashtag."""
    tweet = F.from_json(F.col("value").cast("string"), SCHEMA)
    tweets = messages.select(F.col("timestamp").alias("arrival"), tweet.alias("tweet")).filter("tweet.hashtag_principal != ''")
    by_event = os.environ.get("WINDOW_TIME") == "event"
    time = F.col("tweet.timestamp").cast("timestamp") if by_event else F.col("arrival")
    timed = tweets.select(time.alias("time"), F.col("tweet.hashtag_principal").alias("hashtag"))
    return timed.withWatermark("time", "1 minute").groupBy(F.window("time", LENGTH), "hashtag").count()


def show(batch: DataFrame, number: int) -> None:
    """Print the batch as the ranking of its windows, and keep it as that."""
    counts = batch.select(F.col("window.start").cast("long").alias("start"), "hashtag", "count")
    rows = counts.orderBy("start", F.desc("count"), "hashtag").collect()
    if not rows:
        return
    for start in sorted({row["start"] for row in rows}):
        ranking = [f"{row['hashtag']} {row['count']}" for row in rows if row["start"] == start]
        print(f"batch {number}, window {datetime.fromtimestamp(start, UTC):%H:%M:%S}: {', '.join(ranking)}", flush=True)
    if "RESULTS_FILE" in os.environ:
        keep([(row["start"], row["hashtag"], row["count"]) for row in rows])


def keep(rows: list[tuple[int, str, int]]) -> None:
    """Replace the rankings of the windows that the batch has."""
    with sqlite3.connect(os.environ["RESULTS_FILE"]) as database:
        database.execute("CREATE TABLE IF NOT EXISTS ranking (window, hashtag, count)")
        database.executemany("DELETE FROM ranking WHERE window = ?", [(start,) for start in {row[0] for row in rows}])
        database.executemany("INSERT INTO ranking VALUES (?, ?, ?)", rows)
    database.close()


def main() -> None:
    """Count until the end of the topic with ``ONCE=1``, for ever without it."""
    session = SparkSession.builder.appName("naive").config("spark.sql.shuffle.partitions", "2").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    query = count(read(session)).writeStream.outputMode("update").foreachBatch(show)
    query = query.trigger(availableNow=True) if os.environ.get("ONCE") else query.trigger(processingTime="1 second")
    query.start().awaitTermination()


if __name__ == "__main__":
    main()
