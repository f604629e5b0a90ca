"""The producer program: simulated tweets into Kafka, at a steady rate, with nothing acknowledged ever lost."""

from __future__ import annotations

import logging
import secrets
import time
from functools import partial
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, Producer

from trending.errors import LabError
from trending.producer.ledger import LedgerWriter
from trending.producer.stuck_client import STUCK_SECONDS, StuckClient
from trending.programs.heartbeat import write_heartbeat
from trending.simulator.generator import Simulator, load_catalogue
from trending.tweets.record_id import ID_HEADER, record_id
from trending.tweets.wire_format import Tweet, encode

if TYPE_CHECKING:
    import threading

    from confluent_kafka import Message

    from trending.programs.specifications import ProducerSpec

logger = logging.getLogger("trending.producer")

REPORT_SECONDS = 0.5
FLUSH_SECONDS = 20.0
LEADERS_SECONDS = 1.0
"""The wait for an answer about leaders; asked only when nothing was acknowledged for a while."""
MAX_BURST = 2_000
"""Tweets sent between two looks at the clock."""
MAX_DEBT_SECONDS = 1.0
"""A producer that was held up longer than this goes on at its rate instead of making up for the time lost."""
QUEUED_MESSAGES = 100_000
"""Bound of librdkafka's queue: past it the producer waits, so an unreachable broker costs bounded memory and no tweet."""


PRODUCER_SETTINGS = {
    "client.id": "trending-producer",
    "enable.idempotence": True,
    "max.in.flight.requests.per.connection": 1,
    "compression.type": "lz4",
    "linger.ms": 5,
    "message.timeout.ms": 0,
    "queue.buffering.max.messages": QUEUED_MESSAGES,
    "reconnect.backoff.max.ms": 1000,
    # A broker that comes back names no leader for a moment; by default the client asks again every five minutes.
    "topic.metadata.refresh.interval.ms": 10_000,
}
"""Idempotent, lz4, no time limit for a message, quick to come back.

One request in flight: with more, a leader's change in the wrong moment makes librdkafka write a message twice, idempotent or not
(https://github.com/confluentinc/librdkafka/issues/4953, docs/decisions/0015)."""


class TweetProducer:
    """One life of the producer: sends, hears the acknowledgements, keeps the ledger, beats."""

    def __init__(self, spec: ProducerSpec) -> None:
        self._spec = spec
        self._run = secrets.token_hex(6)
        self._simulator = Simulator(load_catalogue(spec.settings.catalogue), spec.settings.seed)
        self._ledger = LedgerWriter(spec.ledger, self._run, spec.topic_id)
        self._fatal: KafkaError | None = None
        own = {**PRODUCER_SETTINGS, "error_cb": self._error}
        self._producer = Producer(spec.connection.client(own, silent=False), logger=logger)
        self._sent = 0
        self._waits = 0
        self._watch = StuckClient(self._leaders_known, time.monotonic)
        self._ends: dict[int, int] = {}

    def run(self, stop: threading.Event) -> None:
        """Send until ``stop`` is set; then flush. Raises LabError on librdkafka's fatal errors, and when its client is stuck."""
        rate = self._spec.settings.rate
        started, base, reported = time.monotonic(), 0, 0.0
        logger.info("run %s sends %s tweets a second to %s", self._run, rate, self._spec.topic)
        while not stop.is_set() and self._fatal is None:
            now = time.monotonic()
            due = int((now - started) * rate) + 1 - (self._sent - base)
            if due > max(1.0, MAX_DEBT_SECONDS * rate):
                started, base = now, self._sent
                due = max(1, int(rate * MAX_DEBT_SECONDS))
            if due > 0:
                self._send(min(due, MAX_BURST), stop)
            wait = 0.0 if due > MAX_BURST else min(0.2, (self._sent - base) / rate - (time.monotonic() - started))
            self._producer.poll(max(0.0, wait))
            self._require_progress()
            if now - reported >= REPORT_SECONDS:
                self._report("running")
                reported = now
        self._close()

    def _send(self, count: int, stop: threading.Event) -> None:
        if self._sent + count > self._ledger.reserved:
            self._ledger.reserve(self._sent + max(count, int(self._spec.settings.rate * 60)))
        for tweet in self._simulator.tweets(count, time.time()):
            self._produce(tweet, stop)
            if stop.is_set() or self._fatal:
                return

    def _produce(self, tweet: Tweet, stop: threading.Event) -> None:
        value = encode(tweet)
        sequence = self._sent
        acknowledged = partial(self._delivered, sequence, tweet.hashtag_principal)
        headers: list[tuple[str, str | bytes | None]] = [(ID_HEADER, record_id(self._run, sequence))]
        while not stop.is_set() and self._fatal is None:
            try:
                self._producer.produce(self._spec.topic, value, headers=headers, on_delivery=acknowledged)
            except BufferError:
                # Full queue: the broker is slower than we are. Waiting is the back-pressure; the tweet is kept.
                self._waits += 1
                self._producer.poll(0.1)
                self._report("waiting for the broker")
                self._require_progress()
            except KafkaException as error:
                # A fatal error is thrown here before the callback hears of it; a message too large, only here.
                self._fatal = error.args[0]
            else:
                self._sent += 1
                return

    def _delivered(self, sequence: int, hashtag: str, error: KafkaError | None, message: Message) -> None:
        offset, partition = message.offset(), message.partition()
        if error is not None:
            self._ledger.fail(sequence, error.str())
        elif offset is not None and offset >= 0 and partition is not None:
            # A duplicate that the broker recognised comes without offset: it is in the log, its place unknown.
            self._ledger.acknowledge(sequence, partition, offset, message.timestamp()[1] / 1000, hashtag)
            self._ends[partition] = offset + 1

    def _error(self, error: KafkaError) -> None:
        logger.warning("%s", error.str())
        if error.fatal():
            self._fatal = error

    def _leaders_known(self) -> bool:
        """Whether the broker answers and names a leader for each partition of the topic."""
        try:
            view = self._producer.list_topics(self._spec.topic, timeout=LEADERS_SECONDS).topics[self._spec.topic]
        except KafkaException:
            return False
        return view.error is None and bool(view.partitions) and all(each.leader >= 0 for each in view.partitions.values())

    def _require_progress(self) -> None:
        """End this life when its client is stuck: nothing unsent is promised, and the next life has a client of its own."""
        queued = len(self._producer)
        if not self._watch.look(self._ledger.acknowledged + self._ledger.failed, queued):
            return
        self._report("stuck")
        self._ledger.close()
        cause = "librdkafka sends nothing although the broker is back; a new producer starts with a new run"
        raise LabError(cause, f"{queued} tweets queued, partition leaders known for {STUCK_SECONDS:.0f} s", "make status")

    def _report(self, phase: str) -> None:
        self._ledger.commit()
        figures: dict[str, float] = {
            "sent": self._sent,
            "acknowledged": self._ledger.acknowledged,
            "failed": self._ledger.failed,
            "queued": len(self._producer),
            "waits": self._waits,
            # Behind the last acknowledged record: with the stream's own offsets the lag, and nobody has to ask the broker.
            **{f"offset.{partition}": end for partition, end in sorted(self._ends.items())},
        }
        write_heartbeat(self._spec.heartbeat, phase, figures, self._run)

    def _close(self) -> None:
        left = self._producer.flush(FLUSH_SECONDS)
        self._report("stopped")
        self._ledger.close()
        logger.info("sent %d, acknowledged %d, unknown %d", self._sent, self._ledger.acknowledged, left)
        if self._fatal is not None:
            cause = "librdkafka gave up on this producer; a new one starts with a new run"
            raise LabError(cause, self._fatal.str(), "make status")


def main(spec: ProducerSpec, stop: threading.Event) -> None:
    """Run the producer until it is told to stop."""
    TweetProducer(spec).run(stop)
