"""What a job's results lack, and what they have too much, window by window and hashtag by hashtag."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trending.text import local_time, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from zoneinfo import ZoneInfo

    from infra.evaluation.results import Cell

SHOWN = 8
"""At most so many hashtags of a window are named."""


@dataclass(frozen=True)
class Comparison:
    """``lost`` and ``surplus`` are (window, hashtag) → tweets; a cell is in at most one of them."""

    tweets: int
    counted: int
    lost: Counter[Cell]
    surplus: Counter[Cell]

    @property
    def exact(self) -> bool:
        """Whether nothing is lost and nothing is counted twice."""
        return not (self.lost or self.surplus)

    @property
    def windows(self) -> list[int]:
        """The windows that differ, in order."""
        return sorted({window for window, _hashtag in (*self.lost, *self.surplus)})

    def lines(self, first: int, seconds: int, zone: ZoneInfo | None) -> Iterator[str]:
        """Say what each differing window lacks and has too much; ``first`` is the window that is called 1."""
        for window in self.windows:
            parts = [
                f"{word} {sum(count for (start, _hashtag), count in cells.items() if start == window)} ({here})"
                for word, cells in (("lost", self.lost), ("duplicated", self.surplus))
                if (here := named(cells, window))
            ]
            yield f"window {(window - first) // seconds + 1}, from {local_time(window, zone)}: {', '.join(parts)}"

    @property
    def line(self) -> str:
        """The totals."""
        lost, surplus = self.lost.total(), self.surplus.total()
        return f"tweets {self.tweets}, counted {self.counted}, lost {lost}, duplicated {surplus}"


def compare(truth: Mapping[Cell, int], found: Mapping[Cell, int]) -> Comparison:
    """Compare results with the truth; a cell that the truth does not know is all surplus."""
    wanted, there = Counter(truth), Counter(found)
    return Comparison(wanted.total(), there.total(), wanted - there, there - wanted)


def named(cells: Mapping[Cell, int], window: int) -> str:
    """Name a window's hashtags with their numbers, the largest first; empty where it has none."""
    here = ((hashtag, number) for (start, hashtag), number in cells.items() if start == window)
    ordered = sorted(here, key=lambda each: (-each[1], each[0]))
    words = [f"{printable(hashtag)} {number}" for hashtag, number in ordered[:SHOWN]]
    return ", ".join(words) + (f" and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else "")
