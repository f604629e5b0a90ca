"""The proof strip: acknowledged, counted, in flight, each counted for itself, and whether they agree."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DatabaseError

from trending.errors import LabError
from trending.page.moving.clock import clock
from trending.page.moving.ledger_totals import look_at_ledgers
from trending.page.moving.store_totals import read as read_totals

if TYPE_CHECKING:
    from trending.page.moving.ledger_totals import Ledgers
    from trending.page.moving.store_totals import Totals
    from trending.programs.specifications import PageSpec
    from trending.serving.reader import StoreReader

Section = dict[str, Any]
SHARE = 50
"""Adding everything up may take one fiftieth of a core: after a look that took a second of it, the next one is 50 s later.

The clock would not do: on a busy machine a look of 3 ms takes half a second by it."""
LOOK_SECONDS = 1.0
PATIENCE_SECONDS = 15.0
"""What the broker has and the ledger learns a moment later is counted before it is acknowledged. After so long it is not that."""


class ProofStrip:
    """Adds up store and ledger, in this order: then fewer counted than acknowledged and not in flight are missing for certain."""

    def __init__(self, spec: PageSpec) -> None:
        self._spec = spec
        self._began, self._took = -LOOK_SECONDS, 0.0
        self._figures: Section = {"acknowledged": None, "counted": None, "in_flight": None, "missing": 0, "more": 0}
        self._proved_at: float | None = None
        self._known = False
        self._more_since: float | None = None
        self.totals: Totals | None = None
        self.ledgers: Ledgers | None = None
        """What the last look has found; None where it could not see it."""

    def look(self, reader: StoreReader | None, now: float, *, changed: bool) -> Section:
        """Return the section; what is added up is as of this look where the store has changed, or a second has passed."""
        began, used = time.monotonic(), time.thread_time()
        since = began - self._began
        if self._spec.ledgers and since >= SHARE * self._took and (changed or since >= LOOK_SECONDS):
            self.totals = self.ledgers = None
            self._known = reader is not None and self._add_up(reader, now)
            self._began, self._took = began, time.thread_time() - used
        return {"state": self._state(now), **self._figures, "proved": clock(self._proved_at or 0.0, now, self._spec.zone)}

    def _add_up(self, reader: StoreReader, now: float) -> bool:
        try:
            with reader.as_of_one_moment() as connection:
                totals = read_totals(connection)
            found = look_at_ledgers(self._spec.ledgers, totals, now) if totals else None
        except (DatabaseError, LabError):
            return False
        if totals is None or found is None:
            return False
        self.totals, self.ledgers, self._proved_at = totals, found, totals.proved_at
        missing = found.records - found.behind - totals.counted
        self._more_since = (self._more_since or now) if missing < 0 else None
        self._figures = {
            "acknowledged": found.records,
            "counted": totals.counted,
            "in_flight": found.behind,
            "missing": max(0, missing),
            "more": max(0, -missing),
        }
        return not _is_blind(totals, found)

    def _state(self, now: float) -> str:
        if not self._spec.ledgers:
            return "unrecorded"
        if not self._known:
            return "unknown"
        if self._figures["missing"]:
            return "missing"
        return "more" if self._more_since is not None and now - self._more_since > PATIENCE_SECONDS else "holds"


def _is_blind(totals: Totals, found: Ledgers) -> bool:
    """Whether expired records may lie before what is counted: of those the ledger knows only how many they are."""
    return bool(found.expired) and any(totals.starts.values())
