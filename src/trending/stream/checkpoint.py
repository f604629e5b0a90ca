"""The batches in Spark's checkpoint, read from its files."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from trending.stream.soundness import damaged_by, numbered

if TYPE_CHECKING:
    from trending.programs.specifications import CheckpointPlace


def committed_offsets(checkpoint: CheckpointPlace, topic: str) -> dict[int, int]:
    """Return partition → offset at the end of the checkpoint's last committed batch; empty for a new checkpoint.

    A query that finds nothing new after a restart reports no progress, so only the checkpoint has its position.
    """
    commits = numbered(checkpoint / "commits")
    return _ends(checkpoint / "offsets" / str(commits[-1]), topic) if commits else {}


def first_offsets(checkpoint: CheckpointPlace, topic: str) -> dict[int, int]:
    """Return partition → offset at which a checkpoint's first batch began; empty where that cannot be read."""
    try:
        # Spark writes a NUL before the version, which older readers of the file need.
        text = (checkpoint / "sources" / "0" / "0").read_text(encoding="utf-8").splitlines()[1]
        return {int(partition): int(offset) for partition, offset in json.loads(text)[topic].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def ends_of_batch(checkpoint: CheckpointPlace, topic: str, batch: int) -> dict[int, int]:
    """Return partition → end offset (exclusive) of a batch, which Spark fixes before it runs.

    Raises ConfigurationConflict where Spark's record of it cannot be read: the batch's counts would have no range.
    """
    path = checkpoint / "offsets" / str(batch)
    try:
        ends = _ends(path, topic)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise damaged_by(path, error) from error
    if not ends:
        raise damaged_by(path, f"no offsets of {topic}")
    return ends


def passed_by(checkpoint: CheckpointPlace, window_seconds: int, batch: int) -> int:
    """Return the start of the last window that this batch and all after it can't touch any more; 0 where none is known.

    It has ended by the watermark of the batch before: Spark drops what comes later. That of the batch itself is one step too far:
    its own rows are compared with the watermark before.
    """
    try:
        line = (checkpoint / "offsets" / str(batch - 1)).read_text(encoding="utf-8").splitlines()[1]
        watermark = int(json.loads(line)["batchWatermarkMs"]) // 1000
    except FileNotFoundError:  # before the first batch
        return 0
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise damaged_by(checkpoint / "offsets" / str(batch - 1), error) from error
    return max(0, watermark // window_seconds * window_seconds - window_seconds)


def batch_ends(checkpoint: CheckpointPlace, topic: str) -> dict[int, dict[int, int]]:
    """Return batch → partition → end offset (exclusive) for the batches that Spark still keeps, the last hundred."""
    ends = {}
    for number in numbered(checkpoint / "offsets"):
        with suppress(FileNotFoundError):  # Spark deletes old batches while it runs
            ends[number] = _ends(checkpoint / "offsets" / str(number), topic)
    return ends


def _ends(path: CheckpointPlace, topic: str) -> dict[int, int]:
    # Spark's OffsetSeqLog: a version line, a line of metadata, then a line of JSON for each source.
    lines = path.read_text(encoding="utf-8").splitlines()
    offsets: dict[str, int] = json.loads(lines[2]).get(topic, {})
    return {int(partition): offset for partition, offset in offsets.items()}
