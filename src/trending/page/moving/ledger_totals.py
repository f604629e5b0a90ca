"""What the ledgers have, added up by the database: for a reader that looks every second and keeps nothing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import ColumnElement, case, func, or_, select

from trending.database import as_of_one_moment, open_sqlite_read_only
from trending.postgresql.place import PostgresLedger
from trending.producer.places import tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlalchemy import Connection, Table

    from trending.page.moving.store_totals import Totals
    from trending.producer.places.opened import LedgerPlace


LATEST_SECONDS = 120.0
LATEST_HASHTAGS = 30
SHOWN_BY_HAND = 3
_NEWEST = (
    "SELECT run FROM runs WHERE topic_id = ? AND run {test} (SELECT run FROM replays) AND run NOT IN (SELECT run FROM by_hand) "
    "AND run NOT IN (SELECT run FROM redriven) ORDER BY rowid DESC LIMIT 1"
)


class ByHand(msgspec.Struct, frozen=True):
    """A tweet that somebody typed: when it was sent, what it says, and where the broker has put it, None before its answer."""

    run: str
    sent_at: float
    hashtag: str
    text: str
    partition: int | None
    offset: int | None


class Ledgers(msgspec.Struct, frozen=True):
    """Acknowledged records of a topic from the counted range's starts on, and those ``behind`` its ends: they are in flight.

    Of ``expired`` records only the number is known, not their offsets. ``latest`` are hashtag → tweets of the last minutes
    and ``ends`` partition → offset behind the last one, both of the stack's own producer and of a replay beside it. ``by_hand``
    are the newest tweets typed by hand. ``acknowledged_to`` is partition → offset behind the last record of anybody's.
    """

    records: int = 0
    behind: int = 0
    expired: int = 0
    latest: dict[str, int] = {}
    ends: dict[int, int] = {}
    by_hand: tuple[ByHand, ...] = ()
    acknowledged_to: dict[int, int] = {}

    def plus(self, other: Ledgers) -> Ledgers:
        """Return the sums of both, and what either has of the rest."""
        return Ledgers(
            self.records + other.records,
            self.behind + other.behind,
            self.expired + other.expired,
            self.latest or other.latest,
            self.ends or other.ends,
            self.by_hand or other.by_hand,
            _further(self.acknowledged_to, other.acknowledged_to),
        )


class _Typed(msgspec.Struct):
    texto: str = ""
    hashtag_principal: str = ""


def look_at_ledgers(places: Iterable[LedgerPlace], totals: Totals, now: float) -> Ledgers:
    """Return what the ledgers have of the topic of ``totals``, which must have been read before.

    Then whatever lies before its ends and was ours in the ledger is in the log before them too: fewer counted are a fault.
    """
    found = Ledgers()
    for place in places:
        with reading(place) as connection:
            if connection is not None:
                found = found.plus(_read(connection, totals, now, shared=isinstance(place, PostgresLedger)))
    return found


@contextmanager
def reading(place: LedgerPlace) -> Iterator[Connection | None]:
    """Yield a connection that sees a ledger as of one moment and cannot write; None where there is none yet."""
    if isinstance(place, PostgresLedger):
        from trending.producer.places.shared import reading as reading_shared  # noqa: PLC0415 - libpq, which a file needs not

        with reading_shared(place) as connection:
            yield connection
        return
    if not place.exists():
        yield None
        return
    engine = open_sqlite_read_only(place)
    try:
        with as_of_one_moment(engine) as connection:
            yield connection
    finally:
        engine.dispose()


def _read(connection: Connection, totals: Totals, now: float, *, shared: bool) -> Ledgers:
    known = tables.SHARED if shared else tables.metadata
    runs = known.tables["runs"]
    # A run from before 2026-11-29 has no topic: it belongs to the first one that was counted.
    named = runs.c.topic_id == totals.topic_id
    ours = select(runs.c.run).where(or_(named, runs.c.topic_id.is_(None)) if totals.first else named).scalar_subquery()
    records = behind = 0
    reached: dict[int, int] = {}
    for name in ("acked", "unplaced"):
        table = known.tables[name]
        sums = select(table.c.partition, *_sums(table, totals.starts, totals.ends), func.max(_end(table)))
        rows = connection.execute(sums.where(table.c.run.in_(ours)).group_by(table.c.partition)).all()
        records, behind = records + sum(int(row[1]) for row in rows), behind + sum(int(row[2]) for row in rows)
        reached = _further(reached, {row[0]: int(row[3]) for row in rows})
    expired = known.tables["expired"]
    gone = int(connection.execute(select(func.sum(expired.c.acknowledged)).where(expired.c.run.in_(ours))).scalar_one() or 0)
    if shared:
        return Ledgers(records + gone, behind, gone, acknowledged_to=reached)
    return Ledgers(records + gone, behind, gone, *_latest(connection, totals.topic_id, now), _by_hand(connection), reached)


def _latest(connection: Connection, topic_id: str, now: float) -> tuple[dict[str, int], dict[int, int]]:
    """Return the last minutes' counts by hashtag, the leading ones, and how far they have come.

    They are those of the producer's newest run on the topic and of its newest replay, which goes on beside the producer.
    """
    newest = [connection.exec_driver_sql(_NEWEST.format(test=each), (topic_id,)).scalar() for each in ("NOT IN", "IN")]
    counts, acked = tables.metadata.tables["counts"].c, tables.metadata.tables["acked"].c
    sums = func.sum(counts.tweets)
    leading = select(counts.hashtag, sums).where(counts.run.in_(newest), counts.minute >= now - LATEST_SECONDS)
    rows = connection.execute(leading.group_by(counts.hashtag).order_by(sums.desc()).limit(LATEST_HASHTAGS)).all()
    end = func.max(_end(tables.metadata.tables["acked"]))
    ends = connection.execute(select(acked.partition, end).where(acked.run.in_(newest)).group_by(acked.partition)).all()
    return {row[0]: int(row[1]) for row in rows}, {row[0]: int(row[1]) for row in ends}


def _by_hand(connection: Connection) -> tuple[ByHand, ...]:
    rows = connection.exec_driver_sql(
        "SELECT by_hand.run, sent_at, tweet, acked.partition, acked.first_offset FROM by_hand "
        "LEFT JOIN acked ON acked.run = by_hand.run WHERE sent_at IS NOT NULL ORDER BY CAST(sent_at AS REAL) DESC LIMIT ?",
        (SHOWN_BY_HAND,),
    ).all()
    found = []
    for run, sent_at, tweet, partition, offset in rows:
        typed = msgspec.json.decode(tweet, type=_Typed)
        found.append(ByHand(run, float(sent_at), typed.hashtag_principal, typed.texto, partition, offset))
    return tuple(found)


def _sums(
    table: Table, starts: Mapping[int, int], ends: Mapping[int, int]
) -> tuple[ColumnElement[int | None], ColumnElement[int | None]]:
    """Return the sums of the records from the starts on, and of those behind the ends.

    Where it is open at which offsets within a range records lie, it is all or none of them, as in ``Interval``.
    """
    length = table.c.last_sequence - table.c.first_sequence + 1
    first, start, reached = table.c.first_offset, _offset(table, starts), _offset(table, ends)
    if "end_offset" in table.c:
        counted = case((start > first, 0), else_=length)
        return func.sum(counted), func.sum(case((start > first, 0), (table.c.end_offset > reached, length), else_=0))
    last = first + length
    return func.sum(_positive(last, _larger(first, start))), func.sum(_positive(last, _larger(first, _larger(start, reached))))


def _end(table: Table) -> ColumnElement[int]:
    """Return the offset behind a range's last record; where its place is open, behind the last one at which it may be."""
    if "end_offset" in table.c:
        return table.c.end_offset
    return table.c.first_offset + table.c.last_sequence - table.c.first_sequence + 1


def _further(one: Mapping[int, int], other: Mapping[int, int]) -> dict[int, int]:
    """Return partition → the larger offset of both."""
    return {partition: max(one.get(partition, 0), other.get(partition, 0)) for partition in one.keys() | other.keys()}


def _offset(table: Table, offsets: Mapping[int, int]) -> ColumnElement[int]:
    return case(dict(offsets), value=table.c.partition, else_=0) if offsets else case((table.c.partition < 0, 0), else_=0)


def _larger(one: ColumnElement[int], other: ColumnElement[int]) -> ColumnElement[int]:
    return case((one > other, one), else_=other)


def _positive(end: ColumnElement[int], begin: ColumnElement[int]) -> ColumnElement[int]:
    return case((end > begin, end - begin), else_=0)
