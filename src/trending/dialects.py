"""What SQLite and PostgreSQL say differently, said once: statements are written with these and run on both."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, String, TypeDecorator, inspect
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, CursorResult, Dialect, Table
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.sql.compiler import SQLCompiler

    Insert = postgresql.Insert | sqlite.Insert
    Parameters = tuple[Any, ...] | list[tuple[Any, ...]]

POSTGRESQL = "postgresql"
_ESCAPE = "\x01"


class _EveryText(TypeDecorator[str]):
    """Any text in PostgreSQL, which has none with U+0000: that is written as two characters, and so is the one for it.

    Texts keep their order by this, and no two become the same.
    """

    impl = String(collation="C")
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - the parent's signature
        """Return a text as it is stored."""
        return value if value is None else stored(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Return a text as it was given."""
        if value is None or _ESCAPE not in value:
            return value
        parts = value.split(_ESCAPE)
        # Behind each escape stands \x01 for U+0000, which split has eaten as an empty part, or \x02 for the escape itself.
        found, position = [parts[0]], 1
        while position < len(parts):
            if parts[position].startswith("\x02"):
                found += [_ESCAPE, parts[position][1:]]
                position += 1
            else:
                found += ["\x00", parts[position + 1]]
                position += 2
        return "".join(found)


def stored(text: str) -> str:
    """Return a text as PostgreSQL stores it."""
    if "\x00" not in text and _ESCAPE not in text:
        return text
    return text.replace(_ESCAPE, "\x01\x02").replace("\x00", "\x01\x01")


EveryText = String().with_variant(_EveryText(), POSTGRESQL)
"""Texts of other people: every character is kept, and the order is that of code points, as SQLite's and Python's."""
Name = String().with_variant(String(collation="C"), POSTGRESQL)
"""Texts of our own, in the same order."""


def is_postgresql(connection: Connection) -> bool:
    """Whether the connection is one to PostgreSQL; otherwise it is SQLite."""
    return connection.dialect.name == POSTGRESQL


def insert(connection: Connection, table: Table) -> Insert:
    """Return the dialect's insert, which can be an upsert."""
    if not is_postgresql(connection):
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - 50 ms, which a store in a file need not wait for

    return postgresql.insert(table)


def run_sql(connection: Connection, statement: str, parameters: Parameters) -> CursorResult[*tuple[Any, ...]]:
    """Run a statement of ours by the driver itself: one that both databases understand, with question marks for its places."""
    return connection.exec_driver_sql(statement.replace("?", "%s") if is_postgresql(connection) else statement, parameters)


class larger(GenericFunction[int]):  # noqa: N801 - a function of SQL's
    """The larger one of two numbers: GREATEST, which SQLite calls MAX."""

    type = BigInteger()
    inherit_cache = True


@compiles(larger)
def _greatest(element: larger, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - the compiler's own
    return f"GREATEST({compiler.process(element.clauses, **options)})"


@compiles(larger, "sqlite")
def _max(element: larger, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"max({compiler.process(element.clauses, **options)})"


def has_table(connection: Connection, name: str) -> bool:
    """Whether a table is there. PostgreSQL's store has all of its form, and a look at the catalogue would cost each query one."""
    return is_postgresql(connection) or inspect(connection).has_table(name)


def write_alone(connection: Connection, table: Table) -> None:
    """Wait until whoever changes rows of the table has committed, and keep others from it until this transaction ends.

    In SQLite there is one writer at a time anyhow, and its first write takes the lock.
    """
    if is_postgresql(connection):
        name = connection.dialect.identifier_preparer.quote(table.name)
        connection.exec_driver_sql(f"LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE")


def upsert_larger(connection: Connection, table: Table, rows: Sequence[Sequence[Any]]) -> None:
    """Write whole rows; of a number that is no part of the key the larger one stays. No two have the same key.

    By the driver's own statement: a row takes 5 µs in SQLite, and 15 by the expression language. PostgreSQL gets a column at a
    time, as an array, since a statement for each row is a message for each.
    """
    statement = _upsert_larger(table, connection.dialect)
    if is_postgresql(connection):
        by_column = zip(table.columns, zip(*rows, strict=True), strict=True)
        given = [list(map(stored, found)) if isinstance(column.type, String) else list(found) for column, found in by_column]
        connection.exec_driver_sql(statement, tuple(given))
    else:
        connection.exec_driver_sql(statement, list(rows))


def upsert_larger_from(connection: Connection, table: Table, query: str, parameters: tuple[Any, ...]) -> int:
    """Write the rows of a query of PostgreSQL's, as ``upsert_larger`` does; returns their number. No two have the same key."""
    return connection.exec_driver_sql(_upsert_statement(table, connection.dialect, query), parameters).rowcount


@lru_cache(maxsize=8)
def _upsert_larger(table: Table, dialect: Dialect) -> str:
    if dialect.name == POSTGRESQL:
        arrays = ", ".join(f"%s::{column.type.compile(dialect).partition(' ')[0]}[]" for column in table.columns)
        return _upsert_statement(table, dialect, f"SELECT * FROM unnest({arrays})")  # noqa: S608 - our own names
    return _upsert_statement(table, dialect, f"VALUES ({', '.join('?' for _column in table.columns)})")


def _upsert_statement(table: Table, dialect: Dialect, values: str) -> str:
    quote = dialect.identifier_preparer.quote
    names = [quote(column.name) for column in table.columns]
    keys = [quote(column.name) for column in table.primary_key.columns]
    greatest = "GREATEST" if dialect.name == POSTGRESQL else "max"
    own = quote(table.name)
    changes = ", ".join(f"{name} = {greatest}({own}.{name}, excluded.{name})" for name in names if name not in keys)
    return f"INSERT INTO {own} ({', '.join(names)}) {values} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changes}"
