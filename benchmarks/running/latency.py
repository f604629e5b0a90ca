"""Row 9: from the acknowledgement of a tweet to its count in the store, beside the stack's own 1,000 tweets a second."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from confluent_kafka import Producer

from benchmarks.contest import Sample
from benchmarks.running.own_server import OwnServer
from benchmarks.running.own_stack import own_stack
from infra.host.paths import StackPaths
from infra.lab.assembly import open_lab
from infra.operations.take_down import take_down
from trending.serving.store import Store
from trending.tweets.wire_format import Tweet, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from confluent_kafka import KafkaError, Message

    from benchmarks.sizes import Sizes

STACK = "bench-latency"
PORT = 29792
RATE = 1_000
PROBE_EVERY_SECONDS = 0.02
LOOK_SECONDS = 0.005
SHORTEST_TRIGGER = 0.0
DEFAULT_TRIGGER = 10.0
WARM_UP_SECONDS = 15.0
"""The job's code is compiled in its first batches, and the first one after a start counts what had come before."""
LATE_SECONDS = 60.0
Place = tuple[int, int]
"""Partition and offset."""


class Latency:
    """A participant: a stack with a trigger interval. The value is the 99th percentile of the seconds."""

    def __init__(self, trigger_seconds: float, sizes: Sizes) -> None:
        self.name = f"visible in the ranking, trigger {trigger_seconds:g} s"
        self.facts = {
            "rate": f"{RATE:,} tweets a second, and a probe every {PROBE_EVERY_SECONDS * 1000:.0f} ms for {sizes.seconds} s",
            "visible": "the store's ends, committed with its counts, are behind the tweet",
        }
        self._trigger = trigger_seconds
        self._seconds = sizes.seconds
        self._server = OwnServer()

    def prepare(self) -> None:
        """Have the Prefect server running; each measurement brings up its own stack."""
        self._server.start()

    def measure(self) -> Sample:
        """Return the percentiles of one stack's life."""
        with own_stack(STACK, PORT, page_port=0, rate=RATE, trigger_seconds=self._trigger):
            time.sleep(WARM_UP_SECONDS + self._trigger)
            seconds = _probe(self._seconds, self._trigger)
        return Sample(
            percentile(seconds, 0.99), {"p50": percentile(seconds, 0.5), "largest": max(seconds), "probes": len(seconds)}
        )

    def close(self) -> None:
        """Leave nothing, also after an interruption."""
        take_down(STACK, volumes=True)
        self._server.stop()


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def seconds_until_visible(
    acknowledged: Iterable[tuple[Place, float]], seen: Sequence[tuple[float, dict[int, int]]]
) -> list[float]:
    """Return the seconds from each acknowledgement to the first look that shows it.

    ``acknowledged`` are places and moments, ``seen`` moments and ends (partition → offset behind the last counted), in the order
    of time. A tweet that no look shows raises RuntimeError.
    """
    found = []
    for (partition, offset), at in acknowledged:
        visible = next((when for when, ends in seen if ends.get(partition, 0) > offset), None)
        if visible is None:
            message = f"the tweet at {partition}:{offset} was not counted"
            raise RuntimeError(message)
        found.append(visible - at)
    return found


def _probe(seconds: float, trigger: float) -> list[float]:
    lab = open_lab(STACK)
    acknowledged: list[tuple[Place, float]] = []
    seen: list[tuple[float, dict[int, int]]] = []
    failures: list[str] = []
    done = threading.Event()

    def note(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failures.append(error.str())
        else:
            acknowledged.append(((message.partition() or 0, message.offset() or 0), time.monotonic()))

    def look() -> None:
        store = Store(StackPaths.of(STACK).store)
        while not done.wait(LOOK_SECONDS):
            ends = next(each.counted_to() for each in store.known_epochs() if not each.closed)
            if not seen or seen[-1][1] != ends:
                seen.append((time.monotonic(), ends))
        store.close()

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        producer = Producer(lab.stack.connection.client({"linger.ms": 0, "acks": "all"}))
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until:
            tweet = Tweet("@DataFan", "una sonda para #Spark", "#Spark", time.time())
            producer.produce(lab.settings.stack.topic, encode(tweet), on_delivery=note)
            while (left := now + PROBE_EVERY_SECONDS - time.monotonic()) > 0:
                producer.poll(left)
        producer.flush(LATE_SECONDS)
        _await_last(acknowledged, seen, time.monotonic() + trigger + LATE_SECONDS)
    finally:
        done.set()
        looking.join()
    if failures:
        raise RuntimeError(failures[0])
    return seconds_until_visible(acknowledged, seen)


def _await_last(
    acknowledged: Sequence[tuple[Place, float]], seen: Sequence[tuple[float, dict[int, int]]], deadline: float
) -> None:
    last: dict[int, int] = {}
    for (partition, offset), _at in acknowledged:
        last[partition] = max(last.get(partition, 0), offset)
    while time.monotonic() < deadline:
        if seen and all(seen[-1][1].get(partition, 0) > offset for partition, offset in last.items()):
            return
        time.sleep(LOOK_SECONDS)
    message = "the last probe"
    raise TimeoutError(message)
