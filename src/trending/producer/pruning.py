"""Pruning the ledger: of records that retention has taken out of the log only their number is kept, by run and partition.

An audit compares ids and minutes with the log, and the log has neither any more. A run's row stays, so that its ids stay known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trending.dialects import run_sql
from trending.settings import MINUTE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

    from trending.kafka.log_start import LogStart

MOST_ROWS = 50_000
"""Rows of each table that one pruning deletes; a minute's counts go whole."""
_RUNS = """
SELECT run FROM runs WHERE topic_id = ?{own} AND (
    EXISTS (SELECT 1 FROM acked WHERE acked.run = runs.run) OR EXISTS (SELECT 1 FROM unplaced WHERE unplaced.run = runs.run)
    OR EXISTS (SELECT 1 FROM counts WHERE counts.run = runs.run) OR EXISTS (SELECT 1 FROM spread WHERE spread.run = runs.run))
ORDER BY run
"""
_OLDEST = {
    "acked": "SELECT first_sequence, last_sequence, first_offset + last_sequence - first_sequence + 1 FROM acked"
    " WHERE run = ? AND partition = ? ORDER BY first_sequence LIMIT ?",
    "unplaced": "SELECT first_sequence, last_sequence, end_offset FROM unplaced"
    " WHERE run = ? AND partition = ? ORDER BY first_sequence LIMIT ?",
}
_DELETE = {
    table: f"DELETE FROM {table} WHERE run = ? AND partition = ? AND first_sequence <= ?"  # noqa: S608 - our own names
    for table in _OLDEST
}
_ADD = (
    "INSERT INTO expired (run, partition, acknowledged) VALUES (?, ?, ?) "
    "ON CONFLICT (run, partition) DO UPDATE SET acknowledged = expired.acknowledged + excluded.acknowledged"
)
_MINUTES = "SELECT minute, count(*) FROM counts WHERE run = ? AND minute <= ? GROUP BY minute ORDER BY minute"
_EXPIRED = {
    "counts": "FROM counts WHERE run = ? AND minute <= ?",
    "spread": "FROM spread WHERE run = ? AND last_minute <= ? AND first_minute <= ?",
}
_LAST = {"counts": "minute", "spread": "last_minute"}
_ADD_COUNTS = (
    "INSERT INTO expired_counts (run, last_minute, tweets) VALUES (?, ?, ?) ON CONFLICT (run) DO UPDATE SET "
    "last_minute = CASE WHEN excluded.last_minute > expired_counts.last_minute THEN excluded.last_minute "
    "ELSE expired_counts.last_minute END, tweets = expired_counts.tweets + excluded.tweets"
)


def prune(
    connection: Connection, topic_id: str, start: LogStart, growing: Collection[tuple[str, int, int]], producer: str = ""
) -> int:
    """Summarise what a topic's log has lost before its ``start``, the oldest first, some at a time.

    Where producers share the tables, it is about the runs of ``producer``: the intervals of others may grow. ``growing`` are run,
    partition and first sequence of intervals that may still become longer: those stay. Returns the number of records of which
    only the number is kept from now on.
    """
    query = _RUNS.format(own=" AND producer = ?" if producer else "")
    runs: list[str] = list(run_sql(connection, query, (topic_id, *([producer] if producer else []))).scalars())
    last = start.gone_until - MINUTE_SECONDS
    expired = 0
    for run in runs:
        for partition, first in start.firsts.items():
            expired += sum(_prune_ids(connection, table, (run, partition), first, growing) for table in _OLDEST)
        _prune_minutes(connection, run, last)
        _expire(connection, "spread", run, last)
    return expired


def _prune_ids(
    connection: Connection, table: str, place: tuple[str, int], first: int, growing: Collection[tuple[str, int, int]]
) -> int:
    """Summarise the oldest intervals of a run and partition that lie before the offset ``first``; returns their records."""
    records, until = 0, -1
    for begin, end, end_offset in run_sql(connection, _OLDEST[table], (*place, MOST_ROWS)):
        if end_offset > first or (*place, begin) in growing:
            break
        records, until = records + end - begin + 1, begin
    if records:
        run_sql(connection, _DELETE[table], (*place, until))
        run_sql(connection, _ADD, (*place, records))
    return records


def _prune_minutes(connection: Connection, run: str, last: int) -> None:
    """Summarise a run's counts of the minutes up to ``last``, the oldest first."""
    rows, until = 0, None
    with run_sql(connection, _MINUTES, (run, last)) as minutes:
        for minute, counts in minutes:  # read as far as it is needed
            if rows and rows + counts > MOST_ROWS:
                break
            rows, until = rows + counts, minute
    if until is not None:
        _expire(connection, "counts", run, until)


def _expire(connection: Connection, table: str, run: str, last: int) -> None:
    """Keep only the number of tweets of a run's rows up to the minute ``last``."""
    rows = _EXPIRED[table]
    place = (run, *[last] * (rows.count("?") - 1))
    newest, tweets = run_sql(connection, f"SELECT max({_LAST[table]}), sum(tweets) {rows}", place).one()
    if newest is not None:
        run_sql(connection, f"DELETE {rows}", place)
        run_sql(connection, _ADD_COUNTS, (run, newest, int(tweets)))
