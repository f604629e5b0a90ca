"""The staging table: what Spark's tasks have written of a batch, which the driver merges into the counts in its transaction.

A row has the checkpoint, the batch and the attempt that has written it. Only attempts that the driver was told of are merged.
What a failed task or a late driver has left counts for nothing, and goes with the next batch.

It is logged, as the counts are: a crash of the server empties tables that aren't, and the tasks would have to run again with the
state that they change. It is no table of ``metadata``, because a store in a file has none, nor has a copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from sqlalchemy import BigInteger, Column, MetaData, Table, Uuid, exists, make_url, select
from sqlalchemy.exc import OperationalError

from trending.dialects import EveryText, Name, upsert_larger_from
from trending.errors import LabError
from trending.postgresql.copying import NAME, Login
from trending.postgresql.engine import connection_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from trending.postgresql.place import PostgresPlace

LATE = MetaData()
"""Tables that a schema of the same form may lack, since an earlier version of the lab has made it."""
STAGED = Table(
    NAME,
    LATE,
    Column("checkpoint", Name, nullable=False),
    Column("batch", BigInteger, nullable=False),
    Column("attempt", Uuid, nullable=False),
    Column("window_start", BigInteger, nullable=False),
    Column("hashtag", EveryText, nullable=False),
    Column("tweets", BigInteger, nullable=False),
)


def login(place: PostgresPlace) -> Login:
    """Return what the tasks need to get into a stack's schema."""
    url = make_url(place.url)
    named = {**url.translate_connect_args(database="dbname", username="user"), **url.query}
    return Login({**named, **connection_parameters(place)}, str(place))


def merge(
    connection: Connection, into: Table, checkpoint: str, batch: int, staged: Mapping[str, int], *, written_before: bool
) -> None:
    """Merge the rows of the attempts, ``staged`` attempt → its number of rows; the larger count stays.

    Raises LabError unless there are as many. Of a batch that was ``written_before`` there may be none any more: its commit stayed
    unanswered, and has taken them along.
    """
    if not staged:
        return
    select_them = (
        f"SELECT checkpoint, window_start, hashtag, tweets, batch FROM {NAME} "  # noqa: S608 - our own name
        "WHERE checkpoint = %s AND batch = %s AND attempt = ANY(%s::uuid[]) ORDER BY window_start, hashtag"
    )
    merged = upsert_larger_from(connection, into, select_them, (checkpoint, batch, list(staged)))
    expected = sum(staged.values())
    if merged != expected and not (written_before and merged == 0):
        cause = f"the rows that the tasks of batch {batch} have staged are not all there"
        evidence = f"{expected} rows of {len(staged)} attempts were reported, {merged} are in {NAME}; none is counted"
        raise LabError(cause, evidence, "make status: the job starts again and counts the batch from the log")


def clear(connection: Connection) -> None:
    """Empty the table; an attempt that is still writing leaves its rows for the next time.

    Truncated it takes no space, and leaves nothing to vacuum. Whoever looks at the table, such as a dump, isn't waited for: then
    its rows are deleted.
    """
    if not connection.execute(select(exists().select_from(STAGED))).scalar_one():
        return
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"LOCK TABLE {NAME} IN ACCESS EXCLUSIVE MODE NOWAIT")
    except OperationalError as error:
        if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
            raise
        connection.execute(STAGED.delete())
    else:
        connection.exec_driver_sql(f"TRUNCATE {NAME}")
