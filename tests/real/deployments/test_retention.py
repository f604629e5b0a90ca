"""The database of Prefect's server after days of health checks: as large as its days of retention, and no larger.

Days of checks can't be waited for. One real check's rows, from every table, are copied as often as the schedule would have run,
with their times shifted into the past; then a real server starts on that database and its own vacuum does the rest.
"""

from __future__ import annotations

import datetime as dt
import re
import sqlite3
import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from infra.prefect_services.credentials import KEPT_SECONDS, prefect_environment
from infra.prefect_services.server import ensure_server, stop_server

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from real.harness import RealStack
    from real.served import Served

CHECKS = 800
EVERY = dt.timedelta(minutes=5)
"""The schedule of the deployment."""
KEPT_CHECKS = int(KEPT_SECONDS / EVERY.total_seconds())
MARGIN = 6
"""Checks that come of age while the test runs, half an hour's."""
OWNERS = {
    "flow_run": "id = :run",
    "flow_run_state": "flow_run_id = :run",
    "task_run": "flow_run_id = :run",
    "task_run_state": "task_run_id IN (SELECT id FROM task_run WHERE flow_run_id = :run)",
    "log": "flow_run_id = :run",
    "artifact": "flow_run_id = :run",
    "events": "id IN (SELECT event_id FROM event_resources WHERE resource_id = 'prefect.flow-run.' || :run)",
    "event_resources": "event_id IN (SELECT event_id FROM event_resources WHERE resource_id = 'prefect.flow-run.' || :run)",
}
"""The tables that a run writes to, and which of their rows are the run's."""
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}")

Row = dict[str, Any]


def rows_of(connection: sqlite3.Connection, run: UUID) -> dict[str, list[Row]]:
    """Return every row that the run has left, by table."""
    connection.row_factory = sqlite3.Row
    found = {}
    for table, owned in OWNERS.items():
        rows = connection.execute(f"SELECT * FROM {table} WHERE {owned}", {"run": str(run)})  # noqa: S608 - our constants
        found[table] = [dict(row) for row in rows]
    return found


def copy_of(row: Row, ids: dict[str, str], age: dt.timedelta) -> Row:
    """Return the row with new ids in the place of the old ones, ``age`` older."""

    def value(old: object) -> object:
        if not isinstance(old, str):
            return old
        if _TIME.fullmatch(old):
            return (dt.datetime.fromisoformat(old) - age).isoformat(sep=" ", timespec="microseconds")
        for known, new in ids.items():
            if known in old:
                old = old.replace(known, new)
        return old

    return {column: value(each) for column, each in row.items()}


def add_older_checks(connection: sqlite3.Connection, pattern: dict[str, list[Row]]) -> list[str]:
    """Add the checks that the schedule would have run before the one in ``pattern``; returns their runs, the newest first."""
    runs = []
    known = {row["id"] for rows in pattern.values() for row in rows}
    connection.execute("PRAGMA synchronous = OFF")
    for number in range(1, CHECKS):
        ids = {each: str(uuid.uuid4()) for each in known}
        runs.append(ids[pattern["flow_run"][0]["id"]])
        for table, rows in pattern.items():
            columns = ", ".join(f":{column}" for column in rows[0])
            copies = [copy_of(row, ids, number * EVERY) for row in rows]
            connection.executemany(f"INSERT INTO {table} VALUES ({columns})", copies)  # noqa: S608 - our constants
    connection.commit()
    return runs


def rows_left(database: Path, runs: list[str]) -> dict[str, int]:
    """Return the number of rows that the runs still have, by table. The server's own rows, of late runs say, do not count."""
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        return {
            table: sum(
                connection.execute(f"SELECT count(*) FROM {table} WHERE {owned}", {"run": run}).fetchone()[0]  # noqa: S608
                for run in runs
            )
            for table, owned in OWNERS.items()
        }


def test_more_health_checks_than_are_kept_leave_the_rows_of_two_days(served: Served, stack: RealStack, tmp_path: Path) -> None:
    assert CHECKS > KEPT_CHECKS + 100, "the vacuum has something to delete"
    stack.up(until="producer")
    check = served.run("health-check/local", {"name": stack.name})
    stack.wait_until(
        lambda: bool(served.events("prefect.flow-run." + str(check.state_name), f"prefect.flow-run.{check.id}")),
        30,
        "its events are kept",
    )
    copy = tmp_path / "prefect" / "prefect.db"
    copy.parent.mkdir()
    with (
        closing(sqlite3.connect(f"{prefect_environment()['PREFECT_HOME']}/prefect.db", timeout=30)) as theirs,
        closing(sqlite3.connect(copy)) as ours,
    ):
        theirs.backup(ours)
        pattern = rows_of(ours, check.id)
        assert all(pattern.values()), "a check writes to each of these tables"
        runs = add_older_checks(ours, pattern)
    kept, old = runs[: KEPT_CHECKS - MARGIN], runs[KEPT_CHECKS:]
    assert rows_left(copy, kept) == {table: len(kept) * len(pattern[table]) for table in OWNERS}
    assert rows_left(copy, old) == {table: len(old) * len(pattern[table]) for table in OWNERS}

    # Undone before the stack is taken down, which must be looked for in its own home.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRENDING_HOME", str(tmp_path))
        patch.setenv("PREFECT_HOME", str(copy.parent))
        # An hour is the usual time between two vacuums.
        patch.setenv("PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS", "5")
        ensure_server()
        try:
            stack.wait_until(lambda: not any(rows_left(copy, old).values()), 120, "nothing of the old checks is left")
            left = rows_left(copy, kept)
        finally:
            stop_server()
    assert left == {table: len(kept) * len(pattern[table]) for table in OWNERS}, "what is younger than the retention stays"
