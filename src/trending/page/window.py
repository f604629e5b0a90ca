"""The stage of a window (open, closing or final), derived from the clock and from how far the stream has read."""

from __future__ import annotations

from enum import StrEnum
from itertools import product, starmap
from typing import TYPE_CHECKING

from trending.settings import WINDOW_LENGTHS, Rule, Spelling, WindowTime
from trending.tweets.rule import LATE_AFTER

if TYPE_CHECKING:
    from trending.programs.heartbeat import Heartbeat
    from trending.serving.ranking_query import Window
    from trending.serving.reader import StoreSnapshot
    from trending.serving.slide import Slide


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


def stage_of(window: Window | Slide, rule: Rule, read_until: float, now: float) -> WindowStage:
    """Return the stage of a window by a rule, or of a view's last one; the others are times in seconds since the epoch.

    By original times no window is ever final.

    ``read_until`` is when the stream last had every partition read to its end: what was appended before that is counted, save
    in transactions that were open then. Spark's own watermark proves nothing here, since the partition that is ahead moves it
    for all. A stream that stands still leaves a window closing.
    """
    return stage_at(window.end, rule, read_until, now)


def stage_at(end: float, rule: Rule, read_until: float, now: float) -> WindowStage:
    """Return the stage of a window by a rule that ends then."""
    if rule.window_time is not WindowTime.ORIGINAL and read_until >= end + FINAL_AFTER:
        return WindowStage.FINAL
    return WindowStage.OPEN if now < end else WindowStage.CLOSING


def name_of(rule: Rule) -> str:
    """Return a rule as the page's addresses name it."""
    return f"{rule.window_time}-{rule.window_seconds}" + ("" if rule.spelling is Spelling.EXACT else f"-{rule.spelling}")


def rule_named(name: str) -> Rule | None:
    """Return the rule of that name, or None where there is none such."""
    rules = starmap(Rule, product(WindowTime, WINDOW_LENGTHS, Spelling))
    return next((rule for rule in rules if name_of(rule) == name), None)


def counted_until(window: Window, snapshot: StoreSnapshot, stream: Heartbeat | None, read_until: float) -> float | None:
    """Return the time before which everything in the window is counted, or None while the stream is behind in it.

    ``stream`` must have been read before ``snapshot``, so that its batch is none that the snapshot lacks. A batch that the
    heartbeat does not know yet began shortly before it was written.
    """
    if read_until >= window.end:
        return float(window.end)
    figures = stream.figures if stream else {}
    if figures.get("behind", 0.0) > 0:
        return None
    return read_until if read_until and figures.get("batch") == snapshot.batch else snapshot.at
