"""A run of a scenario as SVG: what was counted and refused a second, the leading hashtags over time, and which of them led."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trending.drawing.svg import Drawing, short
from trending.text import number

if TYPE_CHECKING:
    from trending.drawing.scenario_figures import ScenarioFigures, Stretch

WIDTH, HEIGHT = 860, 420
LEFT, RIGHT = 70, 640
RATE, HASHTAGS = (44, 170), (214, 340)
"""Top and bottom of the two panels."""
STRIP = 14
LETTERS = 20
TICKS = 6
HOUR, MINUTE = 3600, 60
_STEPS = (1, 2, 3, 6, 10, 15, 20, 30)

WORDS = {
    "en": {
        "title": "{name}: tweets a second, and the leading hashtags",
        "rate": "records a second of the scenario",
        "ranking": "tweets a second of the leading hashtags",
        "tweets": "tweets counted",
        "untagged": "untagged",
        "refused": "refused, by their batch",
        "leads": "who leads",
        "none": "no hashtag was ranked",
    },
    "es": {
        "title": "{name}: tuits por segundo y los hashtags que lideran",
        "rate": "mensajes por segundo del escenario",
        "ranking": "tuits por segundo de los hashtags que lideran",
        "tweets": "tuits contados",
        "untagged": "sin hashtag",
        "refused": "rechazados, por su lote",
        "leads": "quién lidera",
        "none": "no se clasificó ningún hashtag",
    },
}


def picture(figures: ScenarioFigures, language: str) -> str:
    """Return the run as SVG in a language."""
    return _Picture(figures, language).svg()


class _Picture:
    """A picture under construction. All places come from the figures."""

    def __init__(self, figures: ScenarioFigures, language: str) -> None:
        self._figures = figures
        self._language = language
        self._words = WORDS[language]
        self._drawing = Drawing(WIDTH, HEIGHT, self._words["title"].format(name=figures.scenario))
        self._begin = figures.windows[0].at
        self._end = figures.windows[-1].at + figures.span
        self._wide = (RIGHT - LEFT) / len(figures.windows)

    def svg(self) -> str:
        self._drawing.rect(0, 0, WIDTH, HEIGHT, "paper")
        self._rate()
        self._hashtags()
        self._times()
        return self._drawing.svg()

    def _x(self, at: float) -> float:
        return LEFT + (at - self._begin) / (self._end - self._begin) * (RIGHT - LEFT)

    def _a_second(self, records: float) -> float:
        return records / self._figures.span

    def _panel(self, place: tuple[int, int], title: str, highest: float) -> float:
        """Draw title and scale of a panel; returns how many pixels one a second is high."""
        top, bottom = place
        self._drawing.text(LEFT, top - 14, title, size=14)
        for share in (0.0, 0.5, 1.0):
            y = bottom - share * (bottom - top)
            self._drawing.rule((LEFT, y), (RIGHT, y))
            digits = 0 if highest >= 20 else 1  # noqa: PLR2004 - below, halves matter
            self._drawing.text(LEFT - 8, y + 5, number(share * highest, self._language, digits), "muted", 13, "end")
        return (bottom - top) / highest

    def _rate(self) -> None:
        kinds = (("tweets", "bar"), ("untagged", "muted"), ("refused", "second"))
        highest = max(self._a_second(each.tweets + each.untagged + each.refused) for each in self._figures.windows)
        high = self._panel(RATE, self._words["rate"], highest)
        for each in self._figures.windows:
            x, wide, y = self._x(each.at) + 0.5, self._wide - 1, float(RATE[1])
            for kind, look in kinds:
                if tall := self._a_second(getattr(each, kind)) * high:
                    y -= tall
                    self._drawing.rect(x, y, wide, tall, look)
        shown = [(kind, look) for kind, look in kinds if any(getattr(each, kind) for each in self._figures.windows)]
        for row, (kind, look) in enumerate(shown):
            y = RATE[0] + 20 * row
            self._drawing.rect(RIGHT + 16, y, 24, 12, look)
            self._drawing.text(RIGHT + 48, y + 11, self._words[kind], size=14)

    def _hashtags(self) -> None:
        figures = self._figures
        highest = max((max(each.hashtags, default=0) for each in figures.windows), default=0)
        if not highest:
            self._drawing.text(LEFT, HASHTAGS[0] + 40, self._words["none"], "muted")
            return
        high = self._panel(HASHTAGS, self._words["ranking"], self._a_second(highest))
        for place, hashtag in enumerate(figures.hashtags):
            points = [
                (self._x(each.at + figures.span / 2), HASHTAGS[1] - self._a_second(each.hashtags[place]) * high)
                for each in figures.windows
            ]
            self._drawing.line(" ".join(f"{x:.1f},{y:.1f}" for x, y in points), place)
            y = HASHTAGS[0] + 20 * place
            self._drawing.line(f"{RIGHT + 16},{y + 6} {RIGHT + 40},{y + 6}", place)
            self._drawing.text(RIGHT + 48, y + 11, short(hashtag, LETTERS), size=14)
        self._drawing.text(RIGHT + 16, HASHTAGS[1] + 8 + STRIP, self._words["leads"], "muted", 13)
        for each in figures.windows:
            self._leader(each)

    def _leader(self, each: Stretch) -> None:
        if each.tweets:
            look = "muted" if each.leader is None else f"line{each.leader}"
            self._drawing.rect(self._x(each.at), HASHTAGS[1] + 8, self._wide, STRIP, look)

    def _times(self) -> None:
        unit, word = (HOUR, "h") if self._end > 2 * HOUR else (MINUTE, "min") if self._end > 3 * MINUTE else (1, "s")
        least = (self._end - self._begin) / unit / TICKS
        step = next((each for each in _STEPS if each >= least), math.ceil(least)) * unit
        for tick in range(math.ceil(self._begin / step), math.floor(self._end / step) + 1):
            self._drawing.text(self._x(tick * step), HEIGHT - 24, f"{tick * step // unit} {word}", "muted", 13, "middle")
