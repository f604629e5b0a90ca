"""The stage of a window (open, closing or final), derived from the clock and from how far the stream has read."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from trending.settings import WINDOW_LENGTHS, Rule, WindowTime
from trending.tweets.rule import LATE_AFTER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trending.serving.reader import Window


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


def stage_of(window: Window, read_until: float, now: float) -> WindowStage:
    """Return the stage of a window; the others are times in seconds since the epoch.

    ``read_until`` is when the stream last had every partition read to its end: what was appended before that is counted, save
    in transactions that were open then. Spark's own watermark proves nothing here, since the partition that is ahead moves it
    for all. A stream that stands still leaves a window closing.
    """
    if read_until >= window.end + FINAL_AFTER:
        return WindowStage.FINAL
    return WindowStage.OPEN if now < window.end else WindowStage.CLOSING


def name_of(rule: Rule) -> str:
    """Return a rule as the page's addresses name it."""
    return f"{rule.window_time}-{rule.window_seconds}"


def rule_named(name: str) -> Rule | None:
    """Return the rule of that name, or None where there is none such."""
    rules = (Rule(time, seconds) for time in WindowTime for seconds in WINDOW_LENGTHS)
    return next((rule for rule in rules if name_of(rule) == name), None)


def rank_changes(window: Window, before: Window | None) -> list[int | None]:
    """Return how many places each hashtag of ``window`` rose since the previous window, or None for a new hashtag."""
    if before is None:
        return [None] * len(window.ranked)
    places = {hashtag: place for place, (hashtag, _tweets) in enumerate(before.ranked)}
    return [places[hashtag] - place if hashtag in places else None for place, (hashtag, _tweets) in enumerate(window.ranked)]


def preceding(windows: Sequence[Window], start: int) -> Window | None:
    """Return the last window before ``start`` that has tweets; ``windows`` must be in order of time."""
    return next((window for window in reversed(windows) if window.start < start), None)
