"""The truth of a scenario's seed as a file: what is intended for each window, and of each record that is spoiled.

It is made of the seed and of what the ledger has booked, and of nothing that was sent. It stays small however long a run is: of
the last records, the last windows and the last spoiled ones.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from trending.simulator.draws import BLOCK
from trending.simulator.live.changes import text_of
from trending.simulator.mischief import CORRUPTIONS, Fate
from trending.simulator.truth import Truth, intended, spelled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trending.producer.sources.booked import Booked
    from trending.settings import Rule
    from trending.simulator.records import Block

MOST_RECORDS = 500_000
"""So many records, the last ones that were sent, are drawn for the file, at 1 µs each; of a shorter scenario all, sent or not."""
MOST_COUNTS = 100_000
"""Counts by window and hashtag in the file, some 3 MB; the windows before are left out whole."""
MOST_SPOILED = 10_000


def write_truth(path: Path, play: Booked, rule: Rule) -> None:
    """Replace the file at ``path``; raises OSError where that cannot be."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(truth_of(play, rule)), indent=1))
    fresh.replace(path)


def truth_of(play: Booked, rule: Rule) -> dict[str, Any]:
    """Return what is intended of a scenario that is played, in windows of this rule."""
    records = play.records()
    numbers = _range(records.count, play.position)
    names = spelled(records.names, rule.spelling)
    truth, spoiled = Truth(), deque[dict[str, Any]](maxlen=MOST_SPOILED)
    left_out = 0
    for number in range(numbers.start // BLOCK, -(-numbers.stop // BLOCK)):
        block = records.block(number)
        part = range(max(numbers.start, block.first), min(numbers.stop, block.first + BLOCK))
        truth.add(intended(records, part, play.begins, rule.window_seconds, rule.spelling))
        for each in _spoiled(block, part, names, play, rule.window_seconds):
            left_out += len(spoiled) == MOST_SPOILED
            spoiled.append(each)
    windows, windows_left_out = _windows(truth)
    return {
        "scenario": play.scenario,
        "seed": records.scenario.seed,
        "run": play.run,
        "begin": play.begin / 1000,
        "changes": [{"record": each.first, **msgspec.json.decode(text_of(each.asked))} for each in play.changes],
        "records": [numbers.start, numbers.stop],
        "window_seconds": rule.window_seconds,
        "windows": windows,
        "windows_left_out": windows_left_out,
        "untagged": truth.untagged,
        "rejected": dict(truth.rejected),
        "spoiled": list(spoiled),
        "spoiled_left_out": left_out,
    }


def _range(count: int | None, position: int) -> range:
    if count is not None and count <= MOST_RECORDS:
        return range(count)
    return range(max(0, position - MOST_RECORDS), position)


def _windows(truth: Truth) -> tuple[list[dict[str, Any]], int]:
    """Return the last windows that have room, in the order of their starts, and how many are left out."""
    counts: dict[int, dict[str, dict[str, int]]] = {}
    for kind, found in (("tweets", truth.tweets), ("borderline", truth.borderline)):
        for (window, hashtag), number in found.items():
            counts.setdefault(window, {}).setdefault(kind, {})[hashtag] = number
    kept: list[dict[str, Any]] = []
    room = MOST_COUNTS
    for window in sorted(counts, reverse=True):
        room -= sum(map(len, counts[window].values()))
        if room < 0:
            break
        ranked = {kind: dict(Counter(found).most_common()) for kind, found in counts[window].items()}
        kept.append({"start": window, **ranked})
    return kept[::-1], len(counts) - len(kept)


def _spoiled(block: Block, part: range, names: list[str], play: Booked, window_seconds: int) -> Iterator[dict[str, Any]]:
    """Yield number, fate, hashtag and window of each record in a part of the block that is not as others are."""
    first = part.start - block.first
    copied = block.sources != np.arange(BLOCK)
    # One that was to be a copy, and has no tweet before it to copy, is as others are.
    odd = copied | ~np.isin(block.fates, (Fate.PLAIN, Fate.COPY))
    places = np.flatnonzero(odd[first : part.stop - block.first]) + first
    begins = play.begins(block.first + places)
    for place, begin in zip(places.tolist(), begins.tolist(), strict=True):
        fate, corruption, hashtag = Fate(int(block.fates[place])), int(block.corruptions[place]), int(block.hashtags[place])
        kind = Fate.COPY if fate is Fate.PLAIN else fate
        found: dict[str, Any] = {"record": block.first + place, "fate": kind.name.lower()}
        if hashtag >= 0:
            found["hashtag"] = names[hashtag]
        if corruption >= 0:
            found["reason"] = str(CORRUPTIONS[corruption].reason)
        else:
            found["window"] = (begin + int(block.stamps[place])) // (window_seconds * 1000) * window_seconds
        if copied[place]:
            found["copy_of"] = block.first + int(block.sources[place])
        yield found
