"""A request that failed keeps nobody's client alive: its sockets and pipes would be open until the collector comes by."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from trending.errors import NotReady
from trending.kafka.answers import answer_of
from trending.kafka.connection import KafkaConnection
from trending.kafka.log_reader import topic_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from confluent_kafka import TopicCollection


def failed() -> Future[Any]:
    """Return a request that failed in confluent-kafka's way: the traceback of its error has the frame with the future."""
    future: Future[Any] = Future()

    def fail() -> None:
        try:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))  # noqa: TRY301 - the traceback is the point
        except KafkaException as error:
            future.set_exception(error)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    return future


class Failing:
    """An admin client whose every request fails."""

    made: weakref.ref[Failing]

    def __init__(self, _settings: dict[str, Any]) -> None:
        Failing.made = weakref.ref(self)

    def describe_topics(self, topics: TopicCollection, *, request_timeout: float) -> dict[str, Future[Any]]:  # noqa: ARG002
        return {name: failed() for name in topics.topic_names}


@pytest.fixture
def _no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def test_an_answer_is_returned_an_error_is_another_one_and_silence_a_timeout() -> None:
    future: Future[int] = Future()
    with pytest.raises(TimeoutError):
        answer_of(future, 0.01)
    future.set_result(7)
    assert answer_of(future, 0.01) == 7
    request = failed()
    with pytest.raises(KafkaException) as caught:
        answer_of(request, 0.01)
    assert caught.value is not request.exception()
    assert caught.value.args[0].code() == KafkaError._TRANSPORT


@pytest.mark.usefixtures("_no_collector")
def test_a_topic_that_could_not_be_described_leaves_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trending.kafka.log_reader.AdminClient", Failing)
    with suppress(NotReady):
        topic_id(KafkaConnection("localhost:19092"), "tweets")
    assert Failing.made() is None
