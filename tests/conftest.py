"""What the whole suite needs of its own process, and what each test must leave as it was."""

from __future__ import annotations

import gc
import signal
from typing import TYPE_CHECKING

import pytest
from leftovers import left_since, present

if TYPE_CHECKING:
    from collections.abc import Iterator

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it runs in the background deaf to Ctrl-C, and every command under test would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Keep what was imported out of every later collection of garbage: half a second each."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _nothing_for_the_collector() -> Iterator[None]:
    """Find what the tests of a module left unclosed in cycles: its warning is an error, and it is told of where it was left."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def _nothing_left_over(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a descriptor, a thread or a child; first of its fixtures, so that theirs have ended by then."""
    before = present()
    yield
    left = left_since(before, engine="engine" in request.fixturenames)
    assert not left, f"left over: {', '.join(left)}"
