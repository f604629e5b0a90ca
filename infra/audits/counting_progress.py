"""How far the count of a long log is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.console.reporting import say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from infra.host.clock import Clock
    from trending.kafka.record_columns import RecordColumns

REPORT_SECONDS = 5.0


class CountingProgress:
    """Reports every ``REPORT_SECONDS`` how many of about ``total`` records have been counted."""

    def __init__(self, total: int, clock: Clock) -> None:
        self._total = total
        self._clock = clock
        self._reported_at = clock.monotonic()
        self._counted = 0

    def followed(self, batches: Iterable[RecordColumns]) -> Iterator[RecordColumns]:
        """Yield the batches, each of them done once the next one is asked for."""
        for batch in batches:
            yield batch
            self.add(len(batch))

    def add(self, records: int) -> None:
        """Note records that are done."""
        self._counted += records
        if self._clock.monotonic() - self._reported_at >= REPORT_SECONDS:
            self._reported_at = self._clock.monotonic()
            say(f"counted anew: {self._counted:,} of {self._total:,} records of the log")
