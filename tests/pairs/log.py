"""The log of a combination: its topic, and the lives of the producer that fill it."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka.admin import AdminClient, NewTopic
from pairs.combination import RULE
from pairs.sender import TICK, Order, write_clock

from infra.host.paths import CHECKOUT
from trending.kafka.answers import answer_of
from trending.kafka.connection import KafkaConnection
from trending.kafka.log_reader import ends_of, log_ends, read_log, topic_id
from trending.producer.sources.booked import read_plays
from trending.programs.specifications import ProducerSpec
from trending.serving.store import Store
from trending.settings import ProducerSettings, dead_letter_topic
from trending.simulator.live.changes import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pairs.combination import Combination, Piece

    from trending.producer.sources.booked import Booked

SPEED = 25.0
"""Seconds of the producers' clock in one of ours."""
AHEAD_SECONDS = 1.0
BEHIND_SECONDS = 5.0
"""The first life begins so long before its scenario's window, and the last one ends so long after the scenario."""
HELD_SECONDS = 45
LIFE_SECONDS = 180
ANSWER_SECONDS = 20.0


def child(module: str, order: Path, output: Path) -> subprocess.Popen[bytes]:
    """Start a program of the trial; what it says goes to a file."""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "tests")}
    with output.open("ab") as said:
        command = [sys.executable, "-m", module, str(order)]
        return subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdin=subprocess.PIPE, stdout=said, stderr=said)


@dataclass(frozen=True)
class Log:
    """``start`` is that of the scenario's first window, in seconds since the epoch."""

    bootstrap: str
    topic: str
    topic_id: str
    row: Combination
    piece: Piece
    start: int
    folder: Path

    @property
    def connection(self) -> KafkaConnection:
        return KafkaConnection(self.bootstrap)

    def ends(self) -> dict[int, int]:
        return ends_of(log_ends(self.connection, self.topic))

    @property
    def store(self) -> Path:
        return self.folder / "serving.sqlite"

    def counted_to(self) -> dict[int, int]:
        """Return how far the stream has come: partition → offset; empty before its first batch."""
        with closing(Store(self.store)) as store:
            (epoch,) = store.known_epochs()
        return dict(epoch.ends)

    def fill(self) -> Booked:
        """Let the producers play the piece, with the death of one; returns what their ledger has of it.

        They wait at ``HELD_SECONDS`` until the stream has counted something: so the log grows while it is counted.
        """
        for clock in self._clocks:
            write_clock(clock, self.start - AHEAD_SECONDS)
        with ThreadPoolExecutor(self.row.producers) as pool:
            lives = [pool.submit(self._lives, place) for place in range(self.row.producers)]
            for each in lives:
                each.result()
        (played,) = read_plays(self.folder / "ledger.sqlite").values()
        return played

    @property
    def _clocks(self) -> list[Path]:
        return [self.folder / f"clock-{place}" for place in range(self.row.producers)]

    def _lives(self, place: int) -> None:
        """Let one of the producers live to its end, and once more where it is killed."""
        mortal = self.row.killed and place == (1 if self.row.producers > 1 else 0)
        # One of several has one of the partitions, or two.
        dies_at = self.piece.killed_at // (self.row.partitions if self.row.producers > 1 else 1)
        last = self._live(place, 1, self.start - AHEAD_SECONDS, dies_at if mortal else 0)
        if last == -signal.SIGKILL:
            records = read_log(self.connection, self.topic, dict.fromkeys(self.ends(), 0), self.ends())
            last = self._live(place, 2, max((each.append_time for each in records), default=self.start) + TICK, 0)
        assert last == 0, self.said()

    def said(self) -> str:
        return (self.folder / "producer.log").read_text(encoding="utf-8")[-4_000:]

    def _live(self, place: int, life: int, begin: float, dies_at: int) -> int:
        """Return the exit code of a life."""
        limit = self.piece.scenario.limit
        assert limit is not None
        assert limit.seconds is not None
        spec = ProducerSpec(
            bootstrap=self.bootstrap,
            topic=self.topic,
            topic_id=self.topic_id,
            heartbeat=self.folder / f"producer-{place}.json",
            settings=ProducerSettings(),
            ledger=self.folder / "ledger.sqlite",
            scenario=self.piece.scenario.model_dump_json(by_alias=True),
            window_seconds=RULE.window_seconds,
            place=place,
            producers=self.row.producers,
        )
        asked = [(self.start + moment, text_of(each)) for moment, each in self.piece.asked if self.row.changed and place == 0]
        order = Order(
            spec=spec,
            begin=begin,
            end=self.start + limit.seconds + BEHIND_SECONDS,
            speed=SPEED,
            asked=[each for each in asked if each[0] > begin],
            dies_at=dies_at,
            holds_at=self.start + HELD_SECONDS,
            clocks=self._clocks if self.row.producers > 1 else [],
        )
        path = self.folder / f"life-{place}-{life}.json"
        path.write_text(order.model_dump_json(), encoding="utf-8")
        process = child("pairs.sender", path, self.folder / "producer.log")
        try:
            deadline = time.monotonic() + LIFE_SECONDS
            while process.poll() is None and not self.counted_to():
                assert time.monotonic() < deadline, f"the stream of {self.topic} has counted nothing"
                time.sleep(0.1)
            process.communicate(timeout=LIFE_SECONDS)
        finally:
            process.kill()
            process.wait()
        return process.returncode


def make_logs(bootstrap: str, rows: Sequence[Combination], piece: Piece, folder: Path, now: float, mark: str) -> list[Log]:
    """Make the topics; the clock of each producer begins a window after that of the one before."""
    topics = {f"pairs-{mark}{place}": row for place, row in enumerate(rows)}
    admin = AdminClient(KafkaConnection(bootstrap).client())
    own = {"message.timestamp.type": "CreateTime"}
    wanted = [NewTopic(topic, row.partitions, 1, config=own) for topic, row in topics.items()]
    wanted += [NewTopic(dead_letter_topic(topic), 1, 1) for topic in topics]
    for future in admin.create_topics(wanted, request_timeout=ANSWER_SECONDS).values():
        answer_of(future, ANSWER_SECONDS)
    first = math.ceil((now + AHEAD_SECONDS) / RULE.window_seconds) * RULE.window_seconds
    logs = []
    for place, (topic, row) in enumerate(topics.items()):
        own_id = topic_id(KafkaConnection(bootstrap), topic)
        assert own_id is not None
        (folder / topic).mkdir()
        logs.append(Log(bootstrap, topic, own_id, row, piece, first + place * RULE.window_seconds, folder / topic))
    return logs
