"""The streaming job of the usual tutorial: from_json, a window, a count, each batch collected and printed.

Arguments: bootstrap, topic. Run by spark-submit, with Spark's own defaults; it prints a block between rules as ours does.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812 - the name every Spark programmer knows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SCHEMA = "usuario string, texto string, hashtag_principal string, timestamp double"


def show(batch: DataFrame, number: int) -> None:
    """Print the batch, highest count first."""
    rows = batch.orderBy(F.desc("num_ocurrencias")).collect()
    if rows:
        lines = [f"{row['hashtag_principal']} {row['num_ocurrencias']}" for row in rows]
        print("=====", f"Batch {number}", *lines, "=====", sep="\n", flush=True)


def count(source: DataFrame) -> DataFrame:
    """Return the counts by minute and hashtag of what is read from Kafka."""
    tweets = source.select(F.from_json(F.col("value").cast("string"), SCHEMA).alias("tweet")).select("tweet.*")
    return (
        tweets.filter(F.col("hashtag_principal").isNotNull())
        .withColumn("processed", F.current_timestamp())
        .withWatermark("processed", "1 minute")
        .groupBy(F.window("processed", "1 minute"), "hashtag_principal")
        .agg(F.count("*").alias("num_ocurrencias"))
    )


def main() -> None:
    """Count hashtags by minute."""
    bootstrap, topic = sys.argv[1:]
    session = SparkSession.builder.appName("TrendingTopics").getOrCreate()
    session.sparkContext.setLogLevel("WARN")
    source = session.readStream.format("kafka").option("kafka.bootstrap.servers", bootstrap).option("subscribe", topic).load()
    query = count(source).writeStream.outputMode("update").foreachBatch(show).trigger(processingTime="10 seconds").start()
    query.awaitTermination()


if __name__ == "__main__":
    main()
