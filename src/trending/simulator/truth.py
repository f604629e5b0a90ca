"""What a scenario means, from its seed alone: how often each hashtag comes in which window, and the fate of spoiled records."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from trending.settings import Spelling
from trending.simulator.draws import BLOCK
from trending.simulator.mischief import CORRUPTIONS, Fate
from trending.tweets.rule import Reason
from trending.tweets.spelling import folded
from trending.tweets.wire_format import MAX_HASHTAG

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from trending.simulator.draws import Integers
    from trending.simulator.records import Block, Records

_SEEN_LATER = [-1, *(place for place, each in enumerate(CORRUPTIONS) if each.reason is Reason.NO_TIMESTAMP)]
"""Of a hashtag that is too long the rule says that first: before a missing timestamp, or where nothing else is wrong."""
_REFUSED = {Fate.LATE: Reason.LATE, Fate.FUTURE: Reason.FUTURE}
_NOT_COUNTED = [*_REFUSED, Fate.BORDERLINE]
"""Fates of tweets that do not count wherever they arrive."""


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
    names = spelled(records.names, spelling)
    for number in range(numbers.start // BLOCK, -(-numbers.stop // BLOCK)):
        block = records.block(number)
        start = max(numbers.start - block.first, 0)
        found.add(_of_block(names, block, slice(start, min(numbers.stop - block.first, BLOCK)), begins, window_seconds))
    return found


class Sorted(NamedTuple):
    """Records of a block by what they are: tweets with a hashtag, those whose hashtag is too long, otherwise corrupt ones."""

    tagged: NDArray[np.bool_]
    too_long: NDArray[np.bool_]
    corrupt: NDArray[np.bool_]
    untagged: NDArray[np.bool_]


def sorted_out(block: Block, part: slice | Integers, lengths: Sequence[int]) -> Sorted:
    """Return what a block's records are; ``lengths`` are those of the hashtags as they are spelled by the rule."""
    corruptions = block.corruptions[part]
    found = np.array([*lengths, 0])[block.hashtags[part]]  # a number of -1, for none, is the last place
    too_long = (found > MAX_HASHTAG) & np.isin(corruptions, _SEEN_LATER)
    sound = corruptions < 0
    return Sorted(sound & (found > 0) & ~too_long, too_long, ~sound & ~too_long, sound & (found == 0))


def spelled(names: list[str], spelling: Spelling) -> list[str]:
    """Return the hashtags as a rule with this spelling ranks them."""
    return [folded(name) for name in names] if spelling is Spelling.FOLDED else names


def placed(
    records: Records, numbers: range, begins: Callable[[Integers], Integers], window_seconds: int
) -> dict[tuple[int, str], list[int]]:
    """Return (window start in seconds since the epoch, hashtag) → the numbers of its tweets, as ``intended`` counts them."""
    found: dict[tuple[int, str], list[int]] = {}
    lengths = [*map(len, records.names)]
    for number in range(numbers.start // BLOCK, -(-numbers.stop // BLOCK)):
        block = records.block(number)
        part = slice(max(numbers.start - block.first, 0), min(numbers.stop - block.first, BLOCK))
        certain = ~np.isin(block.fates[part], _NOT_COUNTED)
        counted = sorted_out(block, part, lengths).tagged & certain
        windows = _windows(block, part, begins, window_seconds)
        own = np.arange(block.first + part.start, block.first + part.stop)
        for each, window, hashtag in zip(
            own[counted].tolist(), windows[counted].tolist(), block.hashtags[part][counted].tolist(), strict=True
        ):
            found.setdefault((window, records.names[hashtag]), []).append(each)
    return found


def _windows(block: Block, part: slice, begins: Callable[[Integers], Integers], window_seconds: int) -> Integers:
    times = begins(block.first + np.arange(BLOCK)[part]) + block.stamps[part]
    return times // (window_seconds * 1000) * window_seconds


def _of_block(names: list[str], block: Block, part: slice, begins: Callable[[Integers], Integers], window_seconds: int) -> Truth:
    found = Truth()
    fates, hashtags = block.fates[part], block.hashtags[part]
    parts = sorted_out(block, part, [*map(len, names)])
    found.rejected[Reason.LONG_HASHTAG] += int(np.count_nonzero(parts.too_long))
    for corruption in block.corruptions[part][parts.corrupt].tolist():
        found.rejected[CORRUPTIONS[corruption].reason] += 1
    # An untagged record is neither late nor future: it is counted where it arrives.
    found.untagged = int(np.count_nonzero(parts.untagged))
    refused = np.zeros(len(fates), np.bool_)
    for fate, reason in _REFUSED.items():
        such = parts.tagged & (fates == fate)
        found.rejected[reason] += int(np.count_nonzero(such))
        refused |= such
    windows = _windows(block, part, begins, window_seconds)
    open_ones = fates == Fate.BORDERLINE
    chosen_ones = (parts.tagged & ~refused & ~open_ones), (parts.tagged & open_ones)
    for counts, chosen in zip((found.tweets, found.borderline), chosen_ones, strict=True):
        counted = Counter(zip(windows[chosen].tolist(), hashtags[chosen].tolist(), strict=True))
        for (window, hashtag), number in counted.items():
            counts[window, names[hashtag]] += number
    found.rejected = +found.rejected
    return found
