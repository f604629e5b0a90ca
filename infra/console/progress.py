"""How far a piece of long work is: told by lines, and to whoever follows it."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FOLLOWER: ContextVar[Callable[[float], None]] = ContextVar("follower", default=lambda _percent: None)


@contextmanager
def followed_by(follower: Callable[[float], None]) -> Iterator[None]:
    """Have ``follower`` called with the percentage that is done, 0 to 100, of the long work that begins meanwhile."""
    token = _FOLLOWER.set(follower)
    try:
        yield
    finally:
        _FOLLOWER.reset(token)


def follower() -> Callable[[float], None]:
    """Return who follows the work that begins here; one that does nothing where nobody does."""
    return _FOLLOWER.get()
