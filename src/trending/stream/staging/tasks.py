"""The tasks' side: the rows of a partition go to the server by COPY, and a few that tell of them to the driver."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from trending.postgresql.copying import new_attempt, require_writable, stage_rows
from trending.stream.staging.rows import STAGED, UNSTAGED, divided, told

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from trending.postgresql.copying import Login

_ESCAPES = (("\x01", "\x01\x02"), ("\x00", "\x01\x01"), ("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))
"""How a text is stored (``trending.dialects.stored``), then how COPY's text format writes it, one after the other."""
PATIENCE_SECONDS = 60.0
"""How long a task tries again while the server is away: as long as the driver."""
WRITABLE = "the store can be written"


def stage(login: Login, checkpoint: str, number: int, few: int, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield what the driver gets of a partition of batch ``number``: all but its tweets, and of those a row a window.

    Fewer rows than ``few`` are not worth a connection, and go on as they are. An error is a row too: Spark would try the task
    again and make a page of text of it.
    """
    tweets: list[pa.RecordBatch] = []
    for given in batches:
        others, some = divided(given)
        yield others
        tweets.append(some)
    rows = sum(batch.num_rows for batch in tweets)
    if rows < few:
        yield from tweets
        return
    try:
        attempt = stage_rows(login, _attempts(checkpoint, number, tweets), rows, PATIENCE_SECONDS)
    except psycopg.Error as error:
        yield told(UNSTAGED, said_here(error), {0: rows})
    else:
        yield told(STAGED, attempt, _rows_by_window(tweets))


def _attempts(checkpoint: str, number: int, tweets: Sequence[pa.RecordBatch]) -> Iterator[tuple[str, Iterator[bytes]]]:
    while True:
        attempt = new_attempt()
        yield attempt, (lines_of(checkpoint, number, attempt, batch) for batch in tweets if batch.num_rows)


def lines_of(checkpoint: str, number: int, attempt: str, tweets: pa.RecordBatch) -> bytes:
    """Return rows in COPY's text format, made by columns."""
    hashtags = tweets.column("label")
    for plain, escaped in _ESCAPES:
        hashtags = pc.replace_substring(hashtags, plain, escaped)
    windows, counts = (tweets.column(name).cast(pa.string()) for name in ("window_start", "records"))
    key = pa.scalar(f"{checkpoint}\t{number}\t{attempt}")
    lines = pc.binary_join_element_wise(key, windows, hashtags, counts, "\t")
    text: str = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines), "\n")[0].as_py()
    return f"{text}\n".encode()


def _rows_by_window(tweets: Sequence[pa.RecordBatch]) -> dict[int, int]:
    counted = pa.Table.from_batches(tweets).group_by("window_start").aggregate([("label", "count")])
    return dict(zip(counted["window_start"].to_pylist(), counted["label_count"].to_pylist(), strict=True))


def said_here(error: psycopg.Error) -> str:
    """Return what the server said, and to which machine, in a line."""
    return f"from {platform.node()}: {' '.join(str(error).split())}"


def look_at_store(login: Login, _records: Iterable[int]) -> Iterator[str]:
    """Yield ``WRITABLE`` where this executor can write to the staging table, and why not otherwise."""
    try:
        require_writable(login)
    except psycopg.Error as error:
        yield said_here(error)
    else:
        yield WRITABLE
