"""The rows that a task hands to the driver where it writes the others itself: those of the aggregation, and three more kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from trending.tweets.rule import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

STAGED = "staged"
"""A row says how many rows of a window are staged. Its label is the attempt."""
FILED = "filed"
"""A row says how many rows are in a file. Its label is the file's name."""
UNSTAGED = "unstaged"
"""A row says why a task's rows are not: its label is what the server or the disk said."""
SCHEMA = "kind string, window_start bigint, label string, partition int, offsets binary, records bigint"
ARROW = pa.schema(
    [
        ("kind", pa.string()),
        ("window_start", pa.int64()),
        ("label", pa.string()),
        ("partition", pa.int32()),
        ("offsets", pa.binary()),
        ("records", pa.int64()),
    ]
)


def divided(given: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """Return what is no tweet, and the tweets, both in one schema: Spark's own says of a column, too, whether it can be null."""
    batch = pa.RecordBatch.from_arrays(given.columns, schema=ARROW)
    is_tweet = pc.equal(batch.column("kind"), Kind.TWEET.value)
    return batch.filter(pc.invert(is_tweet)), batch.filter(is_tweet)


def told(kind: str, label: str, rows: Mapping[int, int]) -> pa.RecordBatch:
    """Return the rows that tell the driver of a task's; ``rows`` are window → number."""
    columns = [[kind] * len(rows), list(rows), [label] * len(rows), [-1] * len(rows), [b""] * len(rows), list(rows.values())]
    return pa.RecordBatch.from_arrays(
        [pa.array(column, type=field.type) for column, field in zip(columns, ARROW, strict=True)], schema=ARROW
    )
