"""Opening SQLite the way the ledger and the serving store need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Engine, create_engine, event

if TYPE_CHECKING:
    from pathlib import Path

BUSY_SECONDS = 15
"""How long a writer waits for another one before it gives up with "database is locked"."""


def open_sqlite(path: Path) -> Engine:
    """Return an engine on the SQLite file at ``path``: WAL, so readers never block the writer, and every commit on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own connection type
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    return engine


def open_sqlite_read_only(path: Path) -> Engine:
    """Return an engine that can read the SQLite file at ``path`` and nothing else; it must exist when it is first asked."""
    # The address form, which alone has a mode; as_uri escapes what would end the path there.
    url = URL.create("sqlite", database=path.absolute().as_uri(), query={"mode": "ro", "uri": "true"})
    return create_engine(url, connect_args={"timeout": BUSY_SECONDS})


def copy_sqlite(source: Path, target: Path) -> None:
    """Write what is committed in ``source`` into the new file ``target``: one moment of it, whole, without a WAL beside it."""
    engine = open_sqlite_read_only(source)
    with engine.connect() as connection:
        connection.exec_driver_sql("VACUUM INTO ?", (str(target),))
    engine.dispose()
