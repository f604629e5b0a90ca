"""What the ledger has of replays: which runs are theirs, and which of those have ended whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select, update

from trending.producer.places.tables import REPLAYS, RUNS

if TYPE_CHECKING:
    from sqlalchemy import Connection


def book(connection: Connection, run: str) -> None:
    """Write that a replay begins, before anything of it is sent."""
    last = connection.execute(select(func.max(REPLAYS.c.number))).scalar_one_or_none()
    connection.execute(insert(REPLAYS).values(run=run, number=(last or 0) + 1, ended=False))


def book_end(connection: Connection, run: str) -> None:
    """Write that all that a replay has sent is acknowledged."""
    connection.execute(update(REPLAYS).where(REPLAYS.c.run == run).values(ended=True))


def left_behind(connection: Connection, topic_id: str) -> str:
    """Return the last replay's run on a topic if that has not ended whole; else an empty text."""
    there = select(REPLAYS.c.run, REPLAYS.c.ended).join(RUNS, RUNS.c.run == REPLAYS.c.run).where(RUNS.c.topic_id == topic_id)
    row = connection.execute(there.order_by(REPLAYS.c.number.desc()).limit(1)).one_or_none()
    return "" if row is None or row.ended else str(row.run)
