"""The ledger: what the broker acknowledged, on disk before it is reported.

An id is ``run:sequence``; a run is one life of the producer. Acknowledged sequences are kept as intervals together with their
offsets, and as counts for each append minute and hashtag. A record that was sent and lies in no interval has an unknown outcome.

Where the broker told only of the first and the last of some records, it may be open at which offsets within a range the others
lie (``unplaced``), and which of them fell into which minute between the two (``spread``). Then just that is written.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, select

from trending.database import as_of_one_moment
from trending.postgresql.place import PostgresLedger
from trending.producer import known as what_is_known
from trending.producer import redriven as sent_back
from trending.producer.minutes import expected_minutes
from trending.producer.places import tables
from trending.producer.places.opened import opened
from trending.settings import MINUTE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from sqlalchemy import Connection, Row

    from trending.producer.known import Known, KnownRun
    from trending.producer.places.opened import LedgerPlace


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

    def before(self, start_offset: int) -> int:
        """Return how many records lie before ``start_offset``; all of those without known places that it cuts."""
        before = max(0, start_offset - self.first_offset)
        return min(before, len(self)) if self.unplaced_end is None or not before else len(self)

    def behind(self, end_offset: int) -> int:
        """Return how many records lie at ``end_offset`` or later; all of those without known places that it cuts."""
        if self.unplaced_end is not None:
            return len(self) if self.unplaced_end > end_offset else 0
        return max(0, self.end_offset - max(self.first_offset, end_offset))


class ExpiredCounts(NamedTuple):
    """Counts of a run that are not kept any more: tweets of minutes up to ``last_minute``, but not of all of those."""

    last_minute: int
    tweets: int


class Beat(NamedTuple):
    """When a producer was last heard of, in seconds since the epoch, whether it had said that it ends, and where it ran."""

    seen_at: float
    ended: bool
    host: str


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
    expired: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """(run, partition) → acknowledged records that the log has lost to retention, and of which only the number is kept."""
    expired_counts: Mapping[str, ExpiredCounts] = field(default_factory=dict)
    """Run → what its counts were of minutes that the log has lost."""
    known: Mapping[str, KnownRun] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    left_out_tweets: Mapping[str, int] = field(default_factory=dict)
    producers: Mapping[str, str] = field(default_factory=dict)
    """Run → name of its producer, for those that have one: the lab's own has none."""
    beats: Mapping[str, Beat] = field(default_factory=dict)

    def joined(self, other: Ledger) -> Ledger:
        """Return this ledger and another one, of other runs, as one."""
        return Ledger(
            self.intervals + other.intervals,
            {**self.counts, **other.counts},
            {**self.reserved, **other.reserved},
            self.failed + other.failed,
            {**self.spread, **other.spread},
            {**self.topics, **other.topics},
            self.redriven + other.redriven,
            {**self.expired, **other.expired},
            {**self.expired_counts, **other.expired_counts},
            {**self.known, **other.known},
            {**self.left_out, **other.left_out},
            {**self.left_out_tweets, **other.left_out_tweets},
            {**self.producers, **other.producers},
            {**self.beats, **other.beats},
        )

    def of_topic(self, topic_id: str, oldest: str) -> Ledger:
        """Return the part of the ledger that is about a topic; ``oldest`` is the one that was counted first.

        What was given up is not known by topic, and stays whole.
        """
        runs = {run for run in self.reserved if self.topics.get(run, oldest) == topic_id}
        whole = all(run in runs for run, _minute, _hashtag in self.counts)  # as a rule; a copy takes 80 bytes a count
        return Ledger(
            tuple(each for each in self.intervals if each.run in runs),
            self.counts if whole else {key: tweets for key, tweets in self.counts.items() if key[0] in runs},
            {run: reserved for run, reserved in self.reserved.items() if run in runs},
            self.failed,
            {key: tweets for key, tweets in self.spread.items() if key[0] in runs},
            {run: topic for run, topic in self.topics.items() if run in runs},
            tuple(each for each in self.redriven if each.run in runs),
            {key: records for key, records in self.expired.items() if key[0] in runs},
            {run: each for run, each in self.expired_counts.items() if run in runs},
            {run: known for run, known in self.known.items() if run in runs},
            {run: number for run, number in self.left_out.items() if run in runs},
            {run: number for run, number in self.left_out_tweets.items() if run in runs},
            {run: name for run, name in self.producers.items() if run in runs},
            self.beats,
        )

    @property
    def acknowledged(self) -> int:
        """How many records were acknowledged in all."""
        return sum(map(len, self.intervals)) + sum(self.left_out.values()) + sum(self.expired.values())

    @property
    def counted_from(self) -> float:
        """The first append minute of which no counts are expired."""
        last = max((each.last_minute for each in self.expired_counts.values()), default=-math.inf)
        return last + MINUTE_SECONDS

    def tweets_before(self, minute: float) -> Counter[str]:
        """Return run → tweets that were counted before an append minute, expired ones and those left out among them."""
        found = Counter(self.left_out_tweets)
        found.update({run: each.tweets for run, each in self.expired_counts.items()})
        for (run, start, _hashtag), tweets in self.counts.items():
            found[run] += tweets if start < minute else 0
        for (run, _first, last, _hashtag), tweets in self.spread.items():
            found[run] += tweets if last < minute else 0
        return found

    def over(self, minute: float) -> Counter[str]:
        """Return run → tweets of which it is open on which side of the start of an append minute they lie."""
        found: Counter[str] = Counter()
        for (run, first, last, _hashtag), tweets in self.spread.items():
            found[run] += tweets if first < minute <= last else 0
        return found

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

    def begun_before(self, start_offsets: Mapping[int, int]) -> set[int]:
        """Return the partitions in which records were acknowledged before ``start_offsets``."""
        cut = {each.partition for each in self.intervals if each.first_offset < start_offsets.get(each.partition, 0)}
        return cut | {partition for _run, partition in self.expired}

    def acknowledged_before(self, start_offsets: Mapping[int, int]) -> Counter[str]:
        """Return run → how many records were acknowledged before ``start_offsets``, of those whose rows were read."""
        found: Counter[str] = Counter()
        for each in self.intervals:
            found[each.run] += each.before(start_offsets.get(each.partition, 0))
        return found

    def acknowledged_behind(self, end_offsets: Mapping[int, int]) -> int:
        """Return the number of records acknowledged from ``end_offsets`` on, where readers cannot go yet."""
        return sum(each.behind(end_offsets[each.partition]) for each in self.intervals if each.partition in end_offsets)

    def expected_minutes(
        self, found: Mapping[tuple[int, str], int], without: Collection[str] = (), horizon: float = -math.inf
    ) -> Counter[tuple[int, str]]:
        """Return (append minute, hashtag) → tweets that the log must have, of all runs but ``without``.

        Those whose minute is open are placed as ``found`` has room, see ``expected_minutes``. Of minutes before ``horizon`` the
        log has lost an unknown part: they are not compared.
        """
        counts = ((minute, hashtag, tweets) for (run, minute, hashtag), tweets in self.counts.items() if run not in without)
        spread = ((*key[1:], tweets) for key, tweets in self.spread.items() if key[0] not in without)
        return expected_minutes(counts, spread, found, horizon)


def read_ledger(place: LedgerPlace, known: Iterable[Known] = (), *, counts: bool = True) -> Ledger:
    """Read the ledger at a place, without what is ``known``; where no producer has run, it is empty.

    Of tables that producers share, all of it is read, whoever's. Without ``counts`` what is booked by minute and hashtag is left
    out, which takes 18 MiB for 10⁵ of them.
    """
    if isinstance(place, PostgresLedger):
        from trending.producer.places.shared import reading  # noqa: PLC0415 - libpq, which a ledger in a file need not load

        with reading(place) as connection:
            return Ledger((), {}, {}, 0) if connection is None else _read(connection, known, counts=counts, shared=True)
    if not place.exists():
        return Ledger((), {}, {}, 0)
    engine = opened(place).engine
    try:
        with as_of_one_moment(engine) as connection:
            return _read(connection, known, counts=counts, shared=False)
    finally:
        engine.dispose()


def read_ledgers(places: Iterable[LedgerPlace], known: Iterable[Known] = (), *, counts: bool = True) -> Ledger:
    """Read several ledgers as one. A run is in one of them only, so nothing is there twice."""
    topics = tuple(known)
    first, *others = (read_ledger(place, topics, counts=counts) for place in places)
    for other in others:
        first = first.joined(other)
    return first


def _read(connection: Connection, known: Iterable[Known], *, counts: bool, shared: bool) -> Ledger:
    topics = tuple(known)
    what_is_known.note(connection, topics)
    rows = (row for table in ("acked", "unplaced") for row in what_is_known.unknown_rows(connection, table))
    intervals = tuple(Interval(*row) for row in rows)
    left_out = Counter(what_is_known.left_out(connection, "acked")) + Counter(what_is_known.left_out(connection, "unplaced"))
    booked = what_is_known.unknown_counts(connection) if counts else {}
    tweets = what_is_known.left_out_tweets(connection)
    between = connection.execute(select(tables.SPREAD)) if counts else ()
    spread = {(row.run, row.first_minute, row.last_minute, row.hashtag): row.tweets for row in between}
    runs = connection.execute(select(tables.SHARED.tables["runs"] if shared else tables.RUNS)).all()
    reserved = {row.run: row.reserved for row in runs}
    ids = {row.run: row.topic_id for row in runs if row.topic_id}
    redriven = sent_back.read(connection, tables.REDRIVEN)
    failed = connection.execute(select(func.count()).select_from(tables.FAILED)).scalar_one()
    expired = {(row.run, row.partition): row.acknowledged for row in connection.execute(select(tables.EXPIRED))}
    gone = {row.run: ExpiredCounts(row.last_minute, row.tweets) for row in connection.execute(select(tables.EXPIRED_COUNTS))}
    everything = {run: each for topic in topics for run, each in topic.runs.items()}
    producers = {row.run: row.producer for row in runs} if shared else {}
    beats = {row.producer: Beat(row.seen_at, row.ended, row.host) for row in _beats(connection)} if shared else {}
    return Ledger(
        intervals,
        booked,
        reserved,
        failed,
        spread,
        ids,
        redriven,
        expired,
        gone,
        everything,
        left_out,
        tweets,
        producers,
        beats,
    )


def _beats(connection: Connection) -> Iterable[Row[Any]]:
    return connection.execute(select(tables.PRODUCERS))
