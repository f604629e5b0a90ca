"""A second Spark job on the same topic, with a checkpoint of its own: how many tweets each author has written.

Spark keeps its offsets in the checkpoint and not in Kafka. So two jobs on a topic take nothing from each other: each reads all.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812 - the name every Spark programmer knows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def count(messages: DataFrame) -> DataFrame:
    """Count the tweets by author."""
    author = F.get_json_object(F.col("value").cast("string"), "$.usuario").alias("author")
    return messages.select(author).filter("author != ''").groupBy("author").count()


def keep(batch: DataFrame, _number: int) -> None:
    """Write the changed counts over the earlier ones: they are absolute, so a batch that comes again changes nothing."""
    rows = [tuple(row) for row in batch.collect()]
    with sqlite3.connect(os.environ["RESULTS_FILE"]) as database:
        database.execute("CREATE TABLE IF NOT EXISTS authors (author PRIMARY KEY, tweets)")
        database.executemany("INSERT OR REPLACE INTO authors VALUES (?, ?)", rows)
    database.close()
    print(f"{len(rows)} authors have changed", flush=True)


def main() -> None:
    """Count until the end of the topic with ``ONCE=1``, for ever without it."""
    session = SparkSession.builder.appName("authors").config("spark.sql.shuffle.partitions", "2").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    source = session.readStream.format("kafka").option("kafka.bootstrap.servers", os.environ["KAFKA_BOOTSTRAP"])
    messages = source.option("subscribe", os.environ["KAFKA_TOPIC"]).option("startingOffsets", "earliest").load()
    query = count(messages).writeStream.outputMode("update").option("checkpointLocation", os.environ["CHECKPOINT"])
    query = query.trigger(availableNow=True) if os.environ.get("ONCE") else query.trigger(processingTime="5 seconds")
    query.foreachBatch(keep).start().awaitTermination()


if __name__ == "__main__":
    main()
