"""What somebody asks of the running producer, and what it makes of it: through two tables of its ledger.

A request waits in the one until its time is over. The producer takes it out and books the change in a single transaction, so a
change is on disk exactly when it is acknowledged, and a request that was withdrawn is never taken.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, insert, select, update

from trending.producer.places.tables import ASKED, CHANGES
from trending.simulator.live.changes import Change, RateChange, asked_of, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from trending.producer.places.opened import OpenedLedger
    from trending.simulator.live.changes import TrendChange

LOOK_SECONDS = 0.2
"""A look takes 0.16 ms of CPU where nothing waits: less than a thousandth of the producer's time."""


class Request(NamedTuple):
    """A request that waits."""

    name: str
    asked: RateChange | TrendChange


class Answer(NamedTuple):
    """What the producer has answered: the record from which on it is so, or why it is not."""

    first: int = -1
    refused: str = ""
    way: str = ""


class Standing(NamedTuple):
    """A rate that was asked of a producer without a scenario, and when, in seconds since the epoch."""

    asked: RateChange
    made_at: float


def ask(ledger: OpenedLedger, asked: RateChange | TrendChange, until: float) -> str:
    """Ask the producer for a change, which it may take until a time in seconds since the epoch; returns the request's name."""
    name = secrets.token_hex(6)

    def write(connection: Connection) -> None:
        # Those of commands that were killed: nobody waits for them.
        connection.execute(delete(ASKED).where(ASKED.c.until < until - 60))
        connection.execute(insert(ASKED).values(request=name, until=until, content=text_of(asked), refused="", way=""))

    ledger.write(write)
    return name


def answer_to(ledger: OpenedLedger, request: str) -> Answer | None:
    """Return what the producer has answered; None where it has not."""
    with ledger.engine.connect() as connection:
        return _answer(connection, request)


def withdraw(ledger: OpenedLedger, request: str) -> Answer | None:
    """Take a request back; returns the answer where the producer was quicker."""

    def work(connection: Connection) -> Answer | None:
        # First a write: from here on nobody else takes it.
        withdrawn = connection.execute(delete(ASKED).where(ASKED.c.request == request, ASKED.c.refused == "")).rowcount
        return None if withdrawn else _answer(connection, request)

    return ledger.write(work)


def _answer(connection: Connection, request: str) -> Answer | None:
    first = connection.execute(select(CHANGES.c.first).where(CHANGES.c.request == request)).scalar_one_or_none()
    if first is not None:
        return Answer(int(first))
    row = connection.execute(select(ASKED).where(ASKED.c.request == request, ASKED.c.refused != "")).one_or_none()
    return None if row is None else Answer(-1, row.refused, row.way)


class Listener:
    """The producer's side."""

    def __init__(self, ledger: OpenedLedger, run: str, topic_id: str, base: float | None = None) -> None:
        """Listen for a run; ``base`` is the rate of the settings, where no scenario is played."""
        self._ledger, self._run, self._topic_id, self._base = ledger, run, topic_id, base
        self._looked = float("-inf")

    def look(self, now: float, wall: float) -> Request | None:
        """Return the oldest request that waits, every ``LOOK_SECONDS``."""
        if now - self._looked < LOOK_SECONDS:
            return None
        self._looked = now
        with self._ledger.engine.connect() as connection:
            waiting = select(ASKED).where(ASKED.c.refused == "", ASKED.c.until >= wall).order_by(ASKED.c.until).limit(1)
            row = connection.execute(waiting).one_or_none()
        return None if row is None else Request(row.request, asked_of(row.content))

    def take(self, request: Request, change_of: Callable[[Connection], Change], wall: float) -> Change | None:
        """Book the change that is made of it, in the same transaction; None where the request was withdrawn meanwhile.

        Where ``change_of`` raises an error, nothing was done.
        """

        def work(connection: Connection) -> Change | None:
            # First a write: from here on nobody else writes.
            if connection.execute(delete(ASKED).where(ASKED.c.request == request.name)).rowcount != 1:
                return None
            change = change_of(connection)
            row = {
                "request": request.name,
                "run": self._run,
                "topic_id": self._topic_id,
                "first": change.first,
                "at": change.at,
                "content": text_of(change.asked),
                "made_at": wall,
                "base": self._base,
            }
            connection.execute(insert(CHANGES).values(row))
            return change

        return self._ledger.write(work)

    def refuse(self, request: Request, why: str, way: str) -> None:
        """Answer that it cannot be, and what can."""
        answer = update(ASKED).where(ASKED.c.request == request.name).values(refused=why, way=way)
        self._ledger.write(lambda connection: connection.execute(answer))

    def rates(self) -> list[Standing]:
        """Return what was asked of earlier lives on this topic that had the same rate in their settings, in order."""
        same = (CHANGES.c.topic_id == self._topic_id, CHANGES.c.base == self._base)
        with self._ledger.engine.connect() as connection:
            rows = connection.execute(select(CHANGES).where(*same).order_by(CHANGES.c.number)).all()
        found = ((asked_of(row.content), row.made_at) for row in rows)
        return [Standing(asked, made_at) for asked, made_at in found if isinstance(asked, RateChange)]


def read_changes(connection: Connection, run: str) -> tuple[Change, ...]:
    """Return what has changed a scenario, in the order in which it was booked."""
    rows = connection.execute(select(CHANGES).where(CHANGES.c.run == run).order_by(CHANGES.c.number))
    return tuple(Change(row.first, row.at, asked_of(row.content)) for row in rows)
