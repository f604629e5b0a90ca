"""What an admin request of librdkafka's brought."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from confluent_kafka import KafkaException

if TYPE_CHECKING:
    from concurrent.futures import Future

Answer = TypeVar("Answer")


def answer_of(future: Future[Answer], timeout: float) -> Answer:
    """Return what a request brought; raises KafkaException where it failed, TimeoutError after ``timeout`` seconds.

    The request's own error is never raised: confluent-kafka's frames are in its traceback and hold it in a cycle, in which ours
    would keep the client with its sockets until the collector comes by.
    """
    error = future.exception(timeout)
    if isinstance(error, KafkaException):
        raise KafkaException(*error.args)
    return future.result()
