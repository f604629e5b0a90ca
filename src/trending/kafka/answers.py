"""What a call of librdkafka's brought: the answer of an admin request, or the error that it ended with."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from confluent_kafka import KafkaError, KafkaException

from trending.errors import unwrapped

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

Answer = TypeVar("Answer")
AGAIN = 3
"""How often a request that was given up with its connection is asked again (docs/decisions/0169)."""
GIVEN_UP = "_DESTROY_BROKER"


def answer_of(future: Future[Answer], timeout: float) -> Answer:
    """Return what a request brought; raises KafkaException where it failed, TimeoutError after ``timeout`` seconds.

    The request's own error is never raised: confluent-kafka's frames are in its traceback and hold it in a cycle, in which ours
    would keep the client with its sockets until the collector comes by.
    """
    error = future.exception(timeout)
    if isinstance(error, KafkaException):
        raise KafkaException(*error.args)
    return future.result()


def asked_again(ask: Callable[[], Answer]) -> Answer:
    """Return what a request brings; it is asked again where librdkafka has given it up with the connection that it stood on.

    A client that has lost all its brokers for a moment begins anew and drops its connections. A request that stood on one ends
    with _DESTROY_BROKER, which says nothing about a broker.
    """
    for _time in range(AGAIN):
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].name() != GIVEN_UP:
                raise
    return ask()


def error_of(raised: KafkaException | SystemError) -> KafkaError:
    """Return Kafka's error in what a call that serves callbacks has raised; raises anything else as it is.

    A fatal error can meet a report in the same call. Python then sees an exception beside a result and tells of both: a
    SystemError whose cause is the KafkaException (seen with confluent-kafka beside a real broker that fenced the producer).
    """
    error = raised.__cause__ if isinstance(raised, SystemError) else raised
    if not isinstance(error, KafkaException):
        raise unwrapped(raised)
    for each in {raised, error}:
        each.__traceback__ = None  # the client's C code keeps the error, which would keep our frames and the client in them
    found: KafkaError = error.args[0]
    return found
