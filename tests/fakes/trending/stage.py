"""A topic of a Kafka without broker, and lives of a producer that sends to it."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from fakes.trending.acknowledged import acknowledged_ids

from trending.producer.ledger import read_ledger
from trending.producer.places.opened import OpenedLedger, opened
from trending.producer.program import main
from trending.producer.sources.booked import Booked, read_play
from trending.producer.sources.control import Answer, answer_to, ask
from trending.programs.heartbeat import read_heartbeat
from trending.programs.specifications import ProducerSpec
from trending.settings import ProducerSettings, Rule
from trending.simulator.records import Encoder
from trending.tweets.fates import label_of
from trending.tweets.record_id import identity_of
from trending.tweets.rule import classify, minute_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fakes.trending.kafka import FakeKafka

    from trending.programs.heartbeat import Heartbeat
    from trending.simulator.live.changes import RateChange, TrendChange
    from trending.simulator.scenario import Scenario


class Stage:
    """A topic, and lives of a producer that plays into it."""

    def __init__(self, kafka: FakeKafka, directory: Path) -> None:
        self.kafka = kafka
        self.directory = directory
        self.phases: list[str] = []

    def spec(self, played: Scenario | None) -> ProducerSpec:
        """Return the specification of a producer of the scenario, or of the catalogue."""
        return ProducerSpec(
            bootstrap="localhost:9092",
            topic="tweets",
            heartbeat=self.directory / "producer.json",
            settings=ProducerSettings(rate=2, seed=1),
            topic_id="topic-1",
            ledger=self.directory / "ledger.sqlite",
            scenario=played.model_dump_json(by_alias=True) if played else "",
        )

    def live(self, played: Scenario | None, seconds: float) -> Heartbeat:
        """Let a life play for so long; returns its last heartbeat."""
        stop = threading.Event()
        self.kafka.clock.at(self.kafka.clock.now + seconds, stop.set)
        main(self.spec(played), stop)
        beat = read_heartbeat(self.directory / "producer.json")
        assert beat is not None
        return beat

    def at(self, seconds: float, action: object) -> None:
        """Have an action done once, so many seconds from now."""
        due = iter([action])
        self.kafka.clock.at(self.kafka.clock.now + seconds, lambda: [act() for act in due] and None)

    def ask(self, asked: RateChange | TrendChange, seconds: float = 5.0) -> str:
        """Ask the producer for a change, which it may take for so long; returns the request's name."""
        with self.ledger() as ledger:
            return ask(ledger, asked, self.kafka.clock.time() + seconds)

    def answer(self, request: str) -> Answer | None:
        with self.ledger() as ledger:
            return answer_to(ledger, request)

    @contextmanager
    def ledger(self) -> Iterator[OpenedLedger]:
        ledger = opened(self.directory / "ledger.sqlite")
        try:
            yield ledger
        finally:
            ledger.close()

    def booked(self, run: str) -> Booked:
        ledger = opened(self.directory / "ledger.sqlite")
        with ledger.engine.connect() as connection:
            found = read_play(connection, run)
        ledger.close()
        assert found is not None
        return found

    def log(self) -> dict[int, list[tuple[int, bytes | None, float]]]:
        """Return partition → number, value and append time of its records."""
        found = {}
        for partition, log in enumerate(self.kafka.logs["tweets"]):
            ids = [
                identity_of(key, {name: each for name, each in message.headers() or () if isinstance(each, bytes)})
                for message in log
                if isinstance(key := message.key(), bytes)
            ]
            found[partition] = [
                (identity[1], message.value(), message.timestamp()[1] / 1000)
                for identity, message in zip(ids, log, strict=True)
                if identity is not None
            ]
        return found

    def numbers(self) -> list[int]:
        return sorted(number for records in self.log().values() for number, _value, _time in records)

    def require_as_planned(self, played: Scenario, run: str) -> None:
        """Compare each record in the log with what scenario, start, shifts and changes say, and the ledger with the log."""
        booked = self.booked(run)
        records = booked.records()
        assert records.scenario == played
        encoder = Encoder(records)
        block_of = cache(records.block)
        counts: Counter[tuple[str, int, str]] = Counter()
        for partition, found in self.log().items():
            assert [number for number, _value, _time in found] == sorted({number for number, _value, _time in found})
            for number, value, append_time in found:
                block, place = block_of(number // 4096), number % 4096
                begins = booked.begins(np.array([number]))
                assert value == encoder.values(block, place, place + 1, begins)[0]
                assert booked.partition(number) == partition
                counts[run, minute_of(append_time), label_of(classify(value, append_time, Rule()))] += 1
        ledger = read_ledger(self.directory / "ledger.sqlite")
        assert acknowledged_ids(ledger, {}) == {(run, number) for number in self.numbers()}
        assert ledger.counts == dict(counts)
