"""What a ledger has, id by id: for tests, whose logs are short."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trending.producer.ledger import Ledger


def acknowledged_ids(ledger: Ledger, start: Mapping[int, int], end: Mapping[int, int] | None = None) -> set[tuple[str, int]]:
    """Return the ids of the records acknowledged from ``start`` up to ``end`` (partition → offset)."""
    return {(run, sequence) for run, sequences in ledger.acknowledged_ranges(start, end) for sequence in sequences}
