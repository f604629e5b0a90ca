"""A PostgreSQL server as a Spark task sees it: it takes COPY's text format, and keeps what was committed."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = tuple[str, ...]
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_MEANT = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}


class FakeServer:
    """Stands in for a ``Login`` and the server behind it."""

    def __init__(self) -> None:
        self.committed: list[Row] = []
        self.connections = 0
        self.away = 0
        """So many connections are refused."""
        self.unanswered = 0
        """So many commits happen, and nobody hears of them."""
        self.broken: psycopg.Error | None = None
        """What each COPY ends with."""
        self.lossy = False
        """It takes a row less than it is sent."""
        self.granted = True

    def connect(self) -> Any:
        self.connections += 1
        if self.away:
            self.away -= 1
            message = 'connection to server at "db", port 5432 failed:\n\tConnection refused'
            raise psycopg.OperationalError(message)
        return _connection(self)

    def attempts(self) -> dict[str, set[Row]]:
        """Return attempt → its rows: checkpoint, batch, window, hashtag and tweets."""
        found: dict[str, set[Row]] = {}
        for checkpoint, batch, attempt, *others in self.committed:
            found.setdefault(attempt, set()).add((checkpoint, batch, *others))
        return found


@contextmanager
def _connection(server: FakeServer) -> Iterator[_Transaction]:
    transaction = _Transaction(server)
    yield transaction
    server.committed += transaction.rows
    if server.unanswered:
        server.unanswered -= 1
        message = "server closed the connection unexpectedly"
        raise psycopg.OperationalError(message)


class _Transaction:
    """A connection, its one cursor, and the COPY on that."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server
        self._text = ""
        self.rows: list[Row] = []
        self.rowcount = -1

    @contextmanager
    def cursor(self) -> Iterator[_Transaction]:
        yield self

    @contextmanager
    def copy(self, statement: str) -> Iterator[_Transaction]:
        assert statement == "COPY staged (checkpoint, batch, attempt, window_start, hashtag, tweets) FROM STDIN"
        yield self
        if self._server.broken:
            raise self._server.broken
        self.rows = list(rows_of(self._text))[1 if self._server.lossy else 0 :]
        self.rowcount = len(self.rows)

    def write(self, some: bytes) -> None:
        self._text += some.decode()

    def execute(self, _statement: str) -> _Transaction:
        return self

    def fetchone(self) -> tuple[bool]:
        return (self._server.granted,)


def rows_of(text: str) -> Iterator[Row]:
    """Yield the rows of COPY's text format."""
    *lines, rest = text.split("\n")
    assert rest == ""
    for line in lines:
        yield tuple(_ESCAPED.sub(lambda found: _MEANT[found[1]], each) for each in line.split("\t"))
