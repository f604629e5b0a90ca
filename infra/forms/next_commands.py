"""The commands that errors and lines name, made whole for the stack that they are about.

Where an error is raised, the stack is often unknown: a Kafka client knows an address. Every command knows its stack, and adds the
name to the lines that it prints.
"""

from __future__ import annotations

import re

from infra.stack.declaration import DEFAULT_NAME

_STARTING = ("up", "start", "stop", "down", "restart", "rebuild", "redrive")
_LOOKING = ("status", "spy", "smoke", "audit", "logs", "health", "game-day", "report")
OF_A_STACK = (*_STARTING, *_LOOKING)
"""The ``make`` commands that concern one stack, which NAME chooses."""
_COMMAND = re.compile(rf"(?<![\w-])make (?:{'|'.join(OF_A_STACK)})(?![\w-])(?P<settings>(?: [A-Z_]+=[^\s,;]*)*)")


def with_name(text: str, stack: str) -> str:
    """Return the text with ``NAME=stack`` in each command of a stack that names none; unchanged for the usual stack."""
    return text if stack == DEFAULT_NAME else _COMMAND.sub(lambda found: _named(found, stack), text)


def _named(found: re.Match[str], stack: str) -> str:
    whole, settings = found[0], found["settings"]
    if " NAME=" in settings:
        return whole
    return f"{whole.removesuffix(settings)} NAME={stack}{settings}"
