"""What a scenario means, from its seed alone: how often each hashtag comes in which window, and the fate of spoiled records."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from trending.simulator.draws import BLOCK
from trending.simulator.mischief import CORRUPTIONS, Fate
from trending.tweets.rule import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from trending.simulator.draws import Integers
    from trending.simulator.records import Block, Records

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


def intended(records: Records, numbers: range, begins: Callable[[Integers], Integers], window_seconds: int) -> Truth:
    """Return the truth about consecutive records.

    ``begins`` gives the scenario's start for each of some records' numbers, in milliseconds since the epoch, with what it was
    shifted by.
    """
    found = Truth()
    for number in range(numbers.start // BLOCK, -(-numbers.stop // BLOCK)):
        block = records.block(number)
        start = max(numbers.start - block.first, 0)
        found.add(_of_block(records.names, block, slice(start, min(numbers.stop - block.first, BLOCK)), begins, window_seconds))
    return found


def _of_block(names: list[str], block: Block, part: slice, begins: Callable[[Integers], Integers], window_seconds: int) -> Truth:
    found = Truth()
    fates, hashtags = block.fates[part], block.hashtags[part]
    corruptions = block.corruptions[part]
    for corruption in corruptions[corruptions >= 0].tolist():
        found.rejected[CORRUPTIONS[corruption].reason] += 1
    tagged = (corruptions < 0) & (hashtags >= 0)
    # An untagged record is neither late nor future: it is counted where it arrives.
    found.untagged = int(np.count_nonzero((corruptions < 0) & (hashtags < 0)))
    refused = np.zeros(len(fates), np.bool_)
    for fate, reason in _REFUSED.items():
        such = tagged & (fates == fate)
        found.rejected[reason] += int(np.count_nonzero(such))
        refused |= such
    times = begins(block.first + block.sources[part]) + block.stamps[part]
    windows = times // (window_seconds * 1000) * window_seconds
    open_ones = fates == Fate.BORDERLINE
    for counts, chosen in ((found.tweets, tagged & ~refused & ~open_ones), (found.borderline, tagged & open_ones)):
        counted = Counter(zip(windows[chosen].tolist(), hashtags[chosen].tolist(), strict=True))
        counts.update({(window, names[hashtag]): number for (window, hashtag), number in counted.items()})
    found.rejected = +found.rejected
    return found
