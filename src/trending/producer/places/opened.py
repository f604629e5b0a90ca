"""Opening a ledger where it is, and what differs between the places."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from trending.database import add_column, make_tables, open_sqlite
from trending.errors import DamagedFile
from trending.postgresql.place import PostgresLedger
from trending.producer.places.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine

Found = TypeVar("Found")
LedgerPlace = Path | PostgresLedger


class OpenedLedger(Protocol):
    """An engine on a ledger, and what differs where it is."""

    engine: Engine
    producer: str
    """Whose runs are meant, where several producers share the tables; else empty."""

    def claim(self, life: str) -> None:
        """Have the ledger for a life; raises ConfigurationConflict where another one is at work."""

    def write(self, work: Callable[[Connection], Found]) -> Found | None:
        """Do work in a transaction, and exactly once; None where its answer was lost and it was done all the same."""

    def touch(self) -> None:
        """Say that the life goes on, where it has not written for a while."""

    def text(self, text: str) -> str:
        """Return a text as the driver is to write it."""

    def close(self, *, end: bool = False) -> None:
        """Close every connection; with ``end``, say first that the life is over."""


def opened(place: LedgerPlace) -> OpenedLedger:
    """Return the ledger at a place, with all of today's tables and columns; raises DamagedFile, NotReady without them."""
    if not isinstance(place, PostgresLedger):
        return _File(place)
    from trending.producer.places.shared import SharedLedger  # noqa: PLC0415 - libpq, which a ledger in a file need not load

    return SharedLedger(place)


class _File:
    producer = ""

    def __init__(self, path: Path) -> None:
        aside = shlex.quote(str(path.with_name("aside")))
        move = f"mkdir -p {aside} && mv {shlex.quote(str(path))}* {aside}/"
        remedy = f"{move}, then make up: what was acknowledged before counts as other producers' tweets"
        self.engine = open_sqlite(path, remedy)
        try:
            make_tables(self.engine, metadata)
            with self.engine.begin() as connection:
                add_column(connection, "runs", "topic_id")
                for name in ("sent_at", "tweet"):  # a ledger made before 2026-11-30 has neither
                    add_column(connection, "by_hand", name)
        except DamagedFile:
            self.engine.dispose()
            raise

    def claim(self, life: str) -> None:
        """Do nothing: supervisord starts one life after the other."""

    def write(self, work: Callable[[Connection], Found]) -> Found:
        with self.engine.begin() as connection:
            return work(connection)

    def touch(self) -> None:
        """Do nothing: nobody else asks."""

    def text(self, text: str) -> str:
        return text

    def close(self, *, end: bool = False) -> None:  # noqa: ARG002 - the protocol's
        self.engine.dispose()
