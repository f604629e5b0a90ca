"""Dead letters: records that can't be used, sent to a topic of their own as they were, with headers that say why.

Of a flood the first get letters, the rest a summary for each reason. All are written in transactions of one name. So of two
drivers only the one that came last can write, and it reads first what the other one has written.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from trending.errors import LabError, NotReady
from trending.kafka.answers import error_of
from trending.kafka.log_reader import log_ends, read_log, read_places
from trending.kafka.rejects import by_partition
from trending.kafka.transactions import DEADLINE_SECONDS, end_transaction, letters_id, transaction_settings
from trending.programs.refused import KEPT, Refused, refused
from trending.stream.envelope import Envelope, enclose
from trending.stream.letters import Letters, Reject, Summary, divide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from trending.kafka.connection import KafkaConnection
    from trending.kafka.rejects import Rejects

logger = logging.getLogger("trending.stream")

Letter = Reject | Summary
MAX_LETTER_BYTES = 2_097_152
"""Room for the largest record a broker takes by default (1 MiB) and its headers."""
ENVELOPE_BYTES = 4_096
"""Room for a letter's own headers and framing: a topic's name has at most 249 characters, a reason about 60."""
SMALLEST_ROOM = 1_024
"""Where not even so much of a record is taken, the letter goes without."""
QUEUED_KBYTES = 65_536
PIECE_BYTES = 16_777_216
PIECE_LETTERS = 5_000
"""What one transaction holds at most: it stands in memory, and is written long before the broker would abort it."""
ABOUT_THE_LETTER = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.POLICY_VIOLATION,
    }
)
"""Refusals that concern one letter and not the topic: a smaller one may be taken, and waiting changes nothing."""
FENCED = frozenset({KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH})  # noqa: SLF001 - librdkafka's own name
PASSING = frozenset(
    {KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._MSG_TIMED_OUT}  # noqa: SLF001
)
"""What a lost broker looks like."""


class DeadLetters:
    """Writes each letter once, also when Spark replays a batch; opens its connections at the first reject.

    Each batch with rejects begins with ``init_transactions``, which ends what another driver has begun and refuses what it would
    write from then on. Only then is read what is in the topic. So there is no moment at which two drivers could write the same.

    In memory are the letters of the batch at hand, and those that were read back: what was sent since the last booked batch
    began. ``read_back_from`` is the offset of the dead-letter topic at which the present batch's letters begin, so that the
    successor of a driver that was killed between booking and commit finds them again.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        topic: str,
        dead_letter_topic: str,
        known_up_to: int,
        noted: Callable[[Iterable[Refused]], None] | None = None,
    ) -> None:
        """Write to ``dead_letter_topic``; ``noted`` hears of the last records of each transaction, once it is written."""
        self._noted = noted or (lambda _fresh: None)
        self._connection = connection
        self._topic = topic
        self._dead_letter_topic = dead_letter_topic
        self._next_offset = known_up_to
        self._known = Letters()
        self._written: set[Letter] = set()
        self._batch: int | None = None
        self._room = MAX_LETTER_BYTES - ENVELOPE_BYTES
        self._keeps_time = True
        self.read_back_from = known_up_to
        self.latest: list[Refused] = []  # the last of the batch at hand, without those whose letters were there already

    def write(self, batch: int, rejects: Iterable[Rejects]) -> int:
        """Send the batch's letters that are not there yet and return their number.

        A letter that the broker does not take is cut to half its size, again and again. One that it does not even take empty is
        given up, because no record may stop the job; the audit then misses it. Raises NotReady when no broker answers, LabError
        when another driver has taken over or the letters are refused for good: then none of the transaction at hand is written.
        """
        if self._batch is not None and batch != self._batch:
            self._written.clear()
            self.latest.clear()
            self.read_back_from = self._next_offset
        self._batch = batch
        due = list(rejects)
        before = len(self._written)
        given_up: set[Letter] = set()
        while due and (refused := self._attempt(due, given_up)):
            if self._keeps_time and KafkaError.INVALID_TIMESTAMP in refused.values():
                self._keeps_time = False  # a broker whose clock was set back takes its own earlier times for the future
            elif self._room:
                self._room = self._room // 2 if self._room > SMALLEST_ROOM else 0
            else:
                given_up |= refused.keys()
        if given_up:
            logger.warning("%s takes not even an empty letter: %d are missing", self._dead_letter_topic, len(given_up))
        return len(self._written) - before

    def _attempt(self, rejects: list[Rejects], given_up: set[Letter]) -> dict[Letter, int]:
        """Send what is not there yet until the broker refuses letters for themselves; returns those with librdkafka's code."""
        fatal: KafkaError | None = None
        try:
            producer = Producer(self._connection.client(self._settings(), silent=False))
            producer.init_transactions(DEADLINE_SECONDS)
            self._read_back()
            fresh = [letter for letter in self._fresh(rejects) if letter not in given_up]
            for piece in _pieces(self._envelopes(fresh)):
                if refused := self._transact(producer, piece):
                    return refused
                self._note(piece)
        except (KafkaException, SystemError) as error:
            # Not raised from here: confluent-kafka's error would be its context, and would keep this frame with the client.
            fatal = error_of(error)
        if fatal is not None:
            raise self._not_written(fatal)
        return {}

    def _fresh(self, rejects: Iterable[Rejects]) -> Iterator[Letter]:
        known = self._known
        for each in by_partition(rejects).values():
            letters, summaries = divide(each)
            yield from (one for one in letters if (one.partition, one.offset) not in known.places and one not in self._written)
            yield from (one for one in summaries if one not in known.summaries and one not in self._written)

    def _transact(self, producer: Producer, piece: list[Envelope]) -> dict[Letter, int]:
        """Write letters in one transaction, or none of them where the broker refuses some for themselves; returns those."""
        placed: dict[Letter, int] = {}
        failures: dict[Letter, KafkaError] = {}

        def delivered(letter: Letter, error: KafkaError | None, message: Message) -> None:
            if error is None:
                placed[letter] = -1 if (offset := message.offset()) is None else offset
            else:
                failures[letter] = error

        producer.begin_transaction()
        for each in piece:
            if not self._hand_over(producer, each, partial(delivered, each.letter)):
                break
        failure = end_transaction(producer, failures.values())
        if failure is None:
            self._written |= placed.keys()
            self._next_offset = max([self._next_offset, *(offset + 1 for offset in placed.values())])
            return {}
        refused = {letter: error.code() for letter, error in failures.items() if error.code() in ABOUT_THE_LETTER}
        if not refused:
            raise self._not_written(failure)
        return refused

    def _note(self, piece: list[Envelope]) -> None:
        rejects = [(each.letter, each) for each in piece if isinstance(each.letter, Reject)][-KEPT:]
        fresh = [refused(one.partition, one.offset, one.reason, each.time / 1000, each.value) for one, each in rejects]
        self.latest = [*self.latest, *fresh][-KEPT:]
        try:
            self._noted(fresh)
        except OSError as error:  # the letters are written; only the page does not show these
            logger.warning("the last refused records are not noted: %s", error)

    def _hand_over(self, producer: Producer, each: Envelope, report: Callable[[KafkaError | None, Message], None]) -> bool:
        """Give a letter to librdkafka; returns whether the transaction still takes any."""
        while True:
            try:
                producer.produce(
                    self._dead_letter_topic,
                    each.value,
                    each.key,
                    0,
                    headers=each.headers,
                    timestamp=each.time if self._keeps_time else 0,
                    on_delivery=report,
                )
            except BufferError:
                producer.poll(0.1)
            except KafkaException as error:
                if error.args[0].code() == KafkaError._STATE:  # noqa: SLF001 - as above
                    return False  # one before it was refused, and its report says why
                raise
            else:
                return True

    def _settings(self) -> dict[str, object]:
        size = self._room + ENVELOPE_BYTES
        return {
            **transaction_settings(letters_id(self._dead_letter_topic)),
            "message.max.bytes": size,
            # The broker measures whole batches: many small letters must not make one that is too large.
            "batch.size": min(size, 1_000_000),
            "queue.buffering.max.kbytes": QUEUED_KBYTES,
        }

    def _envelopes(self, letters: list[Letter]) -> Iterator[Envelope]:
        """Yield each letter as it is sent; the originals are read from the log once more."""
        ordered = {(one.partition, one.offset): one for one in sorted(one for one in letters if isinstance(one, Reject))}
        places: dict[int, list[int]] = {}
        for partition, offset in ordered:
            places.setdefault(partition, []).append(offset)
        for partition, offset, record in read_places(self._connection, self._topic, places):
            yield enclose(ordered[partition, offset], record, self._topic, self._room)
        for one in letters:
            if isinstance(one, Summary):
                yield Envelope(one, None, one.value() if self._room else b"", one.headers(self._topic))

    def _read_back(self) -> None:
        """Read the letters that were written since this driver last looked: those that a killed one may not have booked."""
        low, high = log_ends(self._connection, self._dead_letter_topic, DEADLINE_SECONDS)[0]
        start = max(low, self._next_offset)
        self._known.add(read_log(self._connection, self._dead_letter_topic, {0: start}, {0: high}))
        self._next_offset = max(self._next_offset, high)

    def _not_written(self, error: KafkaError) -> LabError:
        if error.code() in FENCED:
            cause = "another driver writes the dead letters now, and this one's are refused"
            return LabError(cause, str(error), "make status")
        cause = f"the dead letters of batch {self._batch} were not written to {self._dead_letter_topic}"
        return (NotReady if error.code() in PASSING else LabError)(cause, str(error), "make up")


def _pieces(envelopes: Iterable[Envelope]) -> Iterator[list[Envelope]]:
    """Yield the letters in pieces, of one transaction each."""
    piece: list[Envelope] = []
    size = 0
    for each in envelopes:
        piece.append(each)
        size += len(each)
        if size >= PIECE_BYTES or len(piece) >= PIECE_LETTERS:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece
