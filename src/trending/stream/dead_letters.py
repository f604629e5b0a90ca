"""Dead letters: records that can't be used, sent to a topic of their own with reason, partition, offset and length.

Their own keys and headers stay behind, and a value that is larger than a letter may be is cut. Of a flood the first get letters,
the rest a summary for each reason.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, Message, Producer

from trending.errors import LabError
from trending.kafka.log_reader import log_ends, read_log, read_places
from trending.kafka.rejects import by_partition
from trending.stream.letters import Headers, Letters, Reject, Summary, divide

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from trending.kafka.connection import KafkaConnection
    from trending.kafka.log_reader import Record
    from trending.kafka.rejects import Rejects

logger = logging.getLogger("trending.stream")

Letter = Reject | Summary
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
    """Writes each letter once, also when Spark replays a batch; opens its connections at the first reject.

    In memory are the letters of the batch at hand, and those that were read back: what was sent since the last booked batch
    began. ``read_back_from`` is the offset of the dead-letter topic at which the present batch's letters begin, so that the
    successor of a driver that was killed between booking and commit finds them again.
    """

    def __init__(self, connection: KafkaConnection, topic: str, dead_letter_topic: str, known_up_to: int) -> None:
        self._connection = connection
        self._topic = topic
        self._dead_letter_topic = dead_letter_topic
        self._next_offset = known_up_to
        self._known: Letters | None = None
        self._written: set[Letter] = set()
        self._batch: int | None = None
        self._room = MAX_LETTER_BYTES - ENVELOPE_BYTES
        self.read_back_from = known_up_to

    def write(self, batch: int, rejects: Iterable[Rejects]) -> int:
        """Send the batch's letters that are not there yet and return their number; raises LabError when one is not acknowledged.

        A letter that the broker does not take is cut to half its value, again and again. One that it does not even take without
        a value is given up, because no record may stop the job; the audit then misses it.
        """
        if self._known is None:
            self._known = self._read_back()
        elif batch != self._batch:
            self._written.clear()
            self.read_back_from = self._next_offset
        self._batch = batch
        fresh = list(self._fresh(rejects))
        refused = self._send(fresh) if fresh else []
        while refused and self._room:
            self._room = self._room // 2 if self._room > SMALLEST_ROOM else 0
            refused = self._send(refused)
        if refused:
            logger.warning("%s takes not even a letter without a value: %d are missing", self._dead_letter_topic, len(refused))
        return len(fresh) - len(refused)

    def _fresh(self, rejects: Iterable[Rejects]) -> Iterator[Letter]:
        known = self._known or Letters()
        for each in by_partition(rejects).values():
            letters, summaries = divide(each)
            yield from (one for one in letters if (one.partition, one.offset) not in known.places and one not in self._written)
            yield from (one for one in summaries if one not in known.summaries and one not in self._written)

    def _send(self, letters: list[Letter]) -> list[Letter]:
        """Send letters with as much of each record as there is room for; returns those that the broker refused for themselves."""
        refused: list[Letter] = []
        failures: list[KafkaError] = []

        def delivered(letter: Letter, error: KafkaError | None, message: Message) -> None:
            if error is None:
                self._note(letter, message)
            elif error.code() in ABOUT_THE_LETTER:
                refused.append(letter)
            else:
                failures.append(error)

        producer = Producer(self._connection.client(self._settings(), silent=False))
        for letter, key, value, headers in self._contents(letters):
            acknowledged = partial(delivered, letter)
            while True:
                try:
                    producer.produce(
                        self._dead_letter_topic,
                        value if value is None else value[: self._room],
                        key=key,
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

    def _contents(self, letters: list[Letter]) -> Iterator[tuple[Letter, str, bytes | None, Headers]]:
        """Yield each letter with its key, value and headers; the originals are read from the log once more."""
        ordered = {(one.partition, one.offset): one for one in sorted(one for one in letters if isinstance(one, Reject))}
        places: dict[int, list[int]] = {}
        for partition, offset in ordered:
            places.setdefault(partition, []).append(offset)
        for partition, offset, record in read_places(self._connection, self._topic, places):
            reject = ordered[partition, offset]
            yield reject, f"{partition}:{offset}", record.value if record else None, self._headers(reject, record)
        for one in letters:
            if isinstance(one, Summary):
                yield one, f"{one.partition}:{one.first}-{one.last}", one.value(), one.headers(self._topic)

    def _headers(self, reject: Reject, record: Record | None) -> Headers:
        headers: Headers = [
            ("reason", reject.reason),
            ("topic", self._topic),
            ("partition", str(reject.partition)),
            ("offset", str(reject.offset)),
        ]
        if record is None:
            return [*headers, ("gone", GONE)]
        return headers if record.value is None else [*headers, ("length", str(len(record.value)))]

    def _note(self, letter: Letter, message: Message) -> None:
        self._written.add(letter)
        if (offset := message.offset()) is not None:
            self._next_offset = max(self._next_offset, offset + 1)

    def _read_back(self) -> Letters:
        """Return the letters behind the last booked batch's first: what a killed driver sent and may not have booked."""
        low, high = log_ends(self._connection, self._dead_letter_topic, DEADLINE_SECONDS)[0]
        start = max(low, self.read_back_from)
        letters = Letters.read(read_log(self._connection, self._dead_letter_topic, {0: start}, {0: high}))
        self._next_offset = max(self._next_offset, high)
        return letters
