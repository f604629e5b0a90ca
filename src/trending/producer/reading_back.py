"""Reading back what became of the last life's tweets behind its last marker: those that are in the log did arrive.

Only that is booked. A request that was under way when the process died may still be appended, so an id that is not there yet
stays unknown. Whatever range is read, and however often, nothing wrong is booked: a record that is there stays there.
"""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from confluent_kafka import KafkaException

from trending.dialects import run_sql
from trending.errors import NotReady
from trending.kafka.log_reader import ends_of, log_ends, read_log
from trending.producer.ledger_writer import LedgerWriter
from trending.producer.places.opened import opened
from trending.settings import Rule
from trending.tweets.fates import label_of
from trending.tweets.record_id import identity_of
from trending.tweets.rule import Kind, classify

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from sqlalchemy import Connection

    from trending.producer.places.opened import OpenedLedger
    from trending.programs.specifications import ProducerSpec

logger = logging.getLogger("trending.producer")

ANSWER_SECONDS = 2.0
"""Less than a heartbeat may be old: nobody beats while the broker is asked for the log's ends."""
READING_SECONDS = 15.0
"""Behind a marker lie at most the 100,000 tweets of librdkafka's queue, and what others wrote since: mostly below a second."""
MOST_LIVES = 100
"""So many lives before the last one are asked for a place in a partition in which that has none."""
# The rows of this table are never replaced, so their numbers follow the order of the lives. The run of a redrive, of a replay, or
# of a tweet sent by hand is no producer's.
_LIVES = (
    "SELECT run FROM runs WHERE topic_id = ? AND run NOT IN (SELECT run FROM redriven) AND run NOT IN (SELECT run FROM by_hand) "
    "AND run NOT IN (SELECT run FROM replays) ORDER BY rowid DESC LIMIT ?"
)
_LIVES_OF = "SELECT run FROM runs WHERE topic_id = ? AND producer = ? ORDER BY number DESC LIMIT ?"
_SENDS_ALL = "SELECT 1 FROM plays WHERE run = ? UNION SELECT 1 FROM replays WHERE run = ?"
# By the key, last row first: a life of weeks has millions of them.
_LAST_ACKED = (
    "SELECT last_sequence, first_offset + last_sequence - first_sequence + 1 FROM acked WHERE run = ? AND partition = ? "
    "ORDER BY first_sequence DESC LIMIT 1"
)
_LAST_UNPLACED = (
    "SELECT last_sequence, end_offset FROM unplaced WHERE run = ? AND partition = ? ORDER BY first_sequence DESC LIMIT 1"
)


class _Proven(NamedTuple):
    """What the ledger has of a partition: the last sequence of the last life, -1 without one, and the offset behind its records.

    Where it has none there, the offset is that of the lives before it: one life follows the other.
    """

    last_sequence: int = -1
    end: int = 0


def book_arrived(spec: ProducerSpec, monotonic: Callable[[], float], goes_on: Callable[[], bool], life: str = "") -> int:
    """Book the tweets of the last life that are in the log and have no acknowledgement; returns their number.

    Call it before this life, the run ``life``, has reserved anything: then that is not in the ledger yet. While records are read,
    ``goes_on`` is asked several times a second; it is to beat, and to return False when it is time to end. All of it is one
    transaction. What is not read by then or within ``READING_SECONDS`` stays unknown, and so does everything where no broker
    answers: that is said.
    """
    with closing(opened(spec.ledger)) as known:
        lives = lives_in(known, spec.topic_id)
    if not lives:
        return 0
    try:
        return read_arrived(spec, lives, monotonic, goes_on, life)
    except (NotReady, KafkaException) as error:
        logger.warning("what became of run %s behind its last marker stays unknown: %s", lives[0], error)
        return 0


def read_arrived(
    spec: ProducerSpec,
    lives: Sequence[str],
    monotonic: Callable[[], float],
    goes_on: Callable[[], bool],
    life: str,
    read_to: dict[int, int] | None = None,
    partitions: Collection[int] | None = None,
) -> int:
    """Book the tweets of the last of the ``lives`` that are in the log and have no acknowledgement; returns their number.

    ``life`` is the run of the one that asks, as for ``book_arrived``. ``read_to`` is partition → offset from which the next look
    goes on: it is kept up to date, so that what others have sent is read once, however many looks it takes. With ``partitions``
    only those are read: in the others the same run goes on.
    Raises NotReady or KafkaException where it could not read to the log's end; what it has found by then is booked.
    """
    run = lives[0]
    booked: set[int] = set()
    read_to = {} if read_to is None else read_to
    deadline = monotonic() + READING_SECONDS

    def require_time() -> None:
        if not goes_on() or monotonic() > deadline:
            cause = f"the log was not read within {READING_SECONDS:.0f} s, or until this life had to end"
            raise NotReady(cause, spec.topic, "make status")

    with closing(LedgerWriter(spec.ledger, run, spec.topic_id, life)) as ledger, closing(opened(spec.ledger)) as known:
        # Only a scenario and a replay send what is no tweet, and mean it.
        kinds = {Kind.TWEET, Kind.UNTAGGED, Kind.REJECT} if _sends_all(known, run) else {Kind.TWEET}
        log = log_ends(spec.connection, spec.topic, ANSWER_SECONDS)
        log = log if partitions is None else {part: bounds for part, bounds in log.items() if part in partitions}
        proven = _proven(known, lives, log)
        starts = {part: max(first, proven[part].end, read_to.get(part, 0)) for part, (first, _end) in log.items()}
        for record in read_log(spec.connection, spec.topic, starts, ends_of(log), require_time):
            read_to[record.partition] = record.offset + 1
            identity = identity_of(record.key, record.headers)
            if identity is None or identity[0] != run:
                continue
            sequence = identity[1]
            verdict = classify(record.value, record.append_time, Rule())
            # The ids of a life grow in each partition: one that comes again is a duplicate, which is the audit's to tell.
            fresh = sequence > proven[record.partition].last_sequence and sequence not in booked
            if fresh and verdict.kind in kinds:
                ledger.acknowledge(sequence, record.partition, record.offset, record.append_time, label_of(verdict))
                booked.add(sequence)
    if booked:
        logger.info("run %s: %d records behind its last marker have arrived", run, len(booked))
    return len(booked)


def last_sequences(ledger: OpenedLedger, run: str, partitions: Iterable[int]) -> dict[int, int]:
    """Return partition → the last sequence of a run that is acknowledged there, of those that have one."""
    found = {each: proven.last_sequence for each, proven in _proven(ledger, [run], partitions).items()}
    return {each: last for each, last in found.items() if last >= 0}


def lives_in(ledger: OpenedLedger, topic_id: str) -> list[str]:
    """Return the runs of the producer's lives on a topic, the last one first."""
    with ledger.engine.connect() as connection:
        query, owner = (_LIVES_OF, [ledger.producer]) if ledger.producer else (_LIVES, [])
        return list(run_sql(connection, query, (topic_id, *owner, MOST_LIVES)).scalars())


def _sends_all(ledger: OpenedLedger, run: str) -> bool:
    """Whether a run is that of a scenario or of a replay."""
    if ledger.producer:
        return False
    with ledger.engine.connect() as connection:
        return run_sql(connection, _SENDS_ALL, (run, run)).one_or_none() is not None


def _proven(ledger: OpenedLedger, lives: Sequence[str], partitions: Iterable[int]) -> dict[int, _Proven]:
    """Return partition → what is proven of it."""
    with ledger.engine.connect() as connection:
        return {each: _proven_of(connection, lives, each) for each in partitions}


def _proven_of(connection: Connection, lives: Sequence[str], partition: int) -> _Proven:
    for run in lives:
        rows = [row for query in (_LAST_ACKED, _LAST_UNPLACED) for row in run_sql(connection, query, (run, partition))]
        if rows:
            end = max(end for _last, end in rows)
            return _Proven(max(last for last, _end in rows) if run == lives[0] else -1, end)
    return _Proven()
