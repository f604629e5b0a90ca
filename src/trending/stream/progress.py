"""The streaming query's progress. A listener gets every event; ``lastProgress`` alone hides some."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pyspark.sql.streaming.listener import StreamingQueryListener

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql.streaming.listener import (
        QueryIdleEvent,
        QueryProgressEvent,
        QueryStartedEvent,
        QueryTerminatedEvent,
    )

_NO_WATERMARK = "1970-01-01T00:00:00.000Z"
"""Spark's own word for it, until the first batch has moved it."""


class ProgressListener(StreamingQueryListener):
    """Keeps the figures of the latest progress and the sum of the groups that Spark dropped behind its watermark.

    ``read_until`` among the figures is when a trigger last began that read every partition to its end.
    """

    def __init__(self, note_dropped: Callable[[str, int], None], offsets: dict[int, int]) -> None:
        self._note_dropped = note_dropped
        self._lock = threading.Lock()
        self._figures: dict[str, float] = {f"offset.{partition}": offset for partition, offset in offsets.items()}
        self._dropped: Counter[str] = Counter()
        self._rows = 0
        self._seconds = 0.0
        self.batches = 0

    @property
    def dropped(self) -> int:
        """Groups dropped in this process; there should be none."""
        with self._lock:
            return self._dropped.total()

    def onQueryStarted(self, event: QueryStartedEvent) -> None:
        """Nothing to keep: the heartbeat already says that the query runs."""

    def onQueryIdle(self, event: QueryIdleEvent) -> None:
        """Count an idle trigger as a sign of life: it has found nothing that was not read."""
        with self._lock:
            self._figures["progress_at"] = time.time()
            self._figures["read_until"] = _seconds(event.timestamp)

    def onQueryTerminated(self, event: QueryTerminatedEvent) -> None:
        """Nothing to keep: the job reads the exception from the query."""

    def onQueryProgress(self, event: QueryProgressEvent) -> None:
        """Keep the figures of one finished batch."""
        progress: dict[str, Any] = json.loads(event.progress.json)
        run = progress["runId"]
        dropped = sum(operator.get("numRowsDroppedByWatermark", 0) for operator in progress["stateOperators"])
        with self._lock:
            self.batches += 1
            self._dropped[run] += dropped
            figures = figures_of(progress)
            self._rows += int(figures["input_rows"])
            self._seconds += figures["batch_seconds"]
            self._figures.update(figures)
            self._figures.update({"batches": self.batches, "rows_total": self._rows, "seconds_total": self._seconds})
            total = self._dropped[run]
        if dropped:
            self._note_dropped(run, total)

    def figures(self) -> dict[str, float]:
        """Return the latest batch's figures, and the sums over all batches of this process.

        batch, input_rows, batch_seconds, state_rows, behind, read_until, watermark, offset.<partition>; batches, rows_total,
        seconds_total.
        """
        with self._lock:
            return dict(self._figures)


def figures_of(progress: dict[str, Any]) -> dict[str, float]:
    """Return the figures of one progress event, Spark's JSON as a dictionary."""
    source = progress["sources"][0]
    metrics = source.get("metrics") or {}
    figures: dict[str, float] = {
        "batch": progress["batchId"],
        "progress_at": time.time(),
        "input_rows": progress["numInputRows"],
        "batch_seconds": progress["durationMs"].get("triggerExecution", 0) / 1000,
        "state_rows": sum(operator["numRowsTotal"] for operator in progress["stateOperators"]),
        "behind": float(metrics.get("maxOffsetsBehindLatest", 0)),
    }
    if metrics and figures["behind"] == 0:
        figures["read_until"] = _seconds(progress["timestamp"])
    if (watermark := _seconds((progress.get("eventTime") or {}).get("watermark", _NO_WATERMARK))) > 0:
        figures["watermark"] = watermark
    for partitions in (source["endOffset"] or {}).values():
        for partition, offset in partitions.items():
            figures[f"offset.{partition}"] = offset
    return figures


def _seconds(timestamp: str) -> float:
    """Return Spark's ISO timestamp of when a trigger began as seconds since the epoch."""
    return datetime.fromisoformat(timestamp).timestamp()
