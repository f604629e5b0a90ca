"""What Spark's aggregation hands to the sink, made of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = tuple[str, int, str, int, bytes, int]
"""Kind, window start in seconds, label, partition, packed offsets, number of records."""
_SCHEMA = pa.schema(
    [
        ("kind", pa.string()),
        ("window_start", pa.int64()),
        ("label", pa.string()),
        ("partition", pa.int32()),
        ("offsets", pa.binary()),
        ("records", pa.int64()),
    ]
)


def table_of(rows: Sequence[Row]) -> pa.Table:
    """Return the rows as columns."""
    return pa.table([[row[place] for row in rows] for place in range(len(_SCHEMA))], schema=_SCHEMA)
