"""What a scenario means, from its seed alone: how often each hashtag comes in which window, and the fate of spoiled records."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from trending.settings import Spelling
from trending.simulator.draws import BLOCK
from trending.simulator.mischief import CORRUPTIONS, Fate
from trending.tweets.rule import Reason
from trending.tweets.spelling import folded
from trending.tweets.wire_format import MAX_HASHTAG

if TYPE_CHECKING:
    from collections.abc import Callable

    from trending.simulator.draws import Bools, Integers
    from trending.simulator.records import Block, Records

_SEEN_LATER = [-1, *(place for place, each in enumerate(CORRUPTIONS) if each.reason is Reason.NO_TIMESTAMP)]
"""Of a hashtag that is too long the rule says that first: before a missing timestamp, or where nothing else is wrong."""
_REFUSED = {Fate.LATE: Reason.LATE, Fate.FUTURE: Reason.FUTURE}


@dataclass
class Truth:
    """What a range of a scenario's records means, sent when they are due.

    ``tweets`` are (window start in seconds since the epoch, hashtag) → number, by the tweets' own timestamps; ``rejected`` are
    reason → number. Of ``borderline`` tweets nobody knows before they arrive whether they are late: (window start, hashtag) →
    number, and they are in none of the others.
    """

    tweets: Counter[tuple[int, str]] = field(default_factory=Counter)
    borderline: Counter[tuple[int, str]] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    untagged: int = 0

    def add(self, other: Truth) -> None:
        """Add the truth about other records."""
        self.tweets.update(other.tweets)
        self.borderline.update(other.borderline)
        self.rejected.update(other.rejected)
        self.untagged += other.untagged

    def hashtags(self) -> Counter[str]:
        """Return hashtag → tweets, over all windows."""
        found: Counter[str] = Counter()
        for (_window, hashtag), number in self.tweets.items():
            found[hashtag] += number
        return found


def intended(
    records: Records,
    numbers: range,
    begins: Callable[[Integers], Integers],
    window_seconds: int,
    spelling: Spelling = Spelling.EXACT,
) -> Truth:
    """Return the truth about consecutive records, in windows of this length and with hashtags in this spelling.

    ``begins`` gives the scenario's start for each of some records' numbers, in milliseconds since the epoch, with what it was
    shifted by.
    """
    found = Truth()
    names = [folded(name) for name in records.names] if spelling is Spelling.FOLDED else records.names
    for number in range(numbers.start // BLOCK, -(-numbers.stop // BLOCK)):
        block = records.block(number)
        start = max(numbers.start - block.first, 0)
        found.add(_of_block(names, block, slice(start, min(numbers.stop - block.first, BLOCK)), begins, window_seconds))
    return found


def placed(
    records: Records, numbers: range, begins: Callable[[Integers], Integers], window_seconds: int
) -> dict[tuple[int, str], list[int]]:
    """Return (window start in seconds since the epoch, hashtag) → the numbers of its tweets, as ``intended`` counts them."""
    found: dict[tuple[int, str], list[int]] = {}
    for number in range(numbers.start // BLOCK, -(-numbers.stop // BLOCK)):
        block = records.block(number)
        part = slice(max(numbers.start - block.first, 0), min(numbers.stop - block.first, BLOCK))
        counted = _counted(records.names, block, part)
        windows = _windows(block, part, begins, window_seconds)
        own = np.arange(block.first + part.start, block.first + part.stop)
        for each, window, hashtag in zip(
            own[counted].tolist(), windows[counted].tolist(), block.hashtags[part][counted].tolist(), strict=True
        ):
            found.setdefault((window, records.names[hashtag]), []).append(each)
    return found


def _counted(names: list[str], block: Block, part: slice) -> Bools:
    """Return which records are tweets that count wherever they arrive: neither corrupt, untagged, late, future nor borderline."""
    lengths = np.array([*map(len, names), 0])[block.hashtags[part]]
    usual = ~np.isin(block.fates[part], [Fate.LATE, Fate.FUTURE, Fate.BORDERLINE])
    fits: Bools = (block.corruptions[part] < 0) & (lengths > 0) & (lengths <= MAX_HASHTAG) & usual
    return fits


def _windows(block: Block, part: slice, begins: Callable[[Integers], Integers], window_seconds: int) -> Integers:
    times = begins(block.first + block.sources[part]) + block.stamps[part]
    return times // (window_seconds * 1000) * window_seconds


def _of_block(names: list[str], block: Block, part: slice, begins: Callable[[Integers], Integers], window_seconds: int) -> Truth:
    found = Truth()
    fates, hashtags = block.fates[part], block.hashtags[part]
    corruptions = block.corruptions[part]
    lengths = np.array([*map(len, names), 0])[hashtags]  # a number of -1, for none, is the last place
    long = (lengths > MAX_HASHTAG) & np.isin(corruptions, _SEEN_LATER)
    found.rejected[Reason.LONG_HASHTAG] += int(np.count_nonzero(long))
    for corruption in corruptions[(corruptions >= 0) & ~long].tolist():
        found.rejected[CORRUPTIONS[corruption].reason] += 1
    tagged = (corruptions < 0) & (lengths > 0) & ~long
    # An untagged record is neither late nor future: it is counted where it arrives.
    found.untagged = int(np.count_nonzero((corruptions < 0) & (lengths == 0)))
    refused = np.zeros(len(fates), np.bool_)
    for fate, reason in _REFUSED.items():
        such = tagged & (fates == fate)
        found.rejected[reason] += int(np.count_nonzero(such))
        refused |= such
    windows = _windows(block, part, begins, window_seconds)
    open_ones = fates == Fate.BORDERLINE
    for counts, chosen in ((found.tweets, tagged & ~refused & ~open_ones), (found.borderline, tagged & open_ones)):
        counted = Counter(zip(windows[chosen].tolist(), hashtags[chosen].tolist(), strict=True))
        for (window, hashtag), number in counted.items():
            counts[window, names[hashtag]] += number
    found.rejected = +found.rejected
    return found
