"""Replays into a Kafka without broker, one life after the other."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from fakes.trending.acknowledged import acknowledged_ids

from trending.producer.ledger import read_ledger
from trending.producer.program import TweetProducer
from trending.programs.heartbeat import read_heartbeat
from trending.programs.specifications import ProducerSpec
from trending.replay.source import Replay
from trending.settings import ProducerSettings, Rule
from trending.tweets.fates import label_of
from trending.tweets.record_id import identity_of
from trending.tweets.rule import classify, minute_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from fakes.trending.kafka import FakeKafka

    from trending.programs.heartbeat import Heartbeat
    from trending.replay.items import Item


class Stage:
    """A topic, and replays into it."""

    def __init__(self, kafka: FakeKafka, directory: Path) -> None:
        self.kafka = kafka
        self.directory = directory
        self.phases: list[str] = []

    def spec(self, name: str = "replay") -> ProducerSpec:
        return ProducerSpec(
            bootstrap="localhost:9092",
            topic="tweets",
            heartbeat=self.directory / f"{name}.json",
            settings=ProducerSettings(rate=2, seed=1),
            topic_id="topic-1",
            ledger=self.directory / "ledger.sqlite",
        )

    def replay(self, items: Iterable[Item], seconds: float = 10_000, *, shifts: bool = True) -> tuple[Replay, Heartbeat]:
        """Replay until the end, or for so long."""
        replayed = Replay(self.spec(), iter(items), self.kafka.clock.monotonic, rate=10, shifts=shifts)
        stop = threading.Event()
        self.kafka.clock.at(self.kafka.clock.now + seconds, stop.set)
        self.kafka.clock.at(0, lambda: self.phases.append(replayed.phase(self.kafka.clock.time())))
        TweetProducer(self.spec(), replayed).run(stop)
        beat = read_heartbeat(self.directory / "replay.json")
        assert beat is not None
        return replayed, beat

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        """Have an action done from so many seconds from now on, at each wait."""
        self.kafka.clock.at(self.kafka.clock.now + seconds, lambda: action() and None)

    def require_booked(self) -> None:
        """Compare the ledger with the log: ids and counts of all that has an id."""
        counts: Counter[tuple[str, int, str]] = Counter()
        ids = set()
        for partition in range(len(self.kafka.logs["tweets"])):
            for message in self.kafka.records("tweets", partition):
                append_time = message.timestamp()[1] / 1000
                headers = {name: value for name, value in message.headers() or [] if isinstance(value, bytes)}
                identity = identity_of(message.key(), headers)  # type: ignore[arg-type]
                assert identity is not None
                ids.add(identity)
                counts[identity[0], minute_of(append_time), label_of(classify(message.value(), append_time, Rule()))] += 1
        ledger = read_ledger(self.directory / "ledger.sqlite")
        assert acknowledged_ids(ledger, {}) == ids
        assert ledger.counts == dict(counts)
