from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError, KafkaException

from trending.kafka import shown_offsets
from trending.kafka.connection import KafkaConnection
from trending.kafka.shown_offsets import ShownOffsets

if TYPE_CHECKING:
    from fakes.trending.kafka import FakeKafka


@pytest.fixture
def shown(kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch) -> ShownOffsets:
    monkeypatch.setattr(shown_offsets, "AdminClient", kafka.admin)
    return ShownOffsets(KafkaConnection("localhost:9092"), "lab-stream", "tweets")


def test_the_ends_of_the_last_batch_are_the_groups_offsets(shown: ShownOffsets, kafka: FakeKafka) -> None:
    shown.commit({0: 5, 1: 7})
    shown.commit({0: 9, 1: 7})
    assert kafka.groups == {"lab-stream": {("tweets", 0): 9, ("tweets", 1): 7}}
    assert len(kafka.admins) == 1, "one connection for all batches"


def test_a_batch_without_ends_commits_nothing(shown: ShownOffsets, kafka: FakeKafka) -> None:
    shown.commit({})
    assert (kafka.groups, kafka.admins) == ({}, [])


def test_a_commit_that_fails_is_said_once_and_stops_nothing(
    shown: ShownOffsets, kafka: FakeKafka, caplog: pytest.LogCaptureFixture
) -> None:
    kafka.unreachable = True
    for end in range(5):
        shown.commit({0: end})
    (said,) = caplog.records
    assert said.getMessage().startswith("the lag is not shown in the consumer group lab-stream, ")
    kafka.unreachable = False
    shown.commit({0: 9})
    assert kafka.groups == {"lab-stream": {("tweets", 0): 9}}, "it is tried again"


def test_a_client_that_cannot_be_made_stops_nothing_either(
    shown: ShownOffsets, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(_configuration: object) -> None:
        raise KafkaException(KafkaError(KafkaError._INVALID_ARG))

    monkeypatch.setattr(shown_offsets, "AdminClient", refused)
    shown.commit({0: 1})
    shown.commit({0: 2})
    assert len(caplog.records) == 1
