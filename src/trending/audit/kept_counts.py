"""What a store keeps of a window that it has trimmed, made from the recount: the same rule a second time, by other means."""

from __future__ import annotations

from collections import Counter
from heapq import nsmallest
from typing import TYPE_CHECKING

from trending.serving.others import Others

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trending.serving.epochs import Epoch
    from trending.serving.others import Place
    from trending.settings import Rule

    Counted = tuple[str, int, str]
    """Checkpoint, window start, hashtag."""


OTHER_HASHTAGS = "(other hashtags)"
"""How they are named where a line has to have a name."""


def split(counts: Sequence[Mapping[str, int]], kept: int) -> tuple[list[dict[str, int]], list[Others]]:
    """Return what stays of a window, hashtag → tweets for each of its epochs in their order, and of each the others.

    The first ``kept`` hashtags by the sum over all epochs stay, ties by name.
    """
    sums = counts[0] if len(counts) == 1 else sum((Counter(each) for each in counts), Counter[str]())
    leading = {hashtag for hashtag, _tweets in nsmallest(kept, sums.items(), key=lambda line: (-line[1], line[0]))}
    stay = [{hashtag: each[hashtag] for hashtag in leading if hashtag in each} for each in counts]
    others = []
    for number, (each, left) in enumerate(zip(counts, stay, strict=True)):
        before = counts[:number]
        new = sum(hashtag not in leading and not any(hashtag in one for one in before) for hashtag in each)
        others.append(Others(sum(each.values()) - sum(left.values()), new, kept))
    return stay, others


def as_kept(
    counts: Mapping[Counted, int], others: Mapping[Place, Others], known: Sequence[Epoch]
) -> tuple[Mapping[Counted, int], dict[Place, Others]]:
    """Return counts by (checkpoint, window, hashtag) as a store keeps them that has trimmed the windows of ``others``.

    ``known`` are the epochs of one topic in their order.
    """
    if not others:
        return counts, {}
    rules = {each.checkpoint: each.rule for each in known}
    trimmed: dict[tuple[Rule, int], int] = {
        (rules[checkpoint], window): each.kept for (checkpoint, window), each in others.items() if checkpoint in rules
    }
    windows: dict[tuple[Rule, int], dict[str, dict[str, int]]] = {place: {} for place in trimmed}
    whole: dict[Counted, int] = {}
    for key, tweets in counts.items():
        checkpoint, window, hashtag = key
        place = (rules[checkpoint], window) if checkpoint in rules else None
        if place in windows:
            windows[place].setdefault(checkpoint, {})[hashtag] = tweets
        else:
            whole[key] = tweets
    found: dict[Place, Others] = {}
    for (rule, window), by_checkpoint in windows.items():
        names = [each.checkpoint for each in known if each.checkpoint in by_checkpoint]
        stay, gone = split([by_checkpoint[name] for name in names], trimmed[rule, window])
        found.update({(name, window): each for name, each in zip(names, gone, strict=True)})
        for name, each in zip(names, stay, strict=True):
            whole.update({(name, window, hashtag): tweets for hashtag, tweets in each.items()})
    return whole, found


def with_others(counts: Mapping[Counted, int], others: Mapping[Place, Others]) -> Mapping[Counted, int]:
    """Return the counts with a line for each window's hashtags that are not kept by name, so that the sums are whole."""
    if not others:
        return counts
    found = Counter(counts)
    for (checkpoint, window), each in others.items():
        found[checkpoint, window, OTHER_HASHTAGS] += each.tweets
    return found
