"""Seals in the serving store: what a clean audit has found, and a digest of each window that it has closed.

They lie in the store that they vouch for: an older copy of it brings the seals of its time, and `make rebuild` empties both.
What a seal says is the audit's business. Here it is a text with the number of its form.
"""

from __future__ import annotations

import hashlib
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import BigInteger, Column, Float, Integer, MetaData, Table, Text, bindparam, select

from trending.dialects import Name, insert, is_postgresql
from trending.serving import others
from trending.serving.counts import RANKING, UNTAGGED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlalchemy import Connection

    from trending.serving.others import Others

_DIGEST_BYTES = 16
Place = tuple[str, int]
"""Checkpoint, window start."""
Rows = list[tuple[str, int]]
"""Hashtag, tweets."""


class ClosedWindow(NamedTuple):
    """What the store holds of a checkpoint's window: sums, and the digest of its rows."""

    tweets: int
    untagged: int
    digest: str


class StoredSeal(NamedTuple):
    """The seal of a topic as it is kept; ``form`` is the number of its document's form."""

    topic_id: str
    form: int
    made_at: float
    document: str
    windows: Mapping[Place, ClosedWindow]


class SealTables(NamedTuple):
    """The seals by topic, and the windows that they have closed."""

    seals: Table
    windows: Table


def tables_of(metadata: MetaData) -> SealTables:
    """Return the tables, declared in ``metadata``."""
    seals = Table(
        "seals",
        metadata,
        Column("topic_id", Name, primary_key=True),
        Column("form", Integer, nullable=False),
        Column("made_at", Float, nullable=False),
        Column("document", Text, nullable=False),
    )
    windows = Table(
        "sealed_windows",
        metadata,
        Column("topic_id", Name, primary_key=True),
        Column("checkpoint", Name, primary_key=True),
        Column("window_start", BigInteger, primary_key=True),
        Column("tweets", BigInteger, nullable=False),
        Column("untagged", BigInteger, nullable=False),
        Column("digest", Name, nullable=False),
    )
    return SealTables(seals, windows)


def closed_window(rows: Iterable[tuple[str, int]], untagged: int, other: Others | None = None) -> ClosedWindow:
    """Return sums and digest of a window's rows, hashtag and tweets in any order, its untagged records, and what was trimmed.

    The digest is BLAKE2b of the rows by hashtag. Each text's length stands before it: no two windows are written the same way.
    """
    ordered = sorted(rows)
    text = "".join(f"{tweets} {len(hashtag)} {hashtag}\n" for hashtag, tweets in ordered) + f"{untagged}"
    if other:
        text += f"\n{other.tweets} {other.hashtags} {other.kept}"
    digest = hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()
    return ClosedWindow(sum(tweets for _hashtag, tweets in ordered) + (other.tweets if other else 0), untagged, digest)


class Counts(NamedTuple):
    """The store's counts, its untagged records and what was trimmed; of windows that are closed ``closed`` instead of them."""

    tweets: dict[tuple[str, int, str], int]
    untagged: dict[Place, int]
    others: dict[Place, Others]
    closed: dict[Place, ClosedWindow]


def read_counts(connection: Connection, closing: Mapping[str, int]) -> Counts:
    """Return everything that was counted.

    ``closing`` is checkpoint → start of its first window that is still open; of a checkpoint without one all windows are.
    """
    untagged = {(row.checkpoint, row.window_start): row.records for row in connection.execute(select(UNTAGGED))}
    found = Counts({}, untagged, others.read(connection), {})
    for place, rows in _windows(connection):
        checkpoint, window = place
        if window < closing.get(checkpoint, window):  # none is closed of a checkpoint without a seal
            found.closed[place] = closed_window(rows, found.untagged.pop(place, 0), found.others.pop(place, None))
        else:
            found.tweets.update({(checkpoint, window, hashtag): tweets for hashtag, tweets in rows})
    for place in [each for each in found.untagged.keys() | found.others.keys() if each[1] < closing.get(each[0], each[1])]:
        found.closed[place] = closed_window((), found.untagged.pop(place, 0), found.others.pop(place, None))
    return found


def _windows(connection: Connection) -> Iterator[tuple[Place, Rows]]:
    columns = RANKING.c
    query = select(columns.checkpoint, columns.window_start, columns.hashtag, columns.tweets)
    query = query.order_by(columns.checkpoint, columns.window_start)
    if is_postgresql(connection):  # else its driver would hold all of a week's rows before the first one is looked at
        query = query.execution_options(stream_results=True)
    ordered = connection.execute(query)
    for place, rows in groupby(ordered, key=itemgetter(0, 1)):
        yield place, [(row[2], row[3]) for row in rows]


def read(connection: Connection, tables: SealTables) -> dict[str, StoredSeal]:
    """Return topic id → its seal."""
    windows: dict[str, dict[Place, ClosedWindow]] = {}
    for row in connection.execute(select(tables.windows)):
        places = windows.setdefault(row.topic_id, {})
        places[row.checkpoint, row.window_start] = ClosedWindow(row.tweets, row.untagged, row.digest)
    return {
        row.topic_id: StoredSeal(row.topic_id, row.form, row.made_at, row.document, windows.get(row.topic_id, {}))
        for row in connection.execute(select(tables.seals))
    }


def write(connection: Connection, tables: SealTables, seal: StoredSeal, known: Mapping[Place, ClosedWindow]) -> bool:
    """Replace the seal of a topic; ``known`` are the windows of the one before, none where that was not used.

    Those that the seal has no more are deleted: the store has summarised them. Returns whether it was written: a window may have
    been trimmed since the audit has seen it whole.
    """
    # It takes SQLite's write lock, so that nothing is trimmed between this look and the commit; in PostgreSQL the store does it.
    connection.execute(tables.seals.update().where(tables.seals.c.topic_id == seal.topic_id).values(form=tables.seals.c.form))
    trimmed = others.read(connection)
    if not all(_is_as_seen(connection, place, trimmed[place], seal) for place in trimmed.keys() - known.keys()):
        return False
    if not known:
        connection.execute(tables.windows.delete().where(tables.windows.c.topic_id == seal.topic_id))
    columns = tables.windows.c
    gone = [{"of": checkpoint, "start": window} for checkpoint, window in known.keys() - seal.windows.keys()]
    if gone:
        place = (columns.checkpoint == bindparam("of"), columns.window_start == bindparam("start"))
        connection.execute(tables.windows.delete().where(columns.topic_id == seal.topic_id, *place), gone)
    row = {"topic_id": seal.topic_id, "form": seal.form, "made_at": seal.made_at, "document": seal.document}
    connection.execute(insert(connection, tables.seals).values(row).on_conflict_do_update(index_elements=["topic_id"], set_=row))
    rows = [
        {"topic_id": seal.topic_id, "checkpoint": checkpoint, "window_start": window, **closed._asdict()}
        for (checkpoint, window), closed in seal.windows.items()
        if (checkpoint, window) not in known
    ]
    if rows:
        statement = insert(connection, tables.windows)
        new = {name: statement.excluded[name] for name in ClosedWindow._fields}
        keys = ["topic_id", "checkpoint", "window_start"]
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=new), rows)
    return True


def _is_as_seen(connection: Connection, place: Place, other: Others, seal: StoredSeal) -> bool:
    """Whether a window that is trimmed now is so as well where the seal closes it."""
    if place not in seal.windows:
        return True
    checkpoint, window = place
    query = select(RANKING.c.hashtag, RANKING.c.tweets).where(
        RANKING.c.checkpoint == checkpoint, RANKING.c.window_start == window
    )
    rows = [(row.hashtag, row.tweets) for row in connection.execute(query)]
    return closed_window(rows, seal.windows[place].untagged, other) == seal.windows[place]


def remove(connection: Connection, tables: SealTables) -> None:
    """Delete all seals."""
    for table in tables:
        connection.execute(table.delete())
