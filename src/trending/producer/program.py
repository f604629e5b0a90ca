"""The producer program: simulated tweets into Kafka, at a steady rate, with nothing acknowledged ever lost."""

from __future__ import annotations

import logging
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, Producer

from trending.errors import LabError
from trending.kafka.answers import error_of
from trending.kafka.log_start import LogStartWatch
from trending.producer.ledger_writer import LedgerWriter
from trending.producer.markers import Markers
from trending.producer.sources.choice import source_of
from trending.producer.stuck_client import STUCK_SECONDS, StuckClient, leaders_known
from trending.programs.heartbeat import write_heartbeat

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from confluent_kafka import ThrottleEvent
    from confluent_kafka.admin._metadata import PartitionMetadata

    from trending.producer.markers import SentBurst
    from trending.producer.sources.source import Headers, IdHeaders, Source
    from trending.programs.specifications import ProducerSpec

logger = logging.getLogger("trending.producer")

REPORT_SECONDS = 0.5
ACHIEVED_SECONDS = 5.0
"""The rate that is achieved is that of so many seconds."""
FLUSH_SECONDS = 20.0
THROTTLED_SECONDS = 5.0
"""How long a broker's word counts that a quota is exceeded, beside the time for which it then hears nothing of us."""
LEADERS_SECONDS = 1.0
"""The wait for an answer about partitions and leaders: at the start, and when nothing was acknowledged for a while."""
ROOM_SECONDS = 0.1
"""The wait for room in librdkafka's queue, and for a broker to come."""
QUEUED_MESSAGES = 100_000
"""Bound of librdkafka's queue: past it the producer waits, so an unreachable broker costs bounded memory and no tweet."""


LINGER_MS = ((10_000, 20), (1_000, 5), (0, 1))
"""Tweets a second from which on a message waits so many milliseconds."""

PRODUCER_SETTINGS = {
    "client.id": "trending-producer",
    "enable.idempotence": True,
    "enable.gapless.guarantee": True,
    "max.in.flight.requests.per.connection": 1,
    "compression.type": "lz4",
    "message.timeout.ms": 0,
    "queue.buffering.max.messages": QUEUED_MESSAGES,
    "reconnect.backoff.max.ms": 1000,
    # A broker that comes back names no leader for a moment; by default the client asks again every five minutes.
    "topic.metadata.refresh.interval.ms": 10_000,
}
"""Idempotent, without gaps, lz4, no time limit for a message, quick to come back.

One request in flight: with more, a leader's change in the wrong moment makes librdkafka write a message twice, idempotent or not
(https://github.com/confluentinc/librdkafka/issues/4953, docs/decisions/0015)."""


def linger_ms(rate: float) -> int:
    """Return how long a message may wait for company: longer where that fills requests, shortly where it only costs time."""
    return next(linger for least, linger in LINGER_MS if rate >= least)


class TweetProducer:
    """One life of a producer: sends, hears the acknowledgements, keeps the ledger, beats.

    With a ``source`` of its own it is a guest beside the stack's producer, which alone prunes the ledger.
    """

    def __init__(self, spec: ProducerSpec, source: Source | None = None) -> None:
        self._spec = spec
        self._source, reserved = (source, 0) if source else source_of(spec, time.monotonic)
        self._run = self._source.run
        # One of several that share a ledger prunes it.
        guest = source is not None or spec.place > 0
        self._ledger = LedgerWriter(spec.ledger, self._run, spec.topic_id, reserved=reserved, guest=guest)
        self._markers = Markers(self._ledger)
        self._log = None if guest else LogStartWatch(spec.connection, spec.topic)
        self._fatal: KafkaError | None = None
        heard = {"error_cb": self._error, "throttle_cb": self._note_throttled}
        own = {**PRODUCER_SETTINGS, "linger.ms": linger_ms(self._source.rate), **heard}
        self._producer = Producer(spec.connection.client(own, silent=False), logger=logger)
        self._sent = 0
        self._waits = 0
        self._debt = 0
        self._reported = 0.0
        self._throttled, self._throttled_until = 0.0, 0.0
        self._achieved: deque[tuple[float, int]] = deque(maxlen=int(ACHIEVED_SECONDS / REPORT_SECONDS) + 1)
        # Another client is asked: one that is stuck may have given up on its broker, too.
        self._watch = StuckClient(partial(leaders_known, spec.connection, spec.topic, LEADERS_SECONDS), time.monotonic)

    def run(self, stop: threading.Event) -> None:
        """Send until ``stop`` is set; then flush. Raises LabError on librdkafka's fatal errors, and when its client is stuck."""
        source = self._source
        logger.info("run %s sends about %s tweets a second to %s", self._run, source.rate, self._spec.topic)
        partitions = self._await_partitions(stop)
        if partitions and source.take_over(partial(self._goes_on_reading, stop), partial(self._poll, ROOM_SECONDS)):
            source.begin(partitions, time.monotonic(), time.time())
            self._send_all(stop)
        self._close()

    def _send_all(self, stop: threading.Event) -> None:
        source = self._source
        while not self._ended(stop):
            now, wall = time.monotonic(), time.time()
            source.listen(now, wall)
            due = self._due(now, wall)
            if due and len(self._producer) + due > QUEUED_MESSAGES:
                self._wait_for_room()
                continue
            if due:
                self._send(due, source.partition(now), stop)
            self._poll(source.wait(time.monotonic(), time.time()))
            self._require_progress()
            self._report_when_due(source.phase(time.time()))

    def _ended(self, stop: threading.Event) -> bool:
        self._fatal = self._fatal or self._markers.failure
        return stop.is_set() or self._fatal is not None or self._source.over or 0 < self._spec.tweets <= self._sent

    def _due(self, now: float, wall: float) -> int:
        """Return how many tweets to send now, no more than are asked for in all."""
        due = self._source.due(now, wall)
        return min(due, self._spec.tweets - self._sent) if self._spec.tweets else due

    def _await_partitions(self, stop: threading.Event) -> int:
        """Return the number of the topic's partitions as soon as a broker tells it; 0 if it is time to end before."""
        while not self._ended(stop):
            if partitions := self._partitions():
                return len(partitions)
            self._poll(ROOM_SECONDS)
            self._report_when_due("waiting for the broker")
        return 0

    def _goes_on_reading(self, stop: threading.Event) -> bool:
        self._report_when_due("starting: reading back")
        return not stop.is_set()

    def _send(self, count: int, partition: int, stop: threading.Event) -> None:
        first = self._source.position
        if first + count > self._ledger.reserved:
            self._ledger.reserve(first + max(count, int(self._source.rate * 60)))
        drawn = self._source.draw(count, time.time())
        keys, headers = drawn.addressed(self._run, first)
        burst = self._markers.begin(partition, first, drawn.labels)
        while burst.handed < count and not self._ended(stop):
            self._hand_over(burst, drawn.values, keys, headers)
        self._sent += burst.handed
        self._source.advance(burst.handed)

    def _hand_over(
        self, burst: SentBurst, values: list[bytes | None], keys: list[bytes], headers: list[Headers] | IdHeaders | None
    ) -> None:
        """Give librdkafka what it has not taken yet of a burst, with reports asked for on the first and the last tweet."""
        produce, topic, partition = self._producer.produce, self._spec.topic, burst.partition
        place, last = burst.handed, len(values) - 1
        try:
            while place <= last:
                if not 0 < place < last:
                    told = partial(self._markers.reported, burst, place)
                    own = headers[place] if headers else None
                    produce(topic, values[place], keys[place], partition, on_delivery=told, headers=own)
                elif headers is None:
                    produce(topic, values[place], keys[place], partition)
                else:
                    produce(topic, values[place], keys[place], partition, headers=headers[place])
                place += 1
        except BufferError:
            # Full queue: the broker is slower than we are. Waiting is the back-pressure; the tweet is kept.
            burst.handed = place
            self._wait_for_room()
        except (KafkaException, SystemError) as error:
            # A fatal error is thrown here before the callback hears of it; a message too large, only here.
            self._fatal = error_of(error)
        burst.handed = place

    def _wait_for_room(self) -> None:
        self._waits += 1
        served = self._poll(ROOM_SECONDS)
        self._require_progress()
        self._report_when_due("running" if served else "waiting for the broker")

    def _error(self, error: KafkaError) -> None:
        logger.warning("%s", error.str())

    def _poll(self, seconds: float) -> int:
        """Serve reports for at most so long, and return their number; a fatal error ends this life.

        confluent-kafka raises a fatal error out of the call that serves callbacks, in place of calling ``error_cb``.
        """
        try:
            return self._producer.poll(seconds)
        except (KafkaException, SystemError) as error:
            self._fatal = error_of(error)
            return 0

    def _flush(self) -> int:
        """Wait for what is under way, and return how many tweets have no report even then."""
        try:
            return self._producer.flush(FLUSH_SECONDS)
        except (KafkaException, SystemError) as error:
            # It cut the call short, and comes once: the reports from before it are still to be served.
            self._fatal = error_of(error)
            return self._producer.flush(FLUSH_SECONDS)

    def _note_throttled(self, event: ThrottleEvent) -> None:
        """Keep what a broker says of a quota; librdkafka calls it while it is polled, and with 0 s when it is over."""
        now = time.monotonic()
        if event.throttle_time and now >= self._throttled_until:
            logger.warning("%s held an answer back for %.3f s: a quota is exceeded", event.broker_name, event.throttle_time)
        self._throttled, self._throttled_until = event.throttle_time, now + event.throttle_time + THROTTLED_SECONDS

    def _partitions(self) -> Mapping[int, PartitionMetadata]:
        """Return what a broker says of the topic's partitions; empty where none answers, or none knows the topic."""
        try:
            view = self._producer.list_topics(self._spec.topic, timeout=LEADERS_SECONDS).topics[self._spec.topic]
        except KafkaException as error:
            logger.debug("%s", error)
            return {}
        return {} if view.error is not None else view.partitions

    def _require_progress(self) -> None:
        """End this life when its client is stuck: nothing unsent is promised, and the next life has a client of its own."""
        queued = len(self._producer)
        if not self._watch.look(self._ledger.acknowledged + self._ledger.failed, queued):
            return
        self._report("stuck")
        self._end()
        cause = "librdkafka sends nothing although the broker is back; a new producer starts with a new run"
        raise LabError(cause, f"{queued} tweets queued, partition leaders known for {STUCK_SECONDS:.0f} s", "make status")

    def _report_when_due(self, phase: str) -> None:
        now = time.monotonic()
        if now - self._reported >= REPORT_SECONDS:
            self._debt = self._source.debt(now, time.time())
            self._report(phase)
            self._reported = now
            start = self._log.look(time.time()) if self._log else None
            if start is not None:
                self._ledger.prune(start)

    def _report(self, phase: str) -> None:
        self._ledger.commit()
        proven = self._markers.proven(self._source.position)
        self._source.note(proven)
        now, wall = time.monotonic(), time.time()
        self._achieved.append((now, self._ledger.acknowledged))
        (since, before) = self._achieved[0]
        figures: dict[str, float] = {
            "sent": self._sent,
            "acknowledged": self._ledger.acknowledged,
            "failed": self._ledger.failed,
            "queued": len(self._producer),
            "waits": self._waits,
            # By how much the rate asked for could not be kept.
            "debt": self._debt,
            "asked": round(self._source.asked(wall), 3),
            "achieved": round((self._ledger.acknowledged - before) / (now - since), 3) if now > since else 0.0,
            # From when it was to be sent, whenever it was.
            "overdue": round(self._source.overdue(proven, now, wall), 3),
            # Seconds for which a broker last held an answer back, because a quota is exceeded.
            "throttled": round(self._throttled, 3) if now < self._throttled_until else 0.0,
            "position": self._source.position,
            # Behind the last acknowledged record: with the stream's own offsets the lag, and nobody has to ask the broker.
            **{f"offset.{partition}": end for partition, end in self._markers.ends.items()},
        }
        write_heartbeat(self._spec.heartbeat, phase, figures, self._run)

    def _close(self) -> None:
        left = self._flush()
        self._report("stopped")
        self._end()
        logger.info("sent %d, acknowledged %d, unknown %d", self._sent, self._ledger.acknowledged, left)
        if not left:
            del self._producer  # its callbacks lead back here: its threads and pipes would live on until the collector comes
        if self._fatal is not None:
            cause = "librdkafka gave up on this producer; a new one starts with a new run"
            raise LabError(cause, self._fatal.str(), "make status")

    def _end(self) -> None:
        self._ledger.close()
        self._source.close()


def main(spec: ProducerSpec, stop: threading.Event) -> None:
    """Run the producer until it is told to stop; one that shares a scenario begins when the first one has."""
    if spec.place:
        # NumPy takes 0.2 s to import, and only scenarios need it.
        from trending.producer.sources.sharing import has_begun  # noqa: PLC0415

        if not has_begun(spec, stop):
            return
    TweetProducer(spec).run(stop)
