"""Engines on a PostgreSQL database, each connection in the schema of one stack, and what its errors mean."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from trending.errors import REBUILD, ConfigurationConflict, LabError
from trending.store_url import SECRET_WAYS

if TYPE_CHECKING:
    from sqlalchemy import Engine, ExceptionContext

    from trending.postgresql.place import PostgresPlace

CONNECT_SECONDS = 5
"""How long one address may take to answer. ``localhost`` often has two, and an error within 15 s is promised."""
SILENT_SECONDS = 15
"""How long what was sent may stay without the other machine's acknowledgement: then the connection is lost."""
_SHUT_OFF = {
    "hostaddr": "",
    "passfile": f"{os.devnull}/none",
    "sslmode": "prefer",
    "sslcert": "",
    "sslkey": "",
    "sslrootcert": "",
    "channel_binding": "prefer",
    "gssencmode": "disable",
    "target_session_attrs": "any",
}
"""What libpq would else take from the shell or from files in the home. Programs have neither, and a command is to do the same."""
_GONE = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName, psycopg.errors.UndefinedColumn)


def open_postgresql(place: PostgresPlace, *, reads_only: bool = False, gone: tuple[str, str] | None = None) -> Engine:
    """Return an engine whose connections see the stack's schema and no other; nothing is connected yet.

    A missing right and a table that is gone raise ConfigurationConflict, or OperationalError for who ``reads_only``, as a missing
    file does. ``gone`` is cause and next command for a table that is gone, where it is none of the store's. A pooled connection
    is tried before it is used: the server may have been restarted since.
    """
    parameters = connection_parameters(place, reads_only=reads_only)
    engine = create_engine(make_url(place.url), connect_args=parameters, pool_pre_ping=True, pool_size=2)

    @event.listens_for(engine, "handle_error")
    def _tell(context: ExceptionContext) -> None:
        error = context.original_exception
        if reads_only and isinstance(error, (*_GONE, psycopg.errors.InsufficientPrivilege)):
            raise OperationalError(context.statement or "", None, error) from error
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            raise right_missing(place, str(error)) from error
        if isinstance(error, _GONE):
            cause, way = gone or (f"the serving store {place} was deleted or replaced while it was in use", REBUILD)
            raise ConfigurationConflict(cause, _first_line(error), way) from error

    return engine


def connection_parameters(place: PostgresPlace, *, reads_only: bool = False) -> dict[str, Any]:
    """Return libpq's parameters beside those of the address, the password among them."""
    url = make_url(place.url)
    return {
        **{name: value for name, value in _SHUT_OFF.items() if name not in url.query},
        "password": place.password,
        "port": url.port or 5432,
        "connect_timeout": CONNECT_SECONDS,
        "tcp_user_timeout": SILENT_SECONDS * 1000,
        "keepalives_idle": SILENT_SECONDS,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "client_encoding": "utf8",
        "application_name": f"trending-lab {place.stack}",
        "options": f"-c search_path={place.schema_name} -c timezone=UTC -c default_transaction_read_only={reads_only}",
    }


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]


def right_missing(place: PostgresPlace, evidence: str, grant: str = "") -> LabError:
    """Return the error for a right that the user lacks; ``grant`` is the statement that gives it."""
    cause = f"{make_url(place.url).username} has not the rights that the serving store {place} needs"
    way = grant or f'as its owner: GRANT ALL ON SCHEMA {place.schema_name} TO "{make_url(place.url).username}"'
    return ConfigurationConflict(cause, evidence.strip().partition("\n")[0], f"{way}; then the same command")


def unreachable(place: PostgresPlace, error: DBAPIError, tried_seconds: float = 0.0) -> LabError:
    """Return the error for a server that refuses us or does not answer: in its own words, with what to do about it."""
    url = make_url(place.url)
    said = " ".join(str(error.orig).split())
    longer = f" for {tried_seconds:.0f} s" if tried_seconds else ""
    cause = f"the serving store {place} cannot be used{longer}"
    if "password" in said or "authentication" in said or "pg_hba" in said:
        way = f"check user, database and password: {SECRET_WAYS}"
    else:
        host = url.query.get("host") or url.host or ""
        where = f"-h {shlex.quote(str(host))} -p {url.port or 5432}"
        way = f"pg_isready {where} says whether it answers; then the same command"
    return LabError(cause, said, way)
