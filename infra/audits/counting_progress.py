"""How far the count of a long log is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.console.progress import follower
from infra.console.reporting import say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from infra.host.clock import Clock
    from trending.kafka.record_columns import RecordColumns

REPORT_SECONDS = 5.0


class CountingProgress:
    """Reports every ``REPORT_SECONDS`` how many of about ``total`` records have been counted, and how long the rest will take."""

    def __init__(self, total: int, clock: Clock) -> None:
        self._total = total
        self._clock = clock
        self._began = self._reported_at = clock.monotonic()
        self._counted = 0
        self._follower = follower()

    def followed(self, batches: Iterable[RecordColumns]) -> Iterator[RecordColumns]:
        """Yield the batches, each of them done once the next one is asked for."""
        for batch in batches:
            yield batch
            self.add(len(batch))

    def add(self, records: int) -> None:
        """Note records that are done."""
        self._counted += records
        now = self._clock.monotonic()
        if now - self._reported_at >= REPORT_SECONDS and self._counted:
            self._reported_at = now
            left = max(0.0, self._total / self._counted - 1.0)
            rest = f"some {(now - self._began) * left:.0f} s left"
            say(f"counted anew: {self._counted:,} of {self._total:,} records of the log, {rest}")
            self._follower(min(100.0, 100.0 * self._counted / max(1, self._total)))
