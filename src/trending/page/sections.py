"""The page's sections that come from the store, as plain data that the template and the script show as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trending.drawing.polyline import SPARK, TRENDS, polyline
from trending.page.moving.pace import rates
from trending.page.window import WindowStage, name_of, stage_of
from trending.serving.slide import SLIDE_SECONDS, slide_starts
from trending.serving.trends import UNKNOWN
from trending.settings import MINUTE_SECONDS, Spelling
from trending.text import local_time, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

    from trending.page.moving.pace import Pace
    from trending.programs.specifications import PageSpec
    from trending.serving.ranking_query import Window
    from trending.serving.slide import Slide
    from trending.serving.trends import Trend
    from trending.settings import Rule

Hue = Callable[[str], int]
"""Hashtag → number of its colour."""
SHOWN_ROWS = 20
SLIDE_ROWS = 10
SPARK_POINTS = 20
SPARK_WINDOWS = 15
TREND_LINES = 5
TREND_WINDOWS = 10
"""The trends span at least this long: two points drawn across the whole width would look like a sudden change."""


def ranking_section(
    window: Window | None,
    moves: Mapping[str, Trend],
    read_until: float,
    now: float,
    spec: PageSpec,
    hue: Hue,
    windows: Sequence[Window] = (),
    pace: Pace | None = None,
) -> dict[str, Any]:
    """Return a window with its first rows; ``moves`` are their trends.

    Velocity is the current one if ``pace`` is given, otherwise the window's mean.
    """
    if window is None:
        words = dict.fromkeys(("label", "date", "query"), "")
        figures = {"tweets": 0, "hashtags": 0, "seconds": MINUTE_SECONDS}
        return {"start": None, "rows": [], "status": WindowStage.OPEN, **figures, **words}
    highest = window.ranked[0][1] if window.ranked else 1
    rows = [
        {
            "tag": hashtag,
            "hue": hue(hashtag),
            "shown": printable(hashtag),
            "rank": place + 1,
            "change": (move := moves.get(hashtag, UNKNOWN)).change,
            "new": move.new,
            "tweets": tweets,
            "width": round(100 * tweets / highest, 1),
            "velocity": round(pace.velocity(hashtag, now) if pace else tweets / window.seconds, 2),
            "score": _rounded(move.score, 1),
            "gain": _rounded(move.gain, 2),
            "spark": _spark(hashtag, windows, pace),
        }
        for place, (hashtag, tweets) in enumerate(window.ranked[:SHOWN_ROWS])
    ]
    begin, end = local_time(window.start, spec.zone), local_time(window.end, spec.zone)
    return {
        "start": window.start,
        "seconds": window.seconds,
        "query": "",
        "date": begin[:10],
        "label": f"{begin[11:]} \u2013 {end[11:]}",
        "status": stage_of(window, window.rule, read_until, now),
        "tweets": window.tweets,
        "hashtags": window.hashtags,
        "rows": rows,
    }


def slide_section(
    slide: Slide | None, rule: Rule, read_until: float, now: float, zone: ZoneInfo | None, hue: Hue
) -> dict[str, Any]:
    """Return the sliding view, of windows by a rule, with its first rows and its exact bounds.

    ``since`` is when counting by the windows' rule began, if that was later.
    """
    words = _slide_words(rule.window_seconds)
    if slide is None:
        return {**words, "label": "", "status": WindowStage.OPEN, "since": "", "tweets": 0, "pruned": 0, "rows": []}
    begin, end = local_time(slide.start, zone), local_time(slide.end, zone)
    highest = slide.ranked[0].tweets if slide.ranked else 1
    return {
        **words,
        "label": f"{begin[11:]} \u2013 {end[11:]}",
        "status": stage_of(slide, rule, read_until, now),
        "since": local_time(slide.counted_from, zone)[11:] if slide.counted_from > slide.start else "",
        "tweets": slide.tweets,
        "pruned": slide.pruned,
        "rows": [
            {
                "shown": printable(line.hashtag),
                "hue": hue(line.hashtag),
                "rank": place,
                "tweets": line.tweets,
                "width": round(100 * line.tweets / highest, 1),
                "not_kept": line.not_kept,
            }
            for place, line in enumerate(slide.ranked[:SLIDE_ROWS], 1)
        ],
    }


def _slide_words(seconds: int) -> dict[str, str]:
    """Return what the view is called: it is five minutes long only where windows of that many seconds make them up exactly."""
    windows = len(slide_starts(0, seconds))
    title = "slide" if windows * seconds == SLIDE_SECONDS else "other_slide" if windows > 1 else "single_slide"
    return {"title": title, "hint": "slide_hint" if windows > 1 else "single_slide_hint"}


def trends_section(windows: Sequence[Window], seconds: int, now: float, zone: ZoneInfo | None, hue: Hue) -> dict[str, Any]:
    """Return a line for each of the most frequent hashtags of the windows that are over, one value a window.

    All windows are of that many seconds.
    """
    whole = [window for window in windows if window.end <= now]
    if not whole:
        return {"lines": [], "from": "", "to": "", "highest": 0, "seconds": seconds}
    sums: Counter[str] = Counter()
    for window in whole:
        sums.update(dict(window.ranked))
    chosen = sorted(sums.items(), key=lambda item: (-item[1], item[0]))[:TREND_LINES]
    starts = range(whole[0].start, whole[-1].end, seconds)
    counts = {window.start: dict(window.ranked) for window in whole}
    series = {hashtag: [counts.get(start, {}).get(hashtag, 0) for start in starts] for hashtag, _sum in chosen}
    highest = max(max(values) for values in series.values()) if series else 0
    slots = max(len(starts), TREND_WINDOWS)
    return {
        "lines": [
            {
                "shown": printable(hashtag),
                "hue": hue(hashtag),
                "points": polyline(values, TRENDS, highest, slots),
                "last": values[-1],
                "total": sums[hashtag],
                "most": max(values),
            }
            for hashtag, values in series.items()
        ],
        "from": local_time(whole[-1].end - slots * seconds, zone)[11 : _shown_to(seconds)],
        "to": local_time(whole[-1].end, zone)[11 : _shown_to(seconds)],
        "highest": highest,
        "seconds": seconds,
    }


def history_section(windows: Sequence[Window], zone: ZoneInfo | None, earlier: Sequence[Window] = ()) -> list[dict[str, Any]]:
    """Return the windows that a viewer can choose, newest first: those of the present rule, then those of ``earlier`` rules."""
    return [
        *({"start": window.start, **_choice(window, zone)} for window in reversed(windows[:-1])),
        *({"start": address_of(window), **_choice(window, zone, named=True)} for window in reversed(earlier)),
    ]


def address_of(window: Window) -> str:
    """Return where the page finds a window of whatever rule: another one may begin at the same time."""
    return f"{window.start}{query_of(window)}"


def query_of(window: Window) -> str:
    """Return the part of a window's address that names its rule; without it a window is one of the present rule."""
    return f"?rule={name_of(window.rule)}"


def _choice(window: Window, zone: ZoneInfo | None, *, named: bool = False) -> dict[str, Any]:
    shown = local_time(window.start, zone)[: _shown_to(window.seconds)]
    spelling = "" if window.rule.spelling is Spelling.EXACT else f", {window.rule.spelling}"
    rule = f" · {window.seconds} s, {window.rule.window_time}{spelling}" if named else ""
    return {"label": f"{shown}{rule}", "tweets": window.tweets}


def _shown_to(seconds: int) -> int:
    """Return how much of a local time is shown of windows of that length: with its seconds unless they begin at full minutes."""
    return 16 if seconds % MINUTE_SECONDS == 0 else 19


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits) + 0.0  # of a negative zero this makes 0


def _spark(hashtag: str, windows: Sequence[Window], pace: Pace | None) -> str:
    if pace is not None:
        return polyline(rates(pace.points(hashtag))[-SPARK_POINTS:], SPARK, slots=SPARK_POINTS)
    counts = [float(dict(window.ranked).get(hashtag, 0)) for window in windows[-SPARK_WINDOWS:]]
    return polyline(counts, SPARK, slots=SPARK_WINDOWS)
