"""COPY into the staging table, as a Spark task does it: with psycopg alone, by a login that the driver has made.

An executor elsewhere has neither address nor password in its environment, and need not load SQLAlchemy.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = "staged"
COLUMNS = ("checkpoint", "batch", "attempt", "window_start", "hashtag", "tweets")
RETRY_SECONDS = 0.5
_COPY = f"COPY {NAME} ({', '.join(COLUMNS)}) FROM STDIN"
_MAY_WRITE = f"SELECT has_table_privilege('{NAME}', 'INSERT')"


class Login:
    """What libpq needs to let us in, password included. It is pickled for the tasks, and shown nowhere."""

    def __init__(self, parameters: dict[str, Any], shown: str) -> None:
        """``shown`` is what errors call the place, without a password."""
        self._parameters, self._shown = parameters, shown

    def __repr__(self) -> str:
        return f"Login({self._shown})"

    def __str__(self) -> str:
        return self._shown

    def connect(self) -> psycopg.Connection:
        """Return a new connection."""
        return psycopg.connect(**self._parameters)


class RowsMissing(psycopg.OperationalError):
    """The server has taken another number of rows than it was sent."""


def new_attempt() -> str:
    """Return the name of one attempt to stage a task's rows. Spark's own numbers come again with the next driver."""
    return uuid4().hex


def copy_rows(login: Login, lines: Iterable[bytes], rows: int) -> None:
    """Copy so many rows, which are lines of COPY's text format, in one transaction of their own."""
    with login.connect() as connection, connection.cursor() as cursor:
        with cursor.copy(_COPY) as copy:
            for some in lines:
                copy.write(some)
        if cursor.rowcount != rows:
            message = f"{cursor.rowcount} rows were taken of {rows}"
            raise RowsMissing(message)


def stage_rows(login: Login, attempts: Iterable[tuple[str, Iterable[bytes]]], rows: int, patience: float) -> str:
    """Copy a task's rows under the name of the next of its ``attempts``, until one succeeds; returns that one's name.

    Where a commit stays unanswered, its rows may be there: nobody will ask for that attempt's. Raises psycopg.Error once the
    server has been away for ``patience`` seconds, or at once where it refuses the rows.
    """
    deadline = time.monotonic() + patience
    for attempt, lines in attempts:
        try:
            copy_rows(login, lines, rows)
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(RETRY_SECONDS)
        else:
            return attempt
    message = "attempts never end"
    raise AssertionError(message)


def require_writable(login: Login) -> None:
    """Raise psycopg.Error unless the staging table can be reached and written from here."""
    with login.connect() as connection:
        found = connection.execute(_MAY_WRITE).fetchone()
    if found != (True,):
        message = f"INSERT on {NAME} is not granted"
        raise psycopg.errors.InsufficientPrivilege(message)
