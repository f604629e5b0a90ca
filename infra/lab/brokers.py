"""Which broker a command means that works with any: one that was named, a stack's, Docker Compose's, or the usual address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import StringConstraints, TypeAdapter, ValidationError

from infra.docker.compose_stack import compose_stack
from infra.host.clock import SystemClock
from infra.host.paths import StackPaths
from infra.kafka.client import BrokerClient
from infra.kafka.readiness import climb, topic_ladder
from infra.lab.assembly import open_lab
from infra.stack.declaration import DEFAULT_NAME
from infra.stack.state import Wanted, read_state
from trending.access.settings import ADDRESSES
from trending.errors import InvalidInput, StackAbsent
from trending.kafka.connection import KafkaConnection
from trending.settings import StackSettings

if TYPE_CHECKING:
    from infra.docker.compose_stack import ComposeStack

ASK_SECONDS = 10.0
_ADDRESSES = TypeAdapter(Annotated[str, StringConstraints(pattern=ADDRESSES, max_length=1000)])
_STACK = TypeAdapter(StackSettings)


@dataclass(frozen=True)
class Broker:
    """A broker and the topic to use there. ``ours`` tells whether it is a stack of the lab, whose topic the lab has made."""

    connection: KafkaConnection
    topic: str
    ours: bool

    def ensure_topic(self) -> bool:
        """Make the topic where a broker that is not the lab's lacks it, with one partition; returns whether it was made."""
        client = BrokerClient(self.connection)
        if self.ours or client.topic(self.topic, ASK_SECONDS) is not None:
            return False
        client.create_topic(self.topic, 1, 1, {})
        climb(topic_ladder(self.connection, self.topic), ASK_SECONDS, SystemClock())
        return True


def find_broker(bootstrap: str | None = None, stack: str | None = None) -> Broker:
    """Return the broker at ``bootstrap``; else that of ``stack``; else the lab's running one, Compose's, or localhost:9092.

    Raises InvalidInput for an address or name that is none, StackAbsent where there is no such stack.
    """
    if bootstrap:
        return _foreign(KafkaConnection(_require_addresses(bootstrap)))
    if stack:
        return _of_stack(_require_name(stack))
    state = read_state(StackPaths.of(DEFAULT_NAME))
    if state is not None and state.wanted is Wanted.UP:
        return _of_stack(DEFAULT_NAME)
    theirs = _composed(DEFAULT_NAME)
    return _foreign(theirs.connection if theirs else KafkaConnection(StackSettings().bootstrap))


def _of_stack(name: str) -> Broker:
    try:
        lab = open_lab(name)
    except StackAbsent:
        theirs = _composed(name)
        if theirs is None:
            raise
        return _foreign(theirs.connection)
    return Broker(lab.stack.connection, lab.settings.stack.topic, ours=True)


def _composed(name: str) -> ComposeStack | None:
    """Return the Compose project of that name if it publishes a broker."""
    theirs = compose_stack(name)
    return theirs if theirs is not None and theirs.brokers else None


def _foreign(connection: KafkaConnection) -> Broker:
    return Broker(connection, StackSettings().topic, ours=False)


def _require_addresses(text: str) -> str:
    try:
        return _ADDRESSES.validate_python(text)
    except ValidationError:
        cause = f"bootstrap: {text!r} is no address of a broker"
        raise InvalidInput(cause, "it is host:port, or several with commas between", "--bootstrap localhost:9092") from None


def _require_name(text: str) -> str:
    try:
        return _STACK.validate_python({"name": text}).name
    except ValidationError as error:
        cause = f"TRENDING_NAME: {error.errors()[0]['msg']}"
        raise InvalidInput(cause, f"it is {text!r}", "make status lists the stacks") from None
