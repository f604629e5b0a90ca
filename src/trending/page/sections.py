"""The page's sections that come from the store, as plain data that the template and the script show as it is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from trending.drawing.polyline import SPARK, TRENDS, polyline
from trending.page.pace import rates
from trending.page.window import WindowStage, rank_changes, stage_of
from trending.settings import WINDOW_SECONDS
from trending.text import local_time, printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from trending.page.pace import Pace
    from trending.programs.specifications import PageSpec
    from trending.serving.ranking_query import Window

SHOWN_ROWS = 20
SPARK_POINTS = 20
SPARK_MINUTES = 15
TREND_LINES = 5
TREND_MINUTES = 10
"""The trends span at least this long: two points drawn across the whole width would look like a sudden change."""


def ranking_section(
    window: Window | None,
    before: Window | None,
    read_until: float,
    now: float,
    spec: PageSpec,
    windows: Sequence[Window] = (),
    pace: Pace | None = None,
) -> dict[str, Any]:
    """Return a window with its first rows; velocity is the current one if ``pace`` is given, otherwise the window's mean."""
    if window is None:
        return {"start": None, "rows": [], "tweets": 0, "hashtags": 0, "status": WindowStage.OPEN, "label": "", "date": ""}
    highest = window.ranked[0][1] if window.ranked else 1
    changes = rank_changes(window, before)
    rows = [
        {
            "tag": hashtag,
            "shown": printable(hashtag),
            "rank": place + 1,
            "change": changes[place],
            "new": changes[place] is None and before is not None,
            "tweets": tweets,
            "width": round(100 * tweets / highest, 1),
            "velocity": round(pace.velocity(hashtag, now) if pace else tweets / WINDOW_SECONDS, 2),
            "spark": _spark(hashtag, windows, pace),
        }
        for place, (hashtag, tweets) in enumerate(window.ranked[:SHOWN_ROWS])
    ]
    begin, end = local_time(window.start, spec.zone), local_time(window.end, spec.zone)
    return {
        "start": window.start,
        "date": begin[:10],
        "label": f"{begin[11:]} \u2013 {end[11:]}",
        "status": stage_of(window.start, read_until, now),
        "tweets": window.tweets,
        "hashtags": window.hashtags,
        "rows": rows,
    }


def trends_section(windows: Sequence[Window], now: float, zone: ZoneInfo | None) -> dict[str, Any]:
    """Return a line for each of the last hour's most frequent hashtags, one value a minute, without the current minute."""
    whole = [window for window in windows if window.end <= now]
    if not whole:
        return {"lines": [], "from": "", "to": "", "highest": 0}
    sums: Counter[str] = Counter()
    for window in whole:
        sums.update(dict(window.ranked))
    chosen = sorted(sums.items(), key=lambda item: (-item[1], item[0]))[:TREND_LINES]
    minutes = range(whole[0].start, whole[-1].end, WINDOW_SECONDS)
    counts = {window.start: dict(window.ranked) for window in whole}
    series = {hashtag: [counts.get(minute, {}).get(hashtag, 0) for minute in minutes] for hashtag, _sum in chosen}
    highest = max(max(values) for values in series.values()) if series else 0
    slots = max(len(minutes), TREND_MINUTES)
    return {
        "lines": [
            {
                "shown": printable(hashtag),
                "points": polyline(values, TRENDS, highest, slots),
                "last": values[-1],
                "total": sums[hashtag],
                "most": max(values),
            }
            for hashtag, values in series.items()
        ],
        "from": local_time(whole[-1].end - slots * WINDOW_SECONDS, zone)[11:16],
        "to": local_time(whole[-1].end, zone)[11:16],
        "highest": highest,
    }


def history_section(windows: Sequence[Window], zone: ZoneInfo | None) -> list[dict[str, Any]]:
    """Return the windows that a viewer can choose, newest first."""
    return [
        {"start": window.start, "label": local_time(window.start, zone)[:16], "tweets": window.tweets}
        for window in reversed(windows[:-1])
    ]


def _spark(hashtag: str, windows: Sequence[Window], pace: Pace | None) -> str:
    if pace is not None:
        return polyline(rates(pace.points(hashtag))[-SPARK_POINTS:], SPARK, slots=SPARK_POINTS)
    counts = [float(dict(window.ranked).get(hashtag, 0)) for window in windows[-SPARK_MINUTES:]]
    return polyline(counts, SPARK, slots=SPARK_MINUTES)
