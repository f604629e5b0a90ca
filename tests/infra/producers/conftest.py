"""A fake machine, and a Kafka without broker for whoever sends from this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.plain import artifacts, plain, world
from fakes.terminal import own_process, said
from fakes.trending.kafka import FakeKafka, FakeTime

from trending.kafka import log_reader
from trending.producer import program

if TYPE_CHECKING:
    from fakes.world import World

__all__ = ["artifacts", "own_process", "plain", "said", "world"]


@pytest.fixture
def kafka(world: World, monkeypatch: pytest.MonkeyPatch) -> FakeKafka:
    """A broker with the stack's topic."""
    assert world
    clock = FakeTime()
    kafka = FakeKafka(clock)
    kafka.create("tweets_topic")
    for module in (program, log_reader):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(program, "Producer", kafka.producer)
    monkeypatch.setattr(log_reader, "Consumer", kafka.consumer)
    return kafka
