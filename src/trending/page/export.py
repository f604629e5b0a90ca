"""A window as a file: CSV for spreadsheets, JSON for programs."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from trending.page.window import WindowStage
    from trending.serving.ranking_query import Window

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a cell that begins with one of these as a formula."""


def to_csv(window: Window, stage: WindowStage) -> str:
    """Return a line for each hashtag. A hashtag that a spreadsheet would run as a formula is prefixed with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["window_start", "window_end", "status", "rank", "hashtag", "tweets"])
    span = [_utc(window.start), _utc(window.end), stage]
    for place, (hashtag, tweets) in enumerate(window.ranked, 1):
        writer.writerow([*span, place, f"'{hashtag}" if hashtag.startswith(_FORMULA) else hashtag, tweets])
    return text.getvalue()


def to_json(window: Window, stage: WindowStage) -> bytes:
    """Return the window as JSON, with every hashtag exactly as it was counted."""
    ranking = [{"rank": place, "hashtag": hashtag, "tweets": tweets} for place, (hashtag, tweets) in enumerate(window.ranked, 1)]
    return msgspec.json.encode(
        {
            "window_start": _utc(window.start),
            "window_end": _utc(window.end),
            "status": stage,
            "tweets": window.tweets,
            "hashtags": window.hashtags,
            "ranking": ranking,
        }
    )


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
