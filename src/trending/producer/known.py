"""What a reader of the ledger knows already, so that only the other rows are brought out of the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, text

from trending.dialects import EveryText, Name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection


@dataclass(frozen=True)
class KnownRun:
    """What is known of a run: the acknowledged sequences, and the first of those that may be acknowledged late, if any."""

    acknowledged: tuple[range, ...]
    open_from: int | None


@dataclass(frozen=True)
class Known:
    """What is known of a topic from ``starts`` to ``ends`` (partition → offset); of the counts what came before ``minute``."""

    starts: Mapping[int, int]
    ends: Mapping[int, int]
    minute: int
    runs: Mapping[str, KnownRun]

    def has(self, run: str, partition: int, sequences: range, first_offset: int, end_offset: int) -> bool:
        """Whether a row of acknowledgements is left out, by its run, partition, sequences and offsets (the end exclusive)."""
        if run not in self.runs or partition not in self.ends:
            return False
        open_from = self.runs[run].open_from
        within = self.starts.get(partition, 0) <= first_offset and end_offset <= self.ends[partition]
        return within and (open_from is None or sequences[-1] < open_from)


_MAKE = (
    "CREATE TEMP TABLE known_rows (run TEXT, part INT, start BIGINT, stop BIGINT, open_from BIGINT, PRIMARY KEY (run, part))",
    "CREATE TEMP TABLE known_minutes (run TEXT PRIMARY KEY, minute BIGINT)",
)
_ENDS = {"acked": "first_offset + last_sequence - first_sequence + 1", "unplaced": "end_offset"}
_IS_KNOWN = "first_offset >= start AND {end} <= stop AND (open_from IS NULL OR last_sequence < open_from)"


def note(connection: Connection, topics: Iterable[Known]) -> None:
    """Put what is known where the statements below look for it: into tables of the connection's own."""
    for statement in _MAKE:
        connection.execute(text(statement))
    for topic in topics:
        rows = [
            {"run": run, "part": part, "start": topic.starts.get(part, 0), "stop": end, "open_from": each.open_from}
            for run, each in topic.runs.items()
            for part, end in topic.ends.items()
        ]
        if rows:
            connection.execute(text("INSERT INTO known_rows VALUES (:run, :part, :start, :stop, :open_from)"), rows)
        if topic.runs:
            minutes = [{"run": run, "minute": topic.minute} for run in topic.runs]
            connection.execute(text("INSERT INTO known_minutes VALUES (:run, :minute)"), minutes)


def unknown_rows(connection: Connection, table: str) -> Iterable[Sequence[Any]]:
    """Return the rows of ``acked`` or ``unplaced`` that are not known, the fields of an interval each."""
    end = "NULL" if table == "acked" else "end_offset"
    query = (
        f"SELECT a.run, a.partition, first_sequence, last_sequence, first_offset, {end} FROM {table} a "  # noqa: S608 - our names
        "LEFT JOIN known_rows k ON k.run = a.run AND k.part = a.partition "
        f"WHERE k.run IS NULL OR NOT ({_IS_KNOWN.format(end=_ENDS[table])}) ORDER BY a.run, first_sequence"
    )
    return connection.execute(text(query))


def left_out(connection: Connection, table: str) -> dict[str, int]:
    """Return run → how many sequences are in the rows that ``unknown_rows`` leaves out."""
    query = (
        f"SELECT a.run, SUM(last_sequence - first_sequence + 1) FROM {table} a "  # noqa: S608
        "JOIN known_rows k ON k.run = a.run AND k.part = a.partition "
        f"WHERE {_IS_KNOWN.format(end=_ENDS[table])} GROUP BY a.run"
    )
    return {row[0]: int(row[1]) for row in connection.execute(text(query))}


def unknown_counts(connection: Connection) -> dict[tuple[str, int, str], int]:
    """Return (run, minute, hashtag) → tweets of the minutes that are not known."""
    query = (
        "SELECT c.run, c.minute, hashtag, tweets FROM counts c LEFT JOIN known_minutes k ON k.run = c.run "
        "WHERE k.run IS NULL OR c.minute >= k.minute"
    )
    columns = text(query).columns(run=Name, minute=BigInteger, hashtag=EveryText, tweets=BigInteger)
    return {(row[0], row[1], row[2]): row[3] for row in connection.execute(columns)}


def left_out_tweets(connection: Connection) -> dict[str, int]:
    """Return run → how many tweets are in the counts that ``unknown_counts`` leaves out."""
    query = "SELECT c.run, SUM(tweets) FROM known_minutes k JOIN counts c ON c.run = k.run AND c.minute < k.minute GROUP BY c.run"
    return {row[0]: int(row[1]) for row in connection.execute(text(query))}
