"""The stage of a window (open, closing or final), derived from the clock and the store."""

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
    """Its time is not over: tweets still arrive in it."""
    CLOSING = "closing"
    """Its time is over, but Spark still counts tweets that arrive late."""
    FINAL = "final"
    """Spark's watermark has passed its end, so its counts cannot change any more."""


def stage_of(start: int, latest: int, now: float, window_time: WindowTime) -> WindowStage:
    """Return the stage of the window that starts at ``start`` when the store's latest window starts at ``latest``.

    The watermark moves with the tweets, not with the clock: without traffic a window stays closing. A tweet in a window that
    starts at the end plus the watermark's delay, or later, proves that the watermark has passed.
    """
    end = start + WINDOW_SECONDS
    if latest >= end + WATERMARK_SECONDS[window_time]:
        return WindowStage.FINAL
    return WindowStage.OPEN if now < end else WindowStage.CLOSING


def rank_changes(window: Window, before: Window | None) -> list[int | None]:
    """Return how many places each hashtag of ``window`` rose since the previous window, or None for a new hashtag."""
    if before is None:
        return [None] * len(window.ranked)
    places = {hashtag: place for place, (hashtag, _tweets) in enumerate(before.ranked)}
    return [places[hashtag] - place if hashtag in places else None for place, (hashtag, _tweets) in enumerate(window.ranked)]


def preceding(windows: Sequence[Window], start: int) -> Window | None:
    """Return the last window before ``start`` that has tweets; ``windows`` must be in order of time."""
    return next((window for window in reversed(windows) if window.start < start), None)
