"""What the suite itself must bear."""

from __future__ import annotations

import random
from threading import Thread

from hypothesis import given
from hypothesis import strategies as st


def beside_another_thread(number: int) -> int:
    """Return the number; meanwhile a thread draws from the shared generator, as Prefect's websocket does for a ping."""
    other = Thread(target=random.random)
    other.start()
    other.join()
    return number


@given(st.integers().map(beside_another_thread))
def test_a_thread_that_draws_from_the_shared_generator_is_no_failure_of_a_property(number: int) -> None:
    assert isinstance(number, int)
