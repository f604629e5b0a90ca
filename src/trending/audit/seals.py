"""The seals of a stack that an audit may go on from, a topic each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trending.audit.recounting.sequences import by_run
from trending.audit.seal import Unfit, of_topic
from trending.audit.sealing import Kept
from trending.text import local_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trending.producer.known import Known
    from trending.producer.ledger import Ledger
    from trending.serving.seals import StoredSeal
    from trending.serving.store import StoreView


class Seals:
    """Those that are in use: ``kept`` is topic id → seal. ``unused`` says of the others why not, a sentence each."""

    def __init__(self, stored: Mapping[str, StoredSeal]) -> None:
        self._stored = stored
        self.kept: dict[str, Kept] = {}
        self.unused: list[str] = []
        for identity, each in stored.items():
            try:
                with of_topic(identity):
                    self.kept[identity] = Kept.of(each)
            except Unfit as unfit:
                self.leave_out(unfit)

    def leave_out(self, unfit: Unfit) -> str:
        """Use a topic's seal no more; returns the sentence that says why."""
        self.kept.pop(unfit.topic_id, None)
        made_at = local_time(self._stored[unfit.topic_id].made_at, None)
        self.unused.append(f"the seal of {made_at} is not used, since {unfit}")
        return f"{self.unused[-1]}: everything is counted anew"

    def closing(self) -> dict[str, int]:
        """Return checkpoint → start of its first window that is open, over all topics."""
        return {checkpoint: start for kept in self.kept.values() for checkpoint, start in kept.seal.closed_by().items()}

    def batches(self) -> dict[str, int]:
        """Return checkpoint → last batch that is covered, over all topics."""
        return {checkpoint: batch for kept in self.kept.values() for checkpoint, batch in kept.seal.batches().items()}

    def known(self) -> list[Known]:
        """Return what the ledger need not tell again."""
        return [kept.seal.known() for kept in self.kept.values()]

    def found(self, topic_id: str, view: StoreView, ledger: Ledger) -> int:
        """Return how many of the tweets that the ledger has for a topic that is gone its seal has found. Raises Unfit as ever."""
        if topic_id not in self.kept:
            return 0
        seal = self.kept[topic_id].seal
        with of_topic(topic_id):
            seal.require_epochs([epoch for epoch in view.epochs if epoch.topic_id == topic_id])
            seal.require_ledger(ledger)
        return seal.covers(by_run(ledger.acknowledged_ranges({})))
