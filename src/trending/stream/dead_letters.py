"""Dead letters: records that can't be used, sent whole to a topic of their own with reason, partition and offset."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, Message, Producer

from trending.errors import LabError
from trending.kafka.log_reader import log_ends, read_log, read_places

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from trending.kafka.connection import KafkaConnection
    from trending.kafka.log_reader import Record
    from trending.serving.store import Reject

MAX_LETTER_BYTES = 2_097_152
"""Room for the largest record a broker takes by default (1 MiB) and its headers."""
DEADLINE_SECONDS = 30.0
GONE = "retention or compaction removed the record before it was dead-lettered"
"""Header of a letter without a value: the reject is booked, and nobody can read it any more."""


class DeadLetters:
    """Writes each reject once, also when Spark replays a batch; opens its connections at the first reject."""

    def __init__(self, connection: KafkaConnection, topic: str, dead_letter_topic: str, known_up_to: int) -> None:
        self._connection = connection
        self._topic = topic
        self._dead_letter_topic = dead_letter_topic
        self._next_offset = known_up_to
        self._written: set[tuple[int, int]] | None = None

    @property
    def next_offset(self) -> int:
        """The dead-letter topic's offset behind the last letter known to be there."""
        return self._next_offset

    def write(self, rejects: Iterable[Reject]) -> int:
        """Send the rejects that are not there yet and return their number; raises LabError when one is not acknowledged."""
        if self._written is None:
            self._written = set(self._read_back())
        written = self._written
        fresh = [reject for reject in rejects if (reject.partition, reject.offset) not in written]
        if not fresh:
            return 0
        failures: list[KafkaError] = []

        def delivered(reject: Reject, error: KafkaError | None, message: Message) -> None:
            if error is not None:
                failures.append(error)
                return
            written.add((reject.partition, reject.offset))
            if (offset := message.offset()) is not None:
                self._next_offset = max(self._next_offset, offset + 1)

        own = {
            "enable.idempotence": True,
            "message.max.bytes": MAX_LETTER_BYTES,
            "message.timeout.ms": int(DEADLINE_SECONDS * 1000),
        }
        producer = Producer(self._connection.client(own, silent=False))
        for reject, record in self._originals(fresh):
            place = f"{reject.partition}:{reject.offset}"
            headers: list[tuple[str, str | bytes | None]] = [
                ("reason", reject.reason),
                ("topic", self._topic),
                ("partition", str(reject.partition)),
                ("offset", str(reject.offset)),
                *([("gone", GONE)] if record is None else []),
            ]
            value = record.value if record else None
            while True:
                try:
                    producer.produce(
                        self._dead_letter_topic,
                        value,
                        key=place,
                        headers=headers,
                        partition=0,
                        on_delivery=partial(delivered, reject),
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
        left = producer.flush(DEADLINE_SECONDS)
        if left or failures:
            cause = f"{left + len(failures)} dead letters were not acknowledged by {self._dead_letter_topic}"
            raise LabError(cause, str(failures[0]) if failures else "no answer in time", "make status")
        return len(fresh)

    def _read_back(self) -> Iterator[tuple[int, int]]:
        """Yield the places of the letters behind the last written batch: what a killed driver sent and did not book."""
        low, high = log_ends(self._connection, self._dead_letter_topic, DEADLINE_SECONDS)[0]
        for letter in read_log(self._connection, self._dead_letter_topic, {0: max(low, self._next_offset)}, {0: high}):
            place = letter_place(letter.headers)
            if place is not None:
                yield place
        self._next_offset = max(self._next_offset, high)

    def _originals(self, rejects: list[Reject]) -> Iterator[tuple[Reject, Record | None]]:
        """Yield each reject with its record, or None where retention or compaction removed that meanwhile."""
        ordered = {(reject.partition, reject.offset): reject for reject in sorted(rejects, key=attrgetter("partition", "offset"))}
        places: dict[int, list[int]] = {}
        for partition, offset in ordered:
            places.setdefault(partition, []).append(offset)
        for partition, offset, record in read_places(self._connection, self._topic, places):
            yield ordered[partition, offset], record


def letter_place(headers: Mapping[str, str | bytes | None]) -> tuple[int, int] | None:
    """Return partition and offset of the record that a letter with these headers holds, or None where it is not one of ours."""
    try:
        return int(headers["partition"] or ""), int(headers["offset"] or "")
    except (KeyError, ValueError):
        return None
