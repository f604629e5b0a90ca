"""The letters that were sent back, in the ledger: which one got which id, written before it is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, insert, select

from trending.dialects import Name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Redriven:
    """A letter and the id under which it was sent back.

    ``letter`` is its offset in the dead-letter topic of the id ``letters_id``. The record is in ``partition`` of the tweets'
    topic, at ``not_before`` or behind it, if it arrived.
    """

    run: str
    sequence: int
    letters_id: str
    letter: int
    partition: int
    not_before: int

    @property
    def identity(self) -> tuple[str, int]:
        """The record's id."""
        return self.run, self.sequence


def table_of(metadata: MetaData) -> Table:
    """Return the table, declared in ``metadata``."""
    return Table(
        "redriven",
        metadata,
        Column("run", Name, primary_key=True),
        Column("sequence", BigInteger, primary_key=True),
        Column("letters_id", Name, nullable=False),
        Column("letter", BigInteger, nullable=False),
        Column("partition", Integer, nullable=False),
        Column("not_before", BigInteger, nullable=False),
    )


def book(connection: Connection, table: Table, letters: Iterable[Redriven]) -> None:
    """Write letters that are about to be sent; there is at least one."""
    rows = [{name: getattr(each, name) for name in Redriven.__slots__} for each in letters]
    connection.execute(insert(table), rows)


def strike(connection: Connection, table: Table, letters: Iterable[Redriven]) -> None:
    """Delete letters that were not sent after all."""
    for each in letters:
        connection.execute(table.delete().where(table.c.run == each.run, table.c.sequence == each.sequence))


def read(connection: Connection, table: Table) -> tuple[Redriven, ...]:
    """Return all of them."""
    query = select(table).order_by(table.c.run, table.c.sequence)
    return tuple(Redriven(*(getattr(row, name) for name in Redriven.__slots__)) for row in connection.execute(query))
