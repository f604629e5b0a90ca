"""The commands that errors and lines name, made whole for the stack that they are about.

Where an error is raised, the stack is often unknown: a Kafka client knows an address. Every command knows its stack, and adds the
name to the lines that it prints; a flow adds it to what its run says in Prefect.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from infra.stack.declaration import DEFAULT_NAME
from trending.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

_STARTING = ("up", "start", "stop", "down", "restart", "rebuild", "redrive")
_SENDING = ("produce", "rate", "trend", "tweet", "replay", "replay-topic")
_LOOKING = (
    "status",
    "spy",
    "smoke",
    "audit",
    "logs",
    "health",
    "game-day",
    "report",
    "export",
    "client",
    "record",
    "verify",
    "naive",
)
OF_A_STACK = (*_STARTING, *_SENDING, *_LOOKING)
"""The ``make`` commands that concern one stack, which NAME chooses."""
_COMMAND = re.compile(rf"(?<![\w-])make (?:{'|'.join(OF_A_STACK)})(?![\w-])(?P<settings>(?: [A-Z_]+=(?:'[^']*'|[^\s,;'])*)*)")


_concerned: ContextVar[str] = ContextVar("concerned", default=DEFAULT_NAME)
"""The stack that the flow at work concerns."""


def stack_of(form: BaseModel) -> str:
    """Return the stack that the form names; the usual one where a form has none."""
    return str(getattr(getattr(form, "stack", form), "name", DEFAULT_NAME))


@contextmanager
def concerning(stack: str) -> Iterator[None]:
    """Within, a LabError that leaves the block names the stack in its commands, and so does ``with_stack``."""
    before = _concerned.set(stack)
    try:
        yield
    except LabError as error:
        error.rewrite(lambda text: with_name(text, stack))
        raise
    finally:
        _concerned.reset(before)


def with_stack(text: str) -> str:
    """Return the text with the name of the stack that the flow at work concerns in its commands."""
    return with_name(text, _concerned.get())


def with_name(text: str, stack: str) -> str:
    """Return the text with ``NAME=stack`` in each command of a stack that names none; unchanged for the usual stack."""
    return text if stack == DEFAULT_NAME else _COMMAND.sub(lambda found: _named(found, stack), text)


def _named(found: re.Match[str], stack: str) -> str:
    whole, settings = found[0], found["settings"]
    if " NAME=" in settings:
        return whole
    return f"{whole.removesuffix(settings)} NAME={stack}{settings}"
