"""A store as one file of SQLite's, wherever it is: what a report keeps, and `make replay-demo` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from trending.database import as_of_one_moment, copy_sqlite, open_sqlite
from trending.errors import REBUILD
from trending.opened_store import watched_store
from trending.postgresql.place import PostgresPlace
from trending.serving.counts import metadata
from trending.serving.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from trending.opened_store import StorePlace

COPIED_ROWS = 10_000


def copy_store(place: StorePlace, target: Path) -> None:
    """Write what a store holds at this moment into the new file ``target``, with everything in one file and no log beside it."""
    if not isinstance(place, PostgresPlace):
        copy_sqlite(place, target)
        return
    Store(target).close()
    source, file = watched_store(place), open_sqlite(target, REBUILD)
    try:
        with as_of_one_moment(source.engine) as read, file.begin() as written:
            for table in metadata.sorted_tables:
                found = read.execution_options(stream_results=True).execute(select(table))
                for some in found.mappings().partitions(COPIED_ROWS):
                    written.execute(table.insert(), [dict(row) for row in some])
        with file.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=DELETE")
    finally:
        source.close()
        file.dispose()
