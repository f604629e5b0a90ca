"""The ledger: what the broker acknowledged, on disk before it is reported.

An id is ``run:sequence``; a run is one life of the producer. Acknowledged sequences are kept as intervals together with their
offsets, and as counts for each append minute and hashtag. A record that was sent and lies in no interval has an unknown outcome.

Where the broker told only of the first and the last of some records, it may be open at which offsets within a range the others
lie (``unplaced``), and which of them fell into which minute between the two (``spread``). Then just that is written.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, select

from trending.database import add_column, as_of_one_moment, open_sqlite
from trending.producer import known as what_is_known
from trending.producer import redriven as sent_back

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import Engine

    from trending.producer.known import Known, KnownRun

metadata = MetaData()
runs_table = Table(
    "runs",
    metadata,
    Column("run", String, primary_key=True),
    Column("reserved", BigInteger, nullable=False),
    Column("topic_id", String),
)
acked_table = Table(
    "acked",
    metadata,
    Column("run", String, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("first_sequence", BigInteger, primary_key=True),
    Column("last_sequence", BigInteger, nullable=False),
    Column("first_offset", BigInteger, nullable=False),
)
unplaced_table = Table(
    "unplaced",
    metadata,
    Column("run", String, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("first_sequence", BigInteger, primary_key=True),
    Column("last_sequence", BigInteger, nullable=False),
    Column("first_offset", BigInteger, nullable=False),
    Column("end_offset", BigInteger, nullable=False),
)
counts_table = Table(
    "counts",
    metadata,
    Column("run", String, primary_key=True),
    Column("minute", BigInteger, primary_key=True),
    Column("hashtag", String, primary_key=True),
    Column("tweets", BigInteger, nullable=False),
)
spread_table = Table(
    "spread",
    metadata,
    Column("run", String, primary_key=True),
    Column("first_minute", BigInteger, primary_key=True),
    Column("last_minute", BigInteger, primary_key=True),
    Column("hashtag", String, primary_key=True),
    Column("tweets", BigInteger, nullable=False),
)
failed_table = Table(
    "failed",
    metadata,
    Column("run", String, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("reason", String, nullable=False),
)
redriven_table = sent_back.table_of(metadata)


@dataclass(frozen=True, slots=True)
class Interval:
    """Consecutive sequences of one run in one partition.

    They have consecutive offsets from ``first_offset`` on, unless ``unplaced_end`` is given: then they lie in their order
    somewhere from ``first_offset`` to that offset (exclusive), among records of others.
    """

    run: str
    partition: int
    first_sequence: int
    last_sequence: int
    first_offset: int
    unplaced_end: int | None = None

    def __len__(self) -> int:
        return self.last_sequence - self.first_sequence + 1

    @property
    def end_offset(self) -> int:
        """The offset behind the last record, or behind the last one at which it can be."""
        return self.first_offset + len(self) if self.unplaced_end is None else self.unplaced_end

    def within(self, start_offset: int, end_offset: int | None = None) -> range:
        """Return the sequences of the records from ``start_offset`` to ``end_offset`` (exclusive).

        Of records without known places it is all or none: where a bound cuts them, nobody can tell which lie within.
        """
        skipped = max(0, start_offset - self.first_offset)
        cut = 0 if end_offset is None else max(0, self.end_offset - end_offset)
        if self.unplaced_end is not None and (skipped or cut):
            return range(0)
        return range(self.first_sequence + skipped, self.last_sequence + 1 - cut)

    def behind(self, end_offset: int) -> int:
        """Return how many records lie at ``end_offset`` or later; all of those without known places that it cuts."""
        if self.unplaced_end is not None:
            return len(self) if self.unplaced_end > end_offset else 0
        return max(0, self.end_offset - max(self.first_offset, end_offset))


@dataclass(frozen=True)
class Ledger:
    """The ledger entries of all producer runs of a stack.

    Of what a reader knows already the rows are left out: ``known`` has the sequences, ``left_out`` is run → how many sequences
    were in the rows of acknowledgements, ``left_out_tweets`` how many tweets in those of the counts.
    """

    intervals: tuple[Interval, ...]
    counts: dict[tuple[str, int, str], int]
    reserved: dict[str, int]
    failed: int
    spread: dict[tuple[str, int, int, str], int] = field(default_factory=dict)
    """(run, first minute, last minute, hashtag) → tweets that were appended in one of these minutes or between them."""
    topics: dict[str, str] = field(default_factory=dict)
    """Run → id of its topic. A run from before 2026-11-29 has none: it belongs to the first topic that was counted."""
    redriven: tuple[sent_back.Redriven, ...] = ()
    """The letters that were sent back; their runs are no producer's."""
    known: Mapping[str, KnownRun] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    left_out_tweets: Mapping[str, int] = field(default_factory=dict)

    def of_topic(self, topic_id: str, oldest: str) -> Ledger:
        """Return the part of the ledger that is about a topic; ``oldest`` is the one that was counted first.

        What was given up is not known by topic, and stays whole.
        """
        runs = {run for run in self.reserved if self.topics.get(run, oldest) == topic_id}
        return Ledger(
            tuple(each for each in self.intervals if each.run in runs),
            {key: tweets for key, tweets in self.counts.items() if key[0] in runs},
            {run: reserved for run, reserved in self.reserved.items() if run in runs},
            self.failed,
            {key: tweets for key, tweets in self.spread.items() if key[0] in runs},
            {run: topic for run, topic in self.topics.items() if run in runs},
            tuple(each for each in self.redriven if each.run in runs),
            {run: known for run, known in self.known.items() if run in runs},
            {run: number for run, number in self.left_out.items() if run in runs},
            {run: number for run, number in self.left_out_tweets.items() if run in runs},
        )

    def from_minute(self, minute: float) -> Ledger:
        """Return the ledger with the counts of that append minute and later ones only."""
        counts = {key: tweets for key, tweets in self.counts.items() if key[1] >= minute}
        return replace(self, counts=counts, spread={key: tweets for key, tweets in self.spread.items() if key[2] >= minute})

    def acknowledged_ranges(
        self, start_offsets: Mapping[int, int], end_offsets: Mapping[int, int] | None = None
    ) -> Iterator[tuple[str, range]]:
        """Yield run and sequences of the records acknowledged from ``start_offsets`` up to ``end_offsets`` (partition → offset).

        By ranges in the order of the intervals, so that memory does not grow with the number of records. What the reader knew
        comes first, whatever the offsets, and may come again.
        """
        for run, known in self.known.items():
            yield from ((run, sequences) for sequences in known.acknowledged)
        ends = end_offsets or {}
        for each in self.intervals:
            sequences = each.within(start_offsets.get(each.partition, 0), ends.get(each.partition))
            if sequences:
                yield each.run, sequences

    def acknowledged_behind(self, end_offsets: Mapping[int, int]) -> int:
        """Return the number of records acknowledged from ``end_offsets`` on, where readers cannot go yet."""
        return sum(each.behind(end_offsets[each.partition]) for each in self.intervals if each.partition in end_offsets)

    def expected_minutes(self, found: Mapping[tuple[int, str], int], without: Collection[str] = ()) -> Counter[tuple[int, str]]:
        """Return (append minute, hashtag) → tweets that the log must have, of all runs but ``without``.

        Tweets whose minute is open go where ``found`` still has room between their two minutes, the earliest first, and what is
        left of them into the last. So it equals ``found`` if, and only if, they can be placed in this way.
        """
        expected: Counter[tuple[int, str]] = Counter()
        for (run, minute, hashtag), tweets in self.counts.items():
            if run not in without:
                expected[minute, hashtag] += tweets
        minutes: defaultdict[str, list[int]] = defaultdict(list)
        for minute, hashtag in sorted(found):
            minutes[hashtag].append(minute)
        # By their last minute: who must be placed earliest goes first.
        for (run, first, last, hashtag), tweets in sorted(self.spread.items(), key=lambda item: (item[0][2], item[0][1])):
            left = 0 if run in without else tweets
            for minute in minutes[hashtag]:
                if left and first <= minute < last:
                    room = min(left, max(0, found[minute, hashtag] - expected[minute, hashtag]))
                    expected[minute, hashtag] += room
                    left -= room
            if left:
                expected[last, hashtag] += left
        return expected


def read_ledger(path: Path, known: Iterable[Known] = ()) -> Ledger:
    """Read the ledger at ``path``, without what is ``known``; a missing file means that no producer has run: an empty ledger."""
    if not path.exists():
        return Ledger((), {}, {}, 0)
    engine = opened(path)
    with as_of_one_moment(engine) as connection:
        topics = tuple(known)
        what_is_known.note(connection, topics)
        rows = (row for table in ("acked", "unplaced") for row in what_is_known.unknown_rows(connection, table))
        intervals = tuple(Interval(*row) for row in rows)
        left_out = Counter(what_is_known.left_out(connection, "acked")) + Counter(what_is_known.left_out(connection, "unplaced"))
        counts = what_is_known.unknown_counts(connection)
        tweets = what_is_known.left_out_tweets(connection)
        spread = {
            (row.run, row.first_minute, row.last_minute, row.hashtag): row.tweets
            for row in connection.execute(select(spread_table))
        }
        runs = connection.execute(select(runs_table)).all()
        reserved = {row.run: row.reserved for row in runs}
        ids = {row.run: row.topic_id for row in runs if row.topic_id}
        redriven = sent_back.read(connection, redriven_table)
        failed = len(connection.execute(select(failed_table.c.sequence)).all())
    engine.dispose()
    everything = {run: each for topic in topics for run, each in topic.runs.items()}
    return Ledger(intervals, counts, reserved, failed, spread, ids, redriven, everything, left_out, tweets)


def opened(path: Path) -> Engine:
    """Return an engine on the ledger at ``path``, with all of today's tables and columns."""
    engine = open_sqlite(path)
    metadata.create_all(engine)
    with engine.begin() as connection:
        add_column(connection, "runs", "topic_id")
    return engine
