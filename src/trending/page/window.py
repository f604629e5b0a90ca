"""The stage of a window (open, closing or final), derived from the clock and from how far the stream has read."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from trending.settings import WINDOW_SECONDS
from trending.tweets.rule import LATE_AFTER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trending.serving.ranking_query import Window


FINAL_AFTER = LATE_AFTER + 10.0
"""Seconds after a window's end from which nothing more can be counted in it. From 60 s on a tweet is late by the rule (SPEC,
section 4). A transaction that was open at the end is aborted by our brokers after a minute and up to the 10 s between looks."""


class WindowStage(StrEnum):
    """Whether a window's counts can still grow."""

    OPEN = "open"
    """Its time is not over: tweets still arrive in it."""
    CLOSING = "closing"
    """Its time is over, but tweets that wait in the log or arrive late still count."""
    FINAL = "final"
    """Whatever is appended from now on is late in it, and everything before is counted."""


def stage_of(start: int, read_until: float, now: float) -> WindowStage:
    """Return the stage of the window that starts at ``start``; the others are times in seconds since the epoch.

    ``read_until`` is when the stream last had every partition read to its end: what was appended before that is counted, save
    in transactions that were open then. Spark's own watermark proves nothing here, since the partition that is ahead moves it
    for all. A stream that stands still leaves a window closing.
    """
    end = start + WINDOW_SECONDS
    if read_until >= end + FINAL_AFTER:
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
