"""What an audit of one topic has in hand before it reads the log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trending.audit.reconciliation import LogRange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trending.audit.sealing import Kept
    from trending.producer.ledger import Ledger
    from trending.producer.sources.booked import Booked
    from trending.serving.epochs import Epoch
    from trending.serving.store import StoreView
    from trending.stream.letters import Letters


@dataclass(frozen=True)
class Evidence:
    """What is compared with the log: each as of one moment, in the order of the fields.

    ``ledger`` is the topic's part. ``kept`` is the seal that it goes on from: the view then leaves out what that has closed.
    ``log`` is partition → first offset and end. ``letters`` are those of the dead-letter topic ``letters_id`` up to
    ``letters_ends``; with a seal those behind it, and those it has kept. By ``skew`` seconds append times may go back. ``plays``
    are run → the scenario that it plays, read after the log's ends: what has changed it was on disk before the records that are.
    """

    ledger: Ledger
    view: StoreView
    seen_at: float
    topic: str
    epochs: Sequence[Epoch]
    kept: Kept | None
    log: Mapping[int, tuple[int, int]]
    letters: Letters
    letters_id: str
    letters_ends: Mapping[int, int]
    skew: float
    plays: Mapping[str, Booked] = field(default_factory=dict)

    def range(self) -> LogRange:
        """Return the part of the log that the audit is about."""
        parts = set().union(*(epoch.starts for epoch in self.epochs)) | self.log.keys()
        starts = {part: min(epoch.starts.get(part, 0) for epoch in self.epochs) for part in parts}
        return LogRange(
            {part: starts[part] for part in self.log},
            {part: first for part, (first, _end) in self.log.items()},
            {part: end for part, (_first, end) in self.log.items()},
            self.seen_at,
            self.skew,
            self.kept.seal.ends if self.kept else {},
        )
