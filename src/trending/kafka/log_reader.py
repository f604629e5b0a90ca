"""Reading the topic itself: ends of its partitions, and its records from one offset to another."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from trending.errors import NotReady, endings_passed_on
from trending.kafka.answers import answer_of, asked_again

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from trending.kafka.connection import KafkaConnection

SILENCE_SECONDS = 30.0
"""How long a read may bring nothing before it counts as failed."""
SEEK_GAP = 500
"""Offsets worth reading over instead of seeking."""
_CHUNK = 5_000

READER_GROUP = "trending-reader"
"""Name under which readers look for a coordinator, as librdkafka does for each that has one; none of them commits."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the log; ``append_time`` is the broker's, in seconds since the epoch.

    ``headers`` has the last header of each name, ``all_headers`` all of them in their order.
    """

    partition: int
    offset: int
    append_time: float
    value: bytes | None
    headers: dict[str, bytes | None]
    key: bytes | None = None
    all_headers: tuple[tuple[str, bytes | None], ...] = ()


def open_consumer(connection: KafkaConnection, *, end_events: bool = False, own: Mapping[str, object] | None = None) -> Consumer:
    """Return a consumer that belongs to no group, commits nothing and reads committed records only.

    With ``end_events`` it tells when it has reached the end of a partition, also where the last offsets hold no record. ``own``
    are more settings of librdkafka's.
    """
    settings: dict[str, object] = {
        "group.id": READER_GROUP,
        "auto.offset.reset": "error",
        "fetch.wait.max.ms": 100,
        # Once its queue is full, librdkafka asks a partition again after a second. A reader that empties it sooner waits for it.
        "fetch.queue.backoff.ms": 10,
        "enable.partition.eof": end_events,
        **(own or {}),
    }
    return Consumer(connection.consumer(settings))


@endings_passed_on()
def log_ends(connection: KafkaConnection, topic: str, timeout: float = 10.0) -> dict[int, tuple[int, int]]:
    """Return partition → (first offset, end of what is committed); raises NotReady when no broker answers.

    The broker gives a reader of committed records the last stable offset, where the first open transaction begins.
    """
    consumer = open_consumer(connection)
    try:
        metadata = asked_again(lambda: consumer.list_topics(topic, timeout=timeout)).topics[topic]
        if metadata.error is not None:
            raise KafkaException(metadata.error)  # noqa: TRY301 - told like the others, below
        places = [TopicPartition(topic, partition) for partition in sorted(metadata.partitions)]
        return {place.partition: _ends(consumer, place, timeout) for place in places}
    except KafkaException as error:
        cause = f"the offsets of {topic} cannot be read from {connection.bootstrap}"
        raise NotReady(cause, str(error), "make status") from error
    finally:
        consumer.close()


def _ends(consumer: Consumer, place: TopicPartition, timeout: float) -> tuple[int, int]:
    ends: tuple[int, int] = asked_again(lambda: consumer.get_watermark_offsets(place, timeout=timeout))
    return ends


def ends_of(log: Mapping[int, tuple[int, int]]) -> dict[int, int]:
    """Return partition → end of what is committed, of what ``log_ends`` has found."""
    return {partition: end for partition, (_first, end) in log.items()}


@endings_passed_on()
def offsets_at(connection: KafkaConnection, topic: str, at: float, timeout: float = 10.0) -> dict[int, int]:
    """Return partition → offset of the first record appended at ``at`` (seconds since the epoch) or later, else the log's end.

    Raises NotReady when no broker answers.
    """
    consumer = open_consumer(connection)
    try:
        partitions = asked_again(lambda: consumer.list_topics(topic, timeout=timeout)).topics[topic].partitions
        times = [TopicPartition(topic, partition, int(at * 1000)) for partition in partitions]
        offsets = asked_again(lambda: consumer.offsets_for_times(times, timeout=timeout))
        # librdkafka answers OFFSET_END, a negative number, where every record is older.
        return {place.partition: place.offset if place.offset >= 0 else _ends(consumer, place, timeout)[1] for place in offsets}
    except KafkaException as error:
        cause = f"the offsets of {topic} cannot be read from {connection.bootstrap}"
        raise NotReady(cause, str(error), "make status") from error
    finally:
        consumer.close()


@endings_passed_on()
def topic_id(connection: KafkaConnection, topic: str, timeout: float = 10.0) -> str | None:
    """Return the id the cluster gave the topic when it was made, or None where a broker says that there is none.

    Raises NotReady when no broker answers: that says nothing about the topic.
    """
    admin = AdminClient(connection.client())
    try:
        topics = TopicCollection([topic])
        view = asked_again(lambda: answer_of(admin.describe_topics(topics, request_timeout=timeout)[topic], timeout))
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        cause = f"{topic} cannot be described"
        raise NotReady(cause, str(error), "make status") from error
    except TimeoutError as error:
        cause = f"no broker answers at {connection.bootstrap}"
        raise NotReady(cause, f"{timeout} s", "make status") from error
    return str(view.topic_id)


def _nothing() -> None:
    """Do nothing."""


def read_log(
    connection: KafkaConnection,
    topic: str,
    start: dict[int, int],
    end: dict[int, int],
    before_poll: Callable[[], None] = _nothing,
    own: Mapping[str, object] | None = None,
) -> Generator[Record]:
    """Yield every record from ``start`` to ``end`` (partition → offset, exclusive) in the order of each partition.

    ``before_poll`` is called several times a second; what it raises ends the reading. ``own`` are more settings of librdkafka's.

    Offsets without a record are passed over: transaction markers, aborted records, and what compaction removed. So the end is
    where the consumer stands, not the offset of a last record. Raises NotReady when nothing arrives for 30 s or a partition
    cannot be read.
    """
    open_partitions = {partition for partition, offset in end.items() if start.get(partition, 0) < offset}
    if not open_partitions:
        return
    consumer = open_consumer(connection, end_events=True, own=own)
    try:
        consumer.assign([TopicPartition(topic, partition, start.get(partition, 0)) for partition in open_partitions])
        for message in _messages(
            consumer, _CHUNK, topic, lambda: f"partitions {sorted(open_partitions)} end at {end}", before_poll
        ):
            partition, offset = place_of(message)
            if not is_end(message) and offset < end[partition]:
                yield to_record(message)
            if offset >= end[partition] - (0 if is_end(message) else 1):
                open_partitions.discard(partition)
            if not open_partitions:
                return
    finally:
        consumer.close()


def read_places(
    connection: KafkaConnection, topic: str, places: Mapping[int, Sequence[int]]
) -> Iterator[tuple[int, int, Record | None]]:
    """Yield partition, offset and record of each of ``places`` (partition → offsets in order).

    The record is None where the log has none: retention deleted it, or compaction did. Raises NotReady as ``read_log`` does.
    """
    firsts = log_ends(connection, topic)
    consumer = open_consumer(connection, end_events=True)
    try:
        for partition, offsets in places.items():
            first = firsts[partition][0] if partition in firsts else 0
            yield from ((partition, offset, None) for offset in offsets if offset < first)
            there = [offset for offset in offsets if offset >= first]
            for run in _runs(there):
                yield from _read_run(consumer, topic, partition, run)
    finally:
        consumer.close()


def _runs(offsets: Sequence[int]) -> Iterator[list[int]]:
    """Yield the offsets in runs that are worth reading in one go."""
    run: list[int] = []
    for offset in offsets:
        if run and offset - run[-1] > SEEK_GAP:
            yield run
            run = []
        run.append(offset)
    if run:
        yield run


def _read_run(consumer: Consumer, topic: str, partition: int, offsets: list[int]) -> Iterator[tuple[int, int, Record | None]]:
    consumer.assign([TopicPartition(topic, partition, offsets[0])])
    remaining = deque(offsets)
    for message in _messages(consumer, SEEK_GAP, topic, lambda: f"offset {remaining[0]} of partition {partition} was asked for"):
        _partition, offset = place_of(message)
        passed = offset - 1 if is_end(message) else offset
        while remaining and remaining[0] <= passed:
            due = remaining.popleft()
            # The log holds the record here or nowhere.
            yield partition, due, to_record(message) if due == offset else None
        if not remaining:
            return


def _messages(
    consumer: Consumer, most: int, topic: str, awaited: Callable[[], str], before_poll: Callable[[], None] = _nothing
) -> Iterator[Message]:
    """Yield messages and end events one by one, as ``chunks_of`` does."""
    return chain.from_iterable(chunks_of(consumer, most, topic, awaited, before_poll))


def chunks_of(
    consumer: Consumer, most: int, topic: str, awaited: Callable[[], str], before_poll: Callable[[], None] = _nothing
) -> Iterator[list[Message]]:
    """Yield messages and end events, at most ``most`` of them at once; raises NotReady when nothing arrives for 30 s.

    ``awaited`` says what was asked for, for the error. ``before_poll`` is as ``read_log`` has it.
    """
    silent_since = time.monotonic()
    while True:
        before_poll()
        with endings_passed_on():
            messages = consumer.consume(most, timeout=0.3)
        if not messages and time.monotonic() - silent_since > SILENCE_SECONDS:
            cause = f"{topic} brought nothing for {SILENCE_SECONDS:.0f} s"
            raise NotReady(cause, awaited(), "make status")
        if messages:
            yield messages
            silent_since = time.monotonic()


def place_of(message: Message) -> tuple[int, int]:
    """Return partition and offset of a message or of an end event; raises NotReady for a message that is another error."""
    error: KafkaError | None = message.error()
    if error is not None and not is_end(message):
        cause = f"{message.topic()} cannot be read"
        raise NotReady(cause, error.str(), "make status")
    return message.partition() or 0, message.offset() or 0


def is_end(message: Message) -> bool:
    """Whether the message is the event that a partition's end was reached; its offset is the next record's."""
    error: KafkaError | None = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001 - librdkafka's own name


def to_record(message: Message) -> Record:
    """Return a message as a record; raises NotReady for a message that is an error."""
    partition, offset = place_of(message)
    pairs = header_pairs(message)
    return Record(partition, offset, message.timestamp()[1] / 1000, message.value(), dict(pairs), message.key(), pairs)


def header_pairs(message: Message) -> tuple[tuple[str, bytes | None], ...]:
    """Return name and content of each of a message's headers, in their order; a name may come twice."""
    return tuple(
        (str(pair[0]), value.encode() if isinstance(value := pair[1], str) else value) for pair in message.headers() or []
    )
