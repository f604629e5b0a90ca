"""What a window is at this moment: open, closing or final, told from the clock and from what the store has seen."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from trending.settings import WATERMARK_SECONDS, WINDOW_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trending.serving.reader import Window
    from trending.settings import WindowTime


class WindowStage(StrEnum):
    """Whether a window's counts can still grow."""

    OPEN = "open"
    """Its minute is not over: tweets of it are still being written."""
    CLOSING = "closing"
    """Its minute is over; Spark still counts what belongs to it and comes late."""
    FINAL = "final"
    """Spark's watermark has passed its end: it can't change any more."""


def stage_of(start: int, latest: int, now: float, window_time: WindowTime) -> WindowStage:
    """Return the stage of the window that starts at ``start``, the store's latest one starting at ``latest``.

    The watermark moves with tweets and not with the clock: without traffic a window stays closing. A tweet in a window that
    starts at the end plus the watermark's delay, or later, proves that the watermark has passed.
    """
    end = start + WINDOW_SECONDS
    if latest >= end + WATERMARK_SECONDS[window_time]:
        return WindowStage.FINAL
    return WindowStage.OPEN if now < end else WindowStage.CLOSING


def rank_changes(window: Window, before: Window | None) -> list[int | None]:
    """Return by how many places each hashtag of ``window`` rose since the window before; None for one that is new."""
    if before is None:
        return [None] * len(window.ranked)
    places = {hashtag: place for place, (hashtag, _tweets) in enumerate(before.ranked)}
    return [places[hashtag] - place if hashtag in places else None for place, (hashtag, _tweets) in enumerate(window.ranked)]


def preceding(windows: Sequence[Window], start: int) -> Window | None:
    """Return the last window before ``start`` that has tweets, of windows in order of time."""
    return next((window for window in reversed(windows) if window.start < start), None)
