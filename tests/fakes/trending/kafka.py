"""A Kafka without broker: topics are lists, and its producers and consumers have the methods of confluent_kafka's.

Time passes only while somebody waits in vain: a poll that brings nothing moves the clock by its timeout.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    TIMESTAMP_LOG_APPEND_TIME,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from confluent_kafka.admin._listoffsets import OffsetSpec

MIDNIGHT = 1765843200
"""2025-12-16 00:00:00 UTC, the day of SPEC.md's block."""

Header = tuple[str, "str | bytes | None"]


class FakeTime(FakeClock):
    """Stands in for the module ``time``: a monotonic clock and a wall clock that pass together."""

    def time(self) -> float:
        return MIDNIGHT + self.now

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Have ``action`` done at the first wait that finds the clock ``moment`` seconds past midnight or more."""
        before = self._at_sleep

        def due() -> None:
            if before is not None:
                before()
            if self.now >= moment:
                action()

        self._at_sleep = due


@dataclass(frozen=True)
class FakeMessage:
    """A message as confluent_kafka hands it out: everything is a method."""

    _topic: str
    _partition: int
    _offset: int | None
    _append_ms: int = 0
    _value: bytes | None = None
    _key: bytes | str | None = None
    _headers: Sequence[Header] | None = None
    _error: KafkaError | None = None

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int | None:
        return self._offset

    def timestamp(self) -> tuple[int, int]:
        return TIMESTAMP_LOG_APPEND_TIME, self._append_ms

    def value(self) -> bytes | None:
        return self._value

    def key(self) -> bytes | str | None:
        return self._key

    def headers(self) -> Sequence[Header] | None:
        return self._headers

    def error(self) -> KafkaError | None:
        return self._error


@dataclass(frozen=True)
class FakePartition:
    leader: int


@dataclass
class FakeTopicMetadata:
    partitions: dict[int, FakePartition]
    error: object = None


@dataclass
class FakeMetadata:
    topics: dict[str, FakeTopicMetadata]


@dataclass(frozen=True)
class FakeDescription:
    topic_id: str


@dataclass(frozen=True)
class FakeOffset:
    offset: int


@dataclass
class FakeKafka:
    """The cluster: what it holds, and the ways in which a test makes it misbehave.

    ``aborted`` are records that only a reader of uncommitted ones gets, ``gone`` offsets at which nobody finds a record: markers,
    and what compaction removed. ``open_since`` is the offset at which a partition's first open transaction begins.
    """

    clock: FakeTime
    logs: dict[str, list[list[FakeMessage]]] = field(default_factory=dict)
    low: dict[tuple[str, int], int] = field(default_factory=dict)
    aborted: set[tuple[str, int, int]] = field(default_factory=set)
    gone: set[tuple[str, int, int]] = field(default_factory=set)
    open_since: dict[tuple[str, int], int] = field(default_factory=dict)
    silent: set[tuple[str, int]] = field(default_factory=set)
    unreachable: bool = False
    frozen: bool = False
    leader: int = 1
    queue_bound: int = 100_000
    refuse: Callable[[str, bytes | None], KafkaError | None] = lambda _topic, _value: None
    refuse_time: Callable[[int], bool] = lambda _time: False
    duplicates: Callable[[bytes | None], bool] = lambda _value: False
    writers: dict[str, FakeProducer] = field(default_factory=dict)
    """The last producer of each ``transactional.id``: an older one is fenced."""
    reported_errors: list[KafkaError] = field(default_factory=list)
    refuse_to_queue: KafkaError | None = None
    errors_meet_reports: bool = False
    """Whether a fatal error comes out of a call that also brings a report: as a SystemError with it as the cause."""
    last_partition_first: bool = False
    given_up: int = 0
    """Requests that librdkafka still gives up with the connection that they stood on."""
    _numbers: Iterator[int] = field(default_factory=count)
    topic_ids: dict[str, str] = field(default_factory=dict)
    producers: list[FakeProducer] = field(default_factory=list)
    consumers: list[FakeConsumer] = field(default_factory=list)
    admins: list[FakeAdmin] = field(default_factory=list)
    groups: dict[str, dict[tuple[str, int], int]] = field(default_factory=dict)
    """Consumer group → its offsets."""

    def create(self, topic: str, partitions: int = 1) -> None:
        self.logs[topic] = [[] for _ in range(partitions)]
        self.gone = {place for place in self.gone if place[0] != topic}
        self.aborted = {place for place in self.aborted if place[0] != topic}
        self.topic_ids[topic] = f"id {next(self._numbers)}"

    def delete(self, topic: str) -> None:
        del self.logs[topic], self.topic_ids[topic]

    def admin(self, configuration: dict[str, Any]) -> FakeAdmin:
        self.admins.append(FakeAdmin(self, configuration))
        return self.admins[-1]

    def append(
        self,
        topic: str,
        value: bytes | None,
        *,
        partition: int = 0,
        key: bytes | str | None = None,
        headers: Sequence[Header] | None = None,
        time: int = 0,
    ) -> FakeMessage:
        """Append a record; ``time`` is its own in milliseconds, which a topic with append times does not keep."""
        log = self.logs[topic][partition]
        # A broker gives header values and keys back as bytes, whatever they went in as.
        kept = [(name, text.encode() if isinstance(text, str) else text) for name, text in headers] if headers else None
        kept_key = key.encode() if isinstance(key, str) else key
        message = FakeMessage(topic, partition, len(log), time or int(self.clock.time() * 1000), value, kept_key, kept)
        log.append(message)
        return message

    def mark(self, topic: str, partition: int = 0) -> None:
        """Write a transaction's marker, which takes an offset and is no record."""
        self.gone.add((topic, partition, len(self.logs[topic][partition])))
        self.append(topic, b"marker", partition=partition)

    def abort(self, topic: str, *values: bytes | None, partition: int = 0) -> None:
        """Write the records of a transaction that is aborted, and its marker."""
        for value in values:
            self.aborted.add((topic, partition, len(self.logs[topic][partition])))
            self.append(topic, value, partition=partition)
        self.mark(topic, partition)

    def end(self, place: tuple[str, int], *, committed: bool) -> int:
        end = len(self.logs[place[0]][place[1]])
        return min(end, self.open_since.get(place, end)) if committed else end

    def values(self, topic: str, partition: int = 0) -> list[bytes | None]:
        """Return the values of the records that are no markers and not of an aborted transaction."""
        return [message.value() for message in self.records(topic, partition)]

    def records(self, topic: str, partition: int = 0) -> list[FakeMessage]:
        hidden = self.gone | self.aborted
        return [message for offset, message in enumerate(self.logs[topic][partition]) if (topic, partition, offset) not in hidden]

    def forget_before(self, topic: str, partition: int, offset: int) -> None:
        """Do as retention does."""
        self.low[topic, partition] = offset

    def error(self) -> KafkaError | None:
        """Return what a request ends with that no broker answers."""
        if self.unreachable:
            return KafkaError(KafkaError._TRANSPORT)
        if self.given_up:
            self.given_up -= 1
            return KafkaError(KafkaError._DESTROY_BROKER)
        return None

    def require(self) -> None:
        error = self.error()
        if error is not None:
            raise KafkaException(error)

    def list_topics(self, topic: str, timeout: float) -> FakeMetadata:
        if self.frozen:
            self.clock.sleep(timeout)
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return self.metadata(topic)

    def metadata(self, topic: str) -> FakeMetadata:
        self.require()
        return FakeMetadata(
            {topic: FakeTopicMetadata({number: FakePartition(self.leader) for number in range(len(self.logs[topic]))})}
        )

    def producer(self, configuration: dict[str, Any], logger: object = None) -> FakeProducer:
        self.producers.append(FakeProducer(self, configuration, logger))
        return self.producers[-1]

    def consumer(self, configuration: dict[str, Any]) -> FakeConsumer:
        self.consumers.append(FakeConsumer(self, configuration))
        return self.consumers[-1]


@dataclass(frozen=True)
class _Queued:
    topic: str
    value: bytes | None
    key: bytes | str | None
    headers: Sequence[Header] | None
    partition: int
    on_delivery: Callable[[KafkaError | None, FakeMessage], None]
    time: int = 0


class FakeProducer:
    """Queues; delivers while somebody polls or flushes, unless the cluster is frozen.

    With a ``transactional.id`` it writes in transactions: a newer one of the same id ends its transaction and fences it off.
    """

    def __init__(self, kafka: FakeKafka, configuration: dict[str, Any], logger: object = None) -> None:
        self._kafka = kafka
        self.configuration = configuration
        self.logger = logger
        self._queue: list[_Queued] = []
        self._turn = 0
        self._in_transaction: list[tuple[str, int, int]] | None = None
        self._failed = False
        self.longest_queue = 0
        self.stuck = False
        """Sends no more, as librdkafka after its issue 5430; its metadata requests are answered all the same."""

    def __len__(self) -> int:
        return len(self._queue)

    def abandon(self) -> list[_Queued]:
        """Return what is queued, and send nothing any more: its process was killed."""
        left, self._queue = self._queue, []
        return left

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | str | None = None,
        partition: int = -1,
        *,
        headers: Sequence[Header] | None = None,
        timestamp: int = 0,
        on_delivery: Callable[[KafkaError | None, FakeMessage], None] = lambda _error, _message: None,
    ) -> None:
        if "transactional.id" in self.configuration and (self._failed or self._in_transaction is None):
            raise KafkaException(KafkaError(KafkaError._STATE))
        if self._kafka.refuse_to_queue is not None:
            raise KafkaException(self._kafka.refuse_to_queue)
        if len(self._queue) >= self._kafka.queue_bound:
            raise BufferError(KafkaError._QUEUE_FULL)
        self._queue.append(_Queued(topic, value, key, headers, partition, on_delivery, timestamp))
        self.longest_queue = max(self.longest_queue, len(self._queue))

    def init_transactions(self, timeout: float) -> None:
        self._answered(timeout)
        name = self.configuration["transactional.id"]
        if (before := self._kafka.writers.get(name)) is not None and before._in_transaction is not None:
            before._end(committed=False)
        self._kafka.writers[name] = self

    def begin_transaction(self) -> None:
        self._require_not_fenced()
        self._in_transaction, self._failed = [], False

    def commit_transaction(self, timeout: float) -> None:
        self._answered(timeout)
        self._require_not_fenced()
        if self._failed or self._queue:
            raise KafkaException(KafkaError(KafkaError._STATE))
        self._end(committed=True)

    def abort_transaction(self, timeout: float) -> None:
        self._answered(timeout)
        self._require_not_fenced()
        self._queue.clear()
        self._end(committed=False)

    def _answered(self, timeout: float) -> None:
        if self._kafka.frozen or self._kafka.unreachable:
            self._kafka.clock.sleep(timeout)
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    def _require_not_fenced(self) -> None:
        name = self.configuration.get("transactional.id")
        if name is not None and self._kafka.writers.get(name) is not self:
            raise KafkaException(KafkaError(KafkaError._FENCED))

    def _end(self, *, committed: bool) -> None:
        places = self._in_transaction or []
        if not committed:
            self._kafka.aborted.update(places)
        for topic, partition in {place[:2] for place in places}:
            self._kafka.open_since.pop((topic, partition), None)
            self._kafka.mark(topic, partition)
        self._in_transaction = None

    def poll(self, timeout: float) -> int:
        delivered = self._deliver()
        self._report_errors()
        if not delivered:
            # Even a poll that waits for nothing takes a while.
            self._kafka.clock.sleep(max(timeout, 1e-5))
        return delivered

    def list_topics(self, topic: str, timeout: float) -> FakeMetadata:
        if self.stuck:  # it does not even try to connect
            self._kafka.clock.sleep(timeout)
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return self._kafka.list_topics(topic, timeout)

    def _report_errors(self) -> None:
        while self._kafka.reported_errors:
            error = self._kafka.reported_errors.pop(0)
            if error.fatal():
                # confluent_kafka raises it out of whatever serves callbacks, and calls no error_cb.
                if self._kafka.errors_meet_reports:
                    raise SystemError from KafkaException(error)
                raise KafkaException(error)
            self.configuration["error_cb"](error)

    def flush(self, timeout: float) -> int:
        self._report_errors()
        self._deliver()
        if self._queue:
            self._kafka.clock.sleep(timeout)
            self._deliver()
        return len(self._queue)

    def _deliver(self) -> int:
        if self._kafka.frozen or self._kafka.unreachable or self.stuck:
            return 0
        waiting, self._queue = self._queue, []
        if waiting:
            self._require_not_fenced()
        for queued in waiting:
            error = self._kafka.refuse(queued.topic, queued.value)
            if error is None and self._kafka.refuse_time(queued.time):
                error = KafkaError(KafkaError.INVALID_TIMESTAMP)
            if error is not None:
                self._failed = self._in_transaction is not None
                queued.on_delivery(error, FakeMessage(queued.topic, -1, None))
                continue
            partition = queued.partition
            if partition < 0:
                partition = self._turn % len(self._kafka.logs[queued.topic])
                self._turn += 1
            message = self._kafka.append(
                queued.topic, queued.value, partition=partition, key=queued.key, headers=queued.headers, time=queued.time
            )
            if self._in_transaction is not None:
                place = (queued.topic, partition, message.offset() or 0)
                self._in_transaction.append(place)
                self._kafka.open_since.setdefault(place[:2], place[2])
            if self._kafka.duplicates(queued.value):
                # The broker knew the record from an attempt whose answer was lost, and tells no offset.
                message = FakeMessage(queued.topic, partition, None)
            queued.on_delivery(None, message)
        return len(waiting)


class FakeAdmin:
    """Describes topics, or says that there is none, or never answers."""

    def __init__(self, kafka: FakeKafka, configuration: dict[str, Any]) -> None:
        self._kafka = kafka
        self.configuration = configuration

    def describe_topics(self, topics: TopicCollection, *, request_timeout: float) -> dict[str, Future[FakeDescription]]:
        return {topic: self._describe(topic, request_timeout) for topic in topics.topic_names}

    def list_topics(self, topic: str, timeout: float) -> FakeMetadata:
        return self._kafka.list_topics(topic, timeout)

    def alter_consumer_group_offsets(
        self,
        requests: list[ConsumerGroupTopicPartitions],
        *,
        request_timeout: float,  # noqa: ARG002 - the same
    ) -> dict[str, Future[ConsumerGroupTopicPartitions]]:
        (request,) = requests
        answer: Future[ConsumerGroupTopicPartitions] = Future()
        if self._kafka.unreachable:
            answer.set_exception(KafkaException(KafkaError(KafkaError._TRANSPORT)))
        else:
            places = {(place.topic, place.partition): place.offset for place in request.topic_partitions}
            self._kafka.groups.setdefault(request.group_id, {}).update(places)
            answer.set_result(request)
        return {request.group_id: answer}

    def list_offsets(
        self,
        places: dict[TopicPartition, OffsetSpec],
        *,
        isolation_level: IsolationLevel,
        request_timeout: float,  # noqa: ARG002 - the same
    ) -> dict[TopicPartition, Future[FakeOffset]]:
        committed = isolation_level is IsolationLevel.READ_COMMITTED
        answers: dict[TopicPartition, Future[FakeOffset]] = {}
        for place, which in places.items():
            answers[place] = Future()
            if (error := self._kafka.error()) is not None:
                answers[place].set_exception(KafkaException(error))
            else:
                answers[place].set_result(
                    FakeOffset(self._offset((place.topic, place.partition), which._value, committed=committed))
                )
        return answers

    def _offset(self, place: tuple[str, int], which: int, *, committed: bool) -> int:
        end = self._kafka.end(place, committed=committed)
        if which < 0:
            return end
        log = self._kafka.logs[place[0]][place[1]][:end]
        return next((offset for offset, message in enumerate(log) if message.timestamp()[1] >= which), -1)

    def _describe(self, topic: str, timeout: float) -> Future[FakeDescription]:
        answer: Future[FakeDescription] = Future()
        if self._kafka.frozen:
            self._kafka.clock.sleep(timeout)
            answer.set_exception(TimeoutError())
        elif (error := self._kafka.error()) is not None:
            answer.set_exception(KafkaException(error))
        elif topic not in self._kafka.topic_ids:
            answer.set_exception(KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)))
        else:
            answer.set_result(FakeDescription(self._kafka.topic_ids[topic]))
        return answer


class FakeConsumer:
    """Reads the partitions assigned to it, one message after the other, and complains about offsets that are gone."""

    def __init__(self, kafka: FakeKafka, configuration: dict[str, Any]) -> None:
        self._kafka = kafka
        self.configuration = configuration
        self._positions: dict[tuple[str, int], int] = {}
        self._ended: set[tuple[str, int, int]] = set()
        self._committed = configuration.get("isolation.level") == "read_committed"
        self.assignments = 0
        self.reads = 0
        self.closed = False

    def _require(self) -> None:
        if self.closed:
            msg = "Consumer closed"
            raise RuntimeError(msg)

    def list_topics(self, topic: str, timeout: float) -> FakeMetadata:  # noqa: ARG002 - confluent_kafka's signature
        self._require()
        return self._kafka.metadata(topic)

    def get_watermark_offsets(self, place: TopicPartition, timeout: float) -> tuple[int, int]:  # noqa: ARG002 - the same
        self._require()
        self._kafka.require()
        where = (place.topic, place.partition)
        return self._kafka.low.get(where, 0), self._kafka.end(where, committed=self._committed)

    def offsets_for_times(self, places: list[TopicPartition], timeout: float) -> list[TopicPartition]:  # noqa: ARG002 - the same
        self._require()
        self._kafka.require()
        return [TopicPartition(place.topic, place.partition, self._at(place)) for place in places]

    def _at(self, place: TopicPartition) -> int:
        log = self._kafka.logs[place.topic][place.partition]
        return next((offset for offset, message in enumerate(log) if message.timestamp()[1] >= place.offset), OFFSET_END)

    def assign(self, places: list[TopicPartition]) -> None:
        self._require()
        self.assignments += 1
        self._ended.clear()
        self._positions = {
            (place.topic, place.partition): self._kafka.low.get((place.topic, place.partition), 0)
            if place.offset == OFFSET_BEGINNING
            else place.offset
            for place in places
        }

    def poll(self, timeout: float) -> FakeMessage | None:
        self._require()
        for place in sorted(self._positions, reverse=self._kafka.last_partition_first):
            message = self._next(place)
            if message is not None:
                return message
        self._kafka.clock.sleep(timeout)
        return None

    def consume(self, count: int, timeout: float) -> list[FakeMessage]:
        messages: list[FakeMessage] = []
        while len(messages) < count and (message := self.poll(0.0 if messages else timeout)) is not None:
            messages.append(message)
        return messages

    def _next(self, place: tuple[str, int]) -> FakeMessage | None:
        position = self._positions[place]
        log = self._kafka.logs[place[0]][place[1]]
        end = self._kafka.end(place, committed=self._committed)
        if self._kafka.unreachable or self._kafka.frozen or place in self._kafka.silent:
            return None
        if position < self._kafka.low.get(place, 0) or position > len(log):
            del self._positions[place]
            error = KafkaError(KafkaError._AUTO_OFFSET_RESET, "offset out of range")
            return FakeMessage(*place, position, _error=error)
        while position < end and self._passed_over(*place, position):
            position += 1
        self._positions[place] = position
        if position >= end:
            return self._end_event(*place, position)
        self._positions[place] = position + 1
        self.reads += 1
        return log[position]

    def _passed_over(self, topic: str, partition: int, offset: int) -> bool:
        hidden = self._kafka.gone | self._kafka.aborted if self._committed else self._kafka.gone
        return (topic, partition, offset) in hidden

    def _end_event(self, topic: str, partition: int, offset: int) -> FakeMessage | None:
        if not self.configuration.get("enable.partition.eof") or (topic, partition, offset) in self._ended:
            return None
        self._ended.add((topic, partition, offset))
        return FakeMessage(topic, partition, offset, _error=KafkaError(KafkaError._PARTITION_EOF))

    def close(self) -> None:
        self.closed = True
