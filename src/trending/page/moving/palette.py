"""One colour a hashtag, wherever the page shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterable

HUES = 8
"""Colours that people with any kind of colour vision tell apart; further hashtags share a neutral one."""
NEUTRAL = -1


class Palette:
    """Gives each leading hashtag the colour that its name draws, or the next free one, and keeps it for as long as it can."""

    def __init__(self) -> None:
        self._hues: dict[str, int] = {}
        self._seen: dict[str, float] = {}

    def show(self, hashtags: Iterable[str], now: float) -> None:
        """Give colours to these hashtags, the leading ones first. Only one that is not shown loses its colour to another."""
        leading = list(dict.fromkeys(hashtags))[:HUES]
        self._seen.update(dict.fromkeys(leading, now))
        for hashtag in leading:
            if hashtag not in self._hues:
                self._hues[hashtag] = self._free(hashtag, leading)

    def hue(self, hashtag: str) -> int:
        """Return the number of a hashtag's colour, or ``NEUTRAL``. Safe in any thread."""
        return self._hues.get(hashtag, NEUTRAL)

    def _free(self, hashtag: str, leading: list[str]) -> int:
        if len(self._hues) >= HUES:
            oldest = min(self._hues.keys() - set(leading), key=lambda each: (self._seen[each], each))
            return self._hues.pop(oldest)
        taken = set(self._hues.values())
        drawn = crc32(hashtag.encode("utf-8", "surrogatepass")) % HUES
        return next(hue % HUES for hue in range(drawn, drawn + HUES) if hue % HUES not in taken)
