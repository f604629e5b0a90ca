"""A window or the sliding view as a file: CSV for spreadsheets, JSON for programs."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from trending.serving.trends import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from trending.page.window import WindowStage
    from trending.serving.ranking_query import Window
    from trending.serving.slide import Slide
    from trending.serving.trends import Trend

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a cell that begins with one of these as a formula."""


def to_csv(window: Window, stage: WindowStage, moves: Mapping[str, Trend]) -> str:
    """Return a line for each hashtag; a figure that is not known is empty.

    A hashtag that a spreadsheet would run as a formula is prefixed with an apostrophe.
    """
    lines = _lines(window, moves)
    figures = ("rank_change", "new", "velocity", "velocity_change", "trend_score")
    head = ["window_start", "window_end", "status", "rank", "hashtag", "tweets", *figures]
    span = [_utc(window.start), _utc(window.end), stage]
    return _table(head, ([*span, each["rank"], _cell(each["hashtag"]), *list(each.values())[2:]] for each in lines))


def to_json(window: Window, stage: WindowStage, moves: Mapping[str, Trend]) -> bytes:
    """Return the window as JSON, with every hashtag exactly as it was counted; a figure that is not known is null.

    Of ``other_hashtags`` only the sum is kept: they are not in the ranking.
    """
    return msgspec.json.encode(
        {
            "window_start": _utc(window.start),
            "window_end": _utc(window.end),
            "status": stage,
            "tweets": window.tweets,
            "hashtags": window.hashtags,
            "other_tweets": window.other_tweets,
            "other_hashtags": window.other_hashtags,
            "ranking": _lines(window, moves),
        }
    )


def slide_to_csv(slide: Slide) -> str:
    """Return the sliding view as a line for each hashtag."""
    head = ["start", "end", "counted_from", "rank", "hashtag", "tweets", "windows_not_kept"]
    span = [_utc(slide.start), _utc(slide.end), _utc(slide.counted_from)]
    rows = enumerate(slide.ranked, 1)
    return _table(head, ([*span, rank, _cell(line.hashtag), line.tweets, line.not_kept] for rank, line in rows))


def slide_to_json(slide: Slide) -> bytes:
    """Return the sliding view as JSON."""
    ranking = [
        {"rank": rank, "hashtag": line.hashtag, "tweets": line.tweets, "windows_not_kept": line.not_kept}
        for rank, line in enumerate(slide.ranked, 1)
    ]
    bounds = {"start": _utc(slide.start), "end": _utc(slide.end), "counted_from": _utc(slide.counted_from)}
    return msgspec.json.encode({**bounds, "tweets": slide.tweets, "windows_pruned": slide.pruned, "ranking": ranking})


def _lines(window: Window, moves: Mapping[str, Trend]) -> list[dict[str, Any]]:
    found = []
    for rank, (hashtag, tweets) in enumerate(window.ranked, 1):
        move = moves.get(hashtag, UNKNOWN)
        line = {"rank": rank, "hashtag": hashtag, "tweets": tweets, "rank_change": move.change, "new": move.new}
        found.append({**line, "velocity": move.velocity, "velocity_change": move.gain, "trend_score": move.score})
    return found


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()


def _cell(hashtag: str) -> str:
    return f"'{hashtag}" if hashtag.startswith(_FORMULA) else hashtag


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
