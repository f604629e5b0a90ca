"""Dead letters: records that can't be used, sent to a topic of their own with reason, partition, offset and length.

Their own keys and headers stay behind, and a value that is larger than a letter may be is cut.
"""

from __future__ import annotations

import logging
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

logger = logging.getLogger("trending.stream")

MAX_LETTER_BYTES = 2_097_152
"""Room for the largest record a broker takes by default (1 MiB) and its headers."""
ENVELOPE_BYTES = 4_096
"""Room for key, headers and framing: a topic's name has at most 249 characters, a reason about 60."""
SMALLEST_ROOM = 1_024
"""Where not even so much of a value is taken, the letter goes without."""
QUEUED_KBYTES = 65_536
"""The producer's queue, so that 10,000 large letters do not stand in memory at once."""
DEADLINE_SECONDS = 30.0
GONE = "retention or compaction removed the record before it was dead-lettered"
"""Header of a letter without a value: the reject is booked, and nobody can read it any more."""
ABOUT_THE_LETTER = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_RECORD,
        KafkaError.POLICY_VIOLATION,
    }
)
"""Refusals that concern one letter and not the topic: a smaller one may be taken, and waiting changes nothing."""


class DeadLetters:
    """Writes each reject once, also when Spark replays a batch; opens its connections at the first reject."""

    def __init__(self, connection: KafkaConnection, topic: str, dead_letter_topic: str, known_up_to: int) -> None:
        self._connection = connection
        self._topic = topic
        self._dead_letter_topic = dead_letter_topic
        self._next_offset = known_up_to
        self._written: set[tuple[int, int]] | None = None
        self._room = MAX_LETTER_BYTES - ENVELOPE_BYTES

    @property
    def next_offset(self) -> int:
        """The dead-letter topic's offset behind the last letter known to be there."""
        return self._next_offset

    def write(self, rejects: Iterable[Reject]) -> int:
        """Send the rejects that are not there yet and return their number; raises LabError when one is not acknowledged.

        A letter that the broker does not take is cut to half its value, again and again. One that it does not even take without
        a value is given up, because no record may stop the job; the audit then misses it.
        """
        if self._written is None:
            self._written = set(self._read_back())
        written = self._written
        fresh = [reject for reject in rejects if (reject.partition, reject.offset) not in written]
        refused = self._send(fresh) if fresh else []
        while refused and self._room:
            self._room = self._room // 2 if self._room > SMALLEST_ROOM else 0
            refused = self._send(refused)
        if refused:
            logger.warning("%s takes not even a letter without a value: %d are missing", self._dead_letter_topic, len(refused))
        return len(fresh) - len(refused)

    def _send(self, rejects: list[Reject]) -> list[Reject]:
        """Send letters with as much of each record as there is room for; returns those that the broker refused for themselves."""
        refused: list[Reject] = []
        failures: list[KafkaError] = []

        def delivered(reject: Reject, error: KafkaError | None, message: Message) -> None:
            if error is None:
                self._note(reject, message)
            elif error.code() in ABOUT_THE_LETTER:
                refused.append(reject)
            else:
                failures.append(error)

        producer = Producer(self._connection.client(self._settings(), silent=False))
        for reject, record in self._originals(rejects):
            value = record.value if record else None
            place = f"{reject.partition}:{reject.offset}"
            acknowledged = partial(delivered, reject)
            headers = self._headers(reject, record)
            while True:
                try:
                    producer.produce(
                        self._dead_letter_topic,
                        value if value is None else value[: self._room],
                        key=place,
                        headers=headers,
                        partition=0,
                        on_delivery=acknowledged,
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
        left = producer.flush(DEADLINE_SECONDS)
        if left or failures:
            cause = f"{left + len(failures)} dead letters were not acknowledged by {self._dead_letter_topic}"
            raise LabError(cause, str(failures[0]) if failures else "no answer in time", "make up")
        return refused

    def _settings(self) -> dict[str, object]:
        size = self._room + ENVELOPE_BYTES
        return {
            "enable.idempotence": True,
            "message.max.bytes": size,
            # The broker measures whole batches: many small letters must not make one that is too large.
            "batch.size": min(size, 1_000_000),
            "queue.buffering.max.kbytes": QUEUED_KBYTES,
            "message.timeout.ms": int(DEADLINE_SECONDS * 1000),
        }

    def _headers(self, reject: Reject, record: Record | None) -> list[tuple[str, str | bytes | None]]:
        headers: list[tuple[str, str | bytes | None]] = [
            ("reason", reject.reason),
            ("topic", self._topic),
            ("partition", str(reject.partition)),
            ("offset", str(reject.offset)),
        ]
        if record is None:
            return [*headers, ("gone", GONE)]
        return headers if record.value is None else [*headers, ("length", str(len(record.value)))]

    def _note(self, reject: Reject, message: Message) -> None:
        if self._written is not None:
            self._written.add((reject.partition, reject.offset))
        if (offset := message.offset()) is not None:
            self._next_offset = max(self._next_offset, offset + 1)

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
