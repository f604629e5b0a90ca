"""A clock that nobody waits for and a Kafka without broker, put where the data plane expects the real ones."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes.trending.kafka import FakeKafka, FakeTime
from fakes.trending.memory import folder_in_memory
from fakes.trending.page import PageHome

from trending.kafka import log_reader as log
from trending.kafka import open_transactions, probe
from trending.producer import program as producer
from trending.producer import stuck_client
from trending.stream import dead_letters

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Pytest's own fixture, in memory."""
    with folder_in_memory() as folder:
        yield Path(folder).resolve()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[PageHome]:
    """What a page reads: a store and heartbeats that the test writes."""
    made = PageHome(tmp_path)
    yield made
    made.close()


@pytest.fixture
def minute() -> int:
    """The start of the present minute, seconds since the epoch."""
    return int(time.time()) // 60 * 60


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    clock = FakeTime()
    for module in (log, open_transactions, probe, producer):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def kafka(clock: FakeTime, monkeypatch: pytest.MonkeyPatch) -> FakeKafka:
    """A broker with the topics ``tweets`` and ``letters``, one partition each."""
    kafka = FakeKafka(clock)
    kafka.create("tweets")
    kafka.create("letters")
    for module in (dead_letters, probe, producer):
        monkeypatch.setattr(module, "Producer", kafka.producer)
    for module in (log, open_transactions, stuck_client):
        monkeypatch.setattr(module, "AdminClient", kafka.admin)
    monkeypatch.setattr(log, "Consumer", kafka.consumer)
    return kafka
