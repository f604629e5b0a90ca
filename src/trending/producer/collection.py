"""Garbage collection while tweets are sent: what lives for as long as the program is not looked at again and again."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

THRESHOLDS = (50_000, 20, 50)
"""New objects until the young are looked at; 700 by default, which is a third of a burst. Bursts make no cycles."""


@contextmanager
def calm_collection() -> Iterator[None]:
    """Collect once, freeze what is there, and collect seldom; afterwards all is as before."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
