"""Opening a store where it is: a file of SQLite's, or a stack's schema in a PostgreSQL database."""

from __future__ import annotations

import shlex
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sqlalchemy.exc import DatabaseError

from trending import ranking_view
from trending.database import make_tables, open_sqlite, open_sqlite_read_only
from trending.errors import REBUILD, ConfigurationConflict, DamagedFile, LabError
from trending.postgresql.place import PostgresPlace

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine, MetaData
    from sqlalchemy.exc import OperationalError

    from trending.postgresql.notices import Listener

CACHE_KIB = 65_536
"""A batch of many hashtags touches its window all over. With SQLite's usual 2 MiB it took two and a half times as long."""
_PRIMARY = 0xFF
_OF_THE_PLACE = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }
)
"""What a full or read-only disk, missing rights and another process's lock make SQLite say (https://sqlite.org/rescode.html)."""
_VIEWS = 1
"""Number of the views' form in a file: raise it with every change of one. A file of an older one gets them anew."""
StorePlace = Path | PostgresPlace


class OpenedStore(Protocol):
    """An engine on a store, and what differs where it is."""

    engine: Engine
    has_server: bool
    """Whether it may be away for a while, and come back."""

    def prepare(self) -> None:
        """Make what the store lacks; raises LabError where what is there cannot be used."""

    def require_same(self) -> None:
        """Raise ConfigurationConflict where the store was deleted or replaced since it was opened."""

    def tell_change(self, connection: Connection) -> None:
        """Tell readers of this transaction, once it has committed."""

    def unusable(self, error: OperationalError, seconds: float) -> LabError:
        """Return the error for a store that could not be used for so long."""


def open_store(place: StorePlace, tables: MetaData, form: int, adopt: Callable[[Connection], None]) -> OpenedStore:
    """Return the store at a place, whose tables are of the form of that number; nothing is made yet.

    ``adopt`` brings what an older file has into the tables of today.
    """
    if isinstance(place, PostgresPlace):
        return _Schema(place, tables, form)
    return _File(place, tables, form, adopt)


class _File:
    has_server = False

    def __init__(self, path: Path, tables: MetaData, form: int, adopt: Callable[[Connection], None]) -> None:
        self.engine = open_sqlite(path, REBUILD, CACHE_KIB)
        self._path, self._tables, self._adopt = path, tables, adopt
        self._form = form * 100 + _VIEWS
        self._identity = (0, 0)

    def prepare(self) -> None:
        try:
            self._make_tables()
        except DamagedFile:
            raise
        except DatabaseError as error:
            cause = f"the serving store {self._path} cannot be opened"
            raise LabError(cause, str(error.orig), self._way(error)) from error
        self._identity = _identity(self._path)

    def _way(self, error: DatabaseError) -> str:
        """Return the next command: a rebuild only where the counts may be the reason, and not the disk or another process."""
        if getattr(error.orig, "sqlite_errorcode", 0) & _PRIMARY not in _OF_THE_PLACE:
            return REBUILD
        place = shlex.quote(str(self._path.parent))
        return f"df -h {place}; ls -la {place} show whether there is room and who may write; then once more: no count is lost"

    def _make_tables(self) -> None:
        """Make what the file lacks, once: looking at each of its tables takes 25 ms, which every command would wait for."""
        with self.engine.connect() as connection:
            if connection.exec_driver_sql("PRAGMA user_version").scalar_one() == self._form:
                return
        make_tables(self.engine, self._tables)
        with self.engine.begin() as connection:
            self._adopt(connection)
            for statement in ranking_view.of_file():
                connection.exec_driver_sql(statement)
            connection.exec_driver_sql(f"PRAGMA user_version = {self._form}")

    def require_same(self) -> None:
        """Nobody would read the file that is open."""
        try:
            found: tuple[int, int] | None = _identity(self._path)
        except FileNotFoundError:
            found = None
        if found != self._identity:
            cause = f"the serving store {self._path} was {'replaced' if found else 'deleted'} while the stream ran"
            raise ConfigurationConflict(cause, "its counts up to now are gone; the log has the records", REBUILD)

    def tell_change(self, connection: Connection) -> None:
        """Do nothing: the file itself tells, by ``PRAGMA data_version``."""

    def unusable(self, error: OperationalError, seconds: float) -> LabError:
        cause = f"the serving store {self._path} cannot be written for {seconds:.0f} s"
        return LabError(cause, str(error.orig), "make status")


class _Schema:
    has_server = True

    def __init__(self, place: PostgresPlace, tables: MetaData, form: int) -> None:
        from trending.postgresql.engine import open_postgresql  # noqa: PLC0415 - libpq, which a store in a file need not load

        self.engine = open_postgresql(place)
        self._place, self._tables, self._form = place, tables, form

    def prepare(self) -> None:
        from trending.postgresql.schema import ensure_tables  # noqa: PLC0415 - as above

        ensure_tables(self.engine, self._place, self._form, self._tables)

    def require_same(self) -> None:
        """Do nothing: a schema that was deleted has no open epoch, so the transaction itself is refused."""

    def tell_change(self, connection: Connection) -> None:
        from trending.postgresql.notices import tell_change  # noqa: PLC0415 - as above

        tell_change(connection, self._place.schema_name)

    def unusable(self, error: OperationalError, seconds: float) -> LabError:
        from trending.postgresql.engine import unreachable  # noqa: PLC0415 - as above

        return unreachable(self._place, error, max(seconds, 0.0))


class WatchedStore(Protocol):
    """A read-only engine on a store, and how its changes are noticed; for one thread only."""

    engine: Engine

    def version(self) -> int:
        """Return a number that changes with every commit of another connection."""

    def size(self) -> int:
        """Return how many bytes the store takes."""

    def close(self) -> None:
        """Close every connection."""


def watched_store(place: StorePlace) -> WatchedStore:
    """Return the store at a place for reading; nothing is opened yet."""
    return _WatchedSchema(place) if isinstance(place, PostgresPlace) else _WatchedFile(place)


class _WatchedFile:
    def __init__(self, path: Path) -> None:
        self.engine = open_sqlite_read_only(path)
        self._path = path
        # Kept open, because the pragma compares with what the same connection saw last.
        self._watching: Connection | None = None

    def version(self) -> int:
        if self._watching is None:
            self._watching = self.engine.connect()
        version: int = self._watching.exec_driver_sql("PRAGMA data_version").scalar_one()
        return version

    def size(self) -> int:
        found = 0
        for path in (self._path, self._path.with_name(f"{self._path.name}-wal")):
            with suppress(FileNotFoundError):  # SQLite merges the WAL into the file when the last writer closes it
                found += path.stat().st_size
        return found

    def close(self) -> None:
        if self._watching is not None:
            self._watching.close()
            self._watching = None
        self.engine.dispose()


class _WatchedSchema:
    def __init__(self, place: PostgresPlace) -> None:
        from trending.postgresql.engine import open_postgresql  # noqa: PLC0415 - as above

        self.engine = open_postgresql(place, reads_only=True)
        self._place = place
        self._listener: Listener | None = None

    def version(self) -> int:
        from trending.postgresql.notices import Listener  # noqa: PLC0415 - as above

        if self._listener is None:
            self._listener = Listener(self.engine, self._place.schema_name)
        return self._listener.seen()

    def size(self) -> int:
        from trending.postgresql.schema import size_of  # noqa: PLC0415 - as above

        with self.engine.connect() as connection:
            return size_of(connection, self._place)

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.engine.dispose()


def place_number(place: StorePlace) -> int:
    """Return the inode of a store's file, which is another one where it was replaced; raises FileNotFoundError without one.

    A schema has none: what was deleted and made anew there has other counts, which a reader sees.
    """
    return 0 if isinstance(place, PostgresPlace) else place.stat().st_ino


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
