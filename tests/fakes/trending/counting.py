"""Counts in a store as a job leaves them there: in an open epoch, batch after batch, each with its ends."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from trending.kafka.rejects import OFFSET
from trending.serving.counts import Batch
from trending.serving.epochs import Epoch

if TYPE_CHECKING:
    from trending.serving.store import Store

TOPIC = "tweets"
TOPIC_ID = "topic-1"


def epoch(checkpoint: str, **changes: object) -> Epoch:
    """Return an epoch of the topic that begins at its beginning, but for the changes."""
    return replace(Epoch(checkpoint, f"key of {checkpoint}", TOPIC, TOPIC_ID, {0: 0}), **changes)  # type: ignore[arg-type]


def write(store: Store, checkpoint: str, batch: Batch) -> None:
    """Write a batch; the epoch is opened, and the batches before it are written without rows, where they are not there yet.

    A batch ends at the offset of its number.
    """
    known = {each.checkpoint: each for each in store.known_epochs()}
    if checkpoint not in known:
        store.take_over(epoch(checkpoint))
    last = known[checkpoint].last_batch if checkpoint in known else None
    for number in range(0 if last is None else last + 1, batch.number):
        store.write(checkpoint, Batch(number, batch.at, {}, {}), {0: number})
    store.write(checkpoint, batch, {0: batch.number})


def counts(store: Store) -> dict[tuple[int, str], int]:
    """Return (window start, hashtag) → tweets, over all checkpoints."""
    found: Counter[tuple[int, str]] = Counter()
    for (_checkpoint, window, hashtag), tweets in store.view().counts.items():
        found[window, hashtag] += tweets
    return dict(found)


def untagged(store: Store) -> dict[int, int]:
    """Return window start → untagged records, over all checkpoints."""
    found: Counter[int] = Counter()
    for (_checkpoint, window), records in store.view().untagged.items():
        found[window] += records
    return dict(found)


def rejects(store: Store) -> dict[tuple[int, str], array[int]]:
    """Return (partition, reason) → the offsets of its rejects, each once and in order, over all checkpoints."""
    found: dict[tuple[int, str], set[int]] = {}
    for (_checkpoint, partition, reason), offsets in store.view().rejects.items():
        found.setdefault((partition, reason), set()).update(offsets)
    return {place: array(OFFSET, sorted(offsets)) for place, offsets in found.items()}


def dropped(store: Store) -> int:
    """Return how many groups Spark dropped behind the watermark, over all runs."""
    return store.view().dropped
