"""The store as small pictures for a notebook, in Spanish or English: a table and two drawings, made without a chart library.

Text from a tweet is escaped twice: for terminals and for browsers.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from trending.drawing.polyline import polyline
from trending.drawing.svg import COLOURS, DASHES
from trending.settings import MINUTE_SECONDS
from trending.text import local_time, number, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

    from trending.serving.ranking_query import Window

SHOWN_ROWS = 15
SHOWN_LINES = 5
SHOWN_WINDOWS = 15
DRAWING = (640, 200)
"""Width and height of a drawing's own coordinates."""
LABEL_WIDTH = 150
LABEL_HEIGHT = 20
LABEL_LETTERS = 16

WORDS = {
    "es": {
        "nothing": "Todavía no hay ninguna ventana con tuits: la primera llega con el primer lote de Spark.",
        "caption": "Ventana [{start}, {end}) · {tweets} tuits de {hashtags} hashtags · visto a las {at}",
        "place": "Puesto",
        "tweets": "Tuits",
        "one look": "Para dibujar una línea hacen falta dos miradas: ejecute antes la celda de la tabla.",
        "counted": "Tuits contados desde el arranque, en los {seconds} s en que se miró la tabla",
        "empty": "Todavía no hay ninguna ventana con tuits.",
        "minute": "un minuto",
        "windows": "Tuits de cada ventana de {long}",
    },
    "en": {
        "nothing": "There is no window with tweets yet: the first one comes with Spark's first batch.",
        "caption": "Window [{start}, {end}) · {tweets} tweets with {hashtags} hashtags · seen at {at}",
        "place": "Rank",
        "tweets": "Tweets",
        "one look": "A line needs two looks: run the table's cell first.",
        "counted": "Tweets counted since the start, during the {seconds} s in which the table was watched",
        "empty": "There is no window with tweets yet.",
        "minute": "a minute",
        "windows": "Tweets of each window of {long}",
    },
}


@dataclass(frozen=True, slots=True)
class Sample:
    """How often each hashtag had been counted at a moment, seconds since the epoch."""

    at: float
    totals: Mapping[str, int]


def sample(windows: Sequence[Window], at: float) -> Sample:
    """Return the sum of the windows by hashtag."""
    totals: dict[str, int] = {}
    for window in windows:
        for hashtag, tweets in window.ranked:
            totals[hashtag] = totals.get(hashtag, 0) + tweets
    return Sample(at, totals)


def ranking_table(window: Window | None, now: float, zone: ZoneInfo | None, language: str = "es") -> str:
    """Return the ranking of one window as an HTML table, or a sentence when there is no ranking yet."""
    words = WORDS[language]
    if window is None:
        return f"<p>{words['nothing']}</p>"
    highest = window.ranked[0][1] if window.ranked else 1
    rows = "".join(
        f"<tr><td style='text-align:right'>{place}</td><td style='text-align:left'>{_safe(hashtag)}</td>"
        f"<td style='text-align:right'>{number(tweets, language)}</td>"
        f"<td style='text-align:left;width:16em'><div style='background:{COLOURS[0]};height:.8em;"
        f"width:{100 * tweets / highest:.1f}%'></div></td></tr>"
        for place, (hashtag, tweets) in enumerate(window.ranked[:SHOWN_ROWS], 1)
    )
    start, end, at = (local_time(each, zone)[-8:] for each in (window.start, window.end, now))
    caption = words["caption"].format(
        start=start, end=end, at=at, tweets=number(window.tweets, language), hashtags=number(window.hashtags, language)
    )
    return (
        f"<table><caption style='text-align:left'>{caption}</caption>"
        f"<thead><tr><th>{words['place']}</th><th style='text-align:left'>Hashtag</th>"
        f"<th>{words['tweets']}</th><th></th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def count_lines(samples: Sequence[Sample], language: str = "es") -> str:
    """Return a chart with a line for each leading hashtag: how its count grew from sample to sample."""
    if len(samples) < 2:  # noqa: PLR2004 - a line needs two points
        return f"<p>{WORDS[language]['one look']}</p>"
    last = samples[-1].totals
    leaders = sorted(last, key=lambda hashtag: (-last[hashtag], hashtag))[:SHOWN_LINES]
    highest = float(max(last.values(), default=1))
    width, height = DRAWING
    shapes = []
    for row, hashtag in enumerate(leaders):
        look = f"stroke='{COLOURS[row]}' stroke-width='2' stroke-dasharray='{DASHES[row]}'"
        points = polyline([each.totals.get(hashtag, 0) for each in samples], DRAWING, highest)
        y = LABEL_HEIGHT * (row + 1)
        shapes.append(
            f"<polyline fill='none' {look} points='{points}'/>"
            f"<line x1='{width + 8}' x2='{width + 32}' y1='{y - 4}' y2='{y - 4}' {look}/>"
            f"<text x='{width + 38}' y='{y}'>{_safe(_short(hashtag))} {number(last[hashtag], language)}</text>"
        )
    seconds = samples[-1].at - samples[0].at
    title = WORDS[language]["counted"].format(seconds=f"{seconds:.0f}")
    return _drawing(title, width + LABEL_WIDTH, height, "".join(shapes))


def minute_columns(windows: Sequence[Window], zone: ZoneInfo | None, language: str = "es") -> str:
    """Return a chart with a column for each window: the number of its tweets."""
    shown = windows[-SHOWN_WINDOWS:]
    if not shown:
        return f"<p>{WORDS[language]['empty']}</p>"
    width, height = DRAWING
    highest = max(window.tweets for window in shown) or 1
    shown_to = 16 if shown[-1].seconds % MINUTE_SECONDS == 0 else 19  # with the seconds where windows begin at any
    step = width / len(shown)
    column = min(step * 0.8, 60.0)
    shapes = []
    for place, window in enumerate(shown):
        tall = (height - 2 * LABEL_HEIGHT) * window.tweets / highest
        middle = (place + 0.5) * step
        top = height - LABEL_HEIGHT - tall
        shapes.append(
            f"<rect x='{middle - column / 2:.1f}' y='{top:.1f}' width='{column:.1f}' height='{tall:.1f}' fill='{COLOURS[0]}'/>"
            f"<text x='{middle:.1f}' y='{top - 4:.1f}' text-anchor='middle'>{number(window.tweets, language)}</text>"
            f"<text x='{middle:.1f}' y='{height - 4}' text-anchor='middle'>{local_time(window.start, zone)[11:shown_to]}</text>"
        )
    words = WORDS[language]
    long = words["minute"] if shown[-1].seconds == MINUTE_SECONDS else f"{shown[-1].seconds} s"
    return _drawing(words["windows"].format(long=long), width, height, "".join(shapes))


def _drawing(title: str, width: int, height: int, shapes: str) -> str:
    return (
        f"<figure style='margin:0'><figcaption>{title}</figcaption>"
        f"<svg role='img' aria-label='{title}' viewBox='0 0 {width} {height}' width='{width}' height='{height}' "
        f"style='max-width:100%;font:12px sans-serif' fill='currentColor'>{shapes}</svg></figure>"
    )


def _short(hashtag: str) -> str:
    return hashtag if len(hashtag) <= LABEL_LETTERS else f"{hashtag[: LABEL_LETTERS - 1]}…"


def _safe(text: str) -> str:
    return escape(printable(text), quote=True)
