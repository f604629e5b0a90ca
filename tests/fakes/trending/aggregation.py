"""What Spark's aggregation hands to the sink, made of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from trending.kafka.packed_offsets import pack
from trending.stream.staging.rows import ARROW

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = tuple[str, int, str, int, bytes, int]
"""Kind, window start in seconds, label, partition, packed offsets, number of records."""
MINUTE = 1765845060
OTHERS: list[Row] = [
    ("untagged", MINUTE, "", -1, b"", 3),
    ("foreign", MINUTE, "", -1, b"", 5),
    ("reject", MINUTE, "late", 0, pack([9]), 1),
]
"""What is no tweet: a task hands it on as it is."""


def table_of(rows: Sequence[Row]) -> pa.Table:
    """Return the rows as columns."""
    return pa.table([[row[place] for row in rows] for place in range(len(ARROW))], schema=ARROW)
