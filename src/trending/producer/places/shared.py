"""One producer's part of the tables that a stack's producers share.

A producer has a name, and one life of it writes at a time. A life claims the name; from then on what the life before still writes
is refused, in the transaction itself: a lock of the session would be lost with the server's restart.
"""

from __future__ import annotations

import logging
import secrets
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import func, make_url, select
from sqlalchemy.exc import OperationalError, ProgrammingError

from trending.database import as_of_one_moment
from trending.dialects import run_sql, stored
from trending.errors import ConfigurationConflict, LabError, NotOurs, NotReady
from trending.postgresql.engine import open_postgresql, right_missing, unreachable
from trending.postgresql.place import OF_CLUSTER, PostgresLedger
from trending.postgresql.schema import LEDGER_MARK, connected, ensure_ledger, ledger_owner
from trending.producer.places.tables import FORM, SHARED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine

    from trending.postgresql.place import PostgresPlace

Found = TypeVar("Found")
logger = logging.getLogger("trending.producer")

SILENT_SECONDS = 10.0
"""A life that has not written for so long is taken for dead; one that lives writes every ``TOUCH_SECONDS``."""
TOUCH_SECONDS = 3.0
CLAIM_SECONDS = SILENT_SECONDS + 3.0
"""How long a life waits for the name: one that was killed a moment ago is silent by then."""
AWAY_SECONDS = 30.0
"""How long a server may be away: a restart takes some seconds. Nothing is reported meanwhile, and nothing is lost."""
RETRY_SECONDS = 0.5
_MAKE = "make up STORE_URL=…, the same one, for the stack"
_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")
_NOW = "extract(epoch FROM clock_timestamp())"
"""The server's own clock: those of the producers' machines may differ."""
_NAME = (
    "INSERT INTO producers (producer, life, seen_at, ended, written, host) VALUES (?, '', 0, true, '', '') ON CONFLICT DO NOTHING"
)
_CLAIM = (
    f"UPDATE producers SET life = ?, seen_at = {_NOW}, ended = false, host = ? "  # noqa: S608 - our own
    f"WHERE producer = ? AND (ended OR life = ? OR seen_at < {_NOW} - {SILENT_SECONDS})"
)
_HOLDER = f"SELECT life, host, {_NOW} - seen_at FROM producers WHERE producer = ?"  # noqa: S608
_AT_WORK = f"SELECT producer FROM producers WHERE NOT ended AND seen_at >= {_NOW} - {SILENT_SECONDS} ORDER BY producer"  # noqa: S608
_PRODUCERS = "SELECT DISTINCT producer FROM runs ORDER BY producer"
_WRITES = f"UPDATE producers SET seen_at = {_NOW}, written = ? WHERE producer = ? AND life = ?"  # noqa: S608
_WRITTEN = "SELECT written FROM producers WHERE producer = ? AND life = ?"
_END = f"UPDATE producers SET seen_at = {_NOW}, ended = true WHERE producer = ? AND life = ?"  # noqa: S608


def _open(place: PostgresPlace) -> Engine:
    return open_postgresql(place, gone=(f"the ledgers in {place} were deleted while they were in use", _MAKE))


class SharedLedger:
    """One producer's part of the tables that a stack's producers share."""

    def __init__(self, place: PostgresLedger) -> None:
        """Open it; raises NotReady where the stack has made no such tables, LabError where the server cannot be used."""
        self._place, self.producer = place, place.producer
        self._life, self._wrote = "", -TOUCH_SECONDS
        with connected(place.place) as connection:
            if not ledger_owner(connection, place.place, FORM):
                cause = f"there are no ledgers in {place.place}"
                raise NotReady(cause, "the stack makes them when it starts", _MAKE)
        self.engine = _open(place.place)

    def claim(self, life: str) -> None:
        """Have the producer's name for a life; raises ConfigurationConflict where another one has it and is at work."""
        deadline = time.monotonic() + CLAIM_SECONDS
        while not self._patiently(lambda: self._claimed(life)):
            if time.monotonic() > deadline:
                with self.engine.connect() as connection:
                    holder, host, age = run_sql(connection, _HOLDER, (self.producer,)).one()
                cause = f"producer {self.producer} is at work already"
                raise ConfigurationConflict(
                    cause, f"life {holder} on {host}, last heard of {age:.0f} s ago", "give this one another PRODUCER_NAME"
                )
            time.sleep(RETRY_SECONDS)
        self._life = life

    def _claimed(self, life: str) -> bool:
        with self.engine.begin() as connection:
            run_sql(connection, _NAME, (self.producer,))
            return run_sql(connection, _CLAIM, (life, socket.gethostname(), self.producer, life)).rowcount == 1

    def write(self, work: Callable[[Connection], Found]) -> Found | None:
        """Do work in a transaction that no other life of this producer can follow with one of its own.

        Where the server goes away at the commit, nobody has heard whether it was done. The transaction's mark tells, which is
        written with it.
        """
        mark, tries = secrets.token_hex(6), 0

        def once() -> Found | None:
            nonlocal tries
            tries += 1
            with self.engine.begin() as connection:
                if tries > 1 and run_sql(connection, _WRITTEN, (self.producer, self._life)).scalar() == mark:
                    return None
                self._require_claim(connection, mark)
                return work(connection)

        found = self._patiently(once)
        self._wrote = time.monotonic()
        return found

    def _require_claim(self, connection: Connection, mark: str) -> None:
        """Have the producer's row until the commit; raises ConfigurationConflict where another life has it."""
        if run_sql(connection, _WRITES, (mark, self.producer, self._life)).rowcount != 1:
            cause = f"another life of producer {self.producer} has begun: this one may write nothing more"
            evidence = f"life {self._life}: what it has sent and not written, the other one reads back"
            raise ConfigurationConflict(cause, evidence, "one producer a PRODUCER_NAME")

    def _patiently(self, work: Callable[[], Found]) -> Found:
        """Do work that may be done again, for as long as a server that is restarted may take."""
        began = time.monotonic()
        while True:
            try:
                return work()
            except OperationalError as error:
                if (tried := time.monotonic() - began) > AWAY_SECONDS:
                    raise unreachable(self._place.place, error, tried) from error
                logger.debug("the ledger is tried again: %s", error.orig)
                time.sleep(RETRY_SECONDS)

    def touch(self) -> None:
        """Say that the life goes on, where it has not written for a while."""
        if time.monotonic() - self._wrote >= TOUCH_SECONDS:
            self.write(lambda _connection: None)

    def text(self, text: str) -> str:
        """Return a text as PostgreSQL stores it."""
        return stored(text)

    def close(self, *, end: bool = False) -> None:
        """Close every connection; with ``end``, say first that the life is over."""
        try:
            if end and self._life:
                self._patiently(self._end)
        finally:
            self.engine.dispose()

    def _end(self) -> None:
        with self.engine.begin() as connection:
            run_sql(connection, _END, (self.producer, self._life))


@contextmanager
def reading(ledger: PostgresLedger) -> Iterator[Connection | None]:
    """Yield a connection that sees the shared tables as of one moment, None where there are none; raises LabError."""
    with connected(ledger.place) as connection:
        there = ledger_owner(connection, ledger.place, FORM)
    if not there:
        yield None
        return
    engine = _open(ledger.place)
    try:
        with as_of_one_moment(engine) as connection:
            yield connection
    except OperationalError as error:
        raise unreachable(ledger.place, error) from error
    finally:
        engine.dispose()


def require_usable(ledger: PostgresLedger, cluster_id: str) -> str:
    """Return what was found; raises LabError with the remedy for what would keep a producer from writing there.

    The ledgers must be those of the cluster to which it sends, where both ids are known. Nothing is written.
    """
    place, role = ledger.place, make_url(ledger.place.url).username
    with connected(place) as connection:
        version: str = connection.exec_driver_sql("SHOW server_version").scalar_one()
        if not _may(connection, "has_schema_privilege", place.schema_name, "USAGE"):
            grant = f'as its owner: GRANT USAGE ON SCHEMA {place.schema_name} TO "{role}"'
            raise right_missing(place, f"{role} lacks USAGE on the schema", grant)
        names = {f"{place.schema_name}.{name}": _RIGHTS for name in SHARED.tables}
        for table, rights in ({f"{place.schema_name}.{LEDGER_MARK}": ("SELECT",)} | names).items():
            if lacking := [right for right in rights if not _may(connection, "has_table_privilege", table, right)]:
                grant = f'as its owner: GRANT {", ".join(lacking)} ON {table} TO "{role}"'
                raise right_missing(place, f"{role} lacks {', '.join(lacking)} on {table}", grant)
        _ours, _of, known = ledger_owner(connection, place, FORM).partition(OF_CLUSTER)
        if known and cluster_id and known != cluster_id:
            cause = f"the ledgers in {place} are those of another cluster"
            raise NotOurs(cause, f"its id is {known}, and {cluster_id} answers", "give the BOOTSTRAP and NAME of one stack")
    return f"PostgreSQL {version}, schema {place.schema_name}"


def _may(connection: Connection, question: str, thing: str, right: str) -> bool:
    """Ask PostgreSQL for a right; raises NotReady where the thing is not there."""
    try:
        return bool(connection.execute(select(getattr(func, question)(thing, right))).scalar_one())
    except (LabError, ProgrammingError) as error:
        cause = f"there is no {thing}, where the ledgers of a stack's producers would be"
        raise NotReady(cause, str(error).partition("\n")[0], _MAKE) from error


def at_work(place: PostgresPlace) -> list[str]:
    """Return the names of the producers that write ledgers in a stack's schema at this moment."""
    with reading(PostgresLedger(place=place, producer="")) as connection:
        return [] if connection is None else list(run_sql(connection, _AT_WORK, ()).scalars())


def producers_of(place: PostgresPlace) -> list[str]:
    """Return the names of the producers that have ledgers in a stack's schema; raises LabError."""
    with reading(PostgresLedger(place=place, producer="")) as connection:
        return [] if connection is None else list(run_sql(connection, _PRODUCERS, ()).scalars())


def make_ledgers(place: PostgresPlace) -> None:
    """Make the tables of a stack's ledgers in its schema, where they are missing."""
    made = open_postgresql(place)
    try:
        ensure_ledger(made, place, FORM, SHARED)
    finally:
        made.dispose()
