"""The audit of one topic: from a seal or from the beginning, up to what the store has counted, then what is in flight."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trending.audit.audit_report import SealUsed
from trending.audit.reconciliation import Ledgers, reconcile
from trending.audit.recounting.recount import Recount
from trending.audit.recounting.sequences import SequenceRanges, by_run
from trending.audit.recounting.truths import Truths
from trending.audit.seal import Unfit
from trending.audit.sealing import Agreement, go_on, require_behind, require_letters_behind

if TYPE_CHECKING:
    from trending.audit.audit_report import AuditReport
    from trending.audit.evidence import Evidence
    from trending.audit.reconciliation import LogRange
    from trending.audit.sealing import Kept
    from trending.producer.ledger import Ledger

Offsets = Mapping[int, int]
Count = Callable[[Offsets, Offsets, Mapping[str, SequenceRanges], Recount], None]
"""Goes on counting from some offsets to others; of those in between, run → sequences were acknowledged."""


@dataclass(frozen=True)
class Examination:
    """The report about a topic, what was counted for it, and the seal to keep if everything is in order."""

    report: AuditReport
    recounted: Recount
    seal: Kept | None


def examine_topic(
    evidence: Evidence,
    count: Count,
    ledger_now: Callable[[], Ledger],
    longest: float,
) -> Examination:
    """Count the log anew, by ``count`` from some offsets to others, and reconcile it with the evidence.

    Raises Unfit where the seal turns out to be one that cannot be gone on from; see ``reconcile`` for ``longest``.
    """
    kept, epochs, part = evidence.kept, evidence.epochs, evidence.range()
    if kept:
        kept.seal.require_epochs(epochs)
        kept.seal.require_log(evidence.log)
        require_whole(part)
        kept.seal.require_ledger(evidence.ledger)
        require_letters_behind(kept.seal, evidence.letters)
    acknowledged = by_run(evidence.ledger.acknowledged_ranges(part.beginning(), part.ends))
    log = go_on(kept.seal, epochs, acknowledged, evidence.ledger, evidence.view) if kept else Recount(epochs)
    log.truth = Truths(evidence.plays)
    begin = {each: max(start, part.firsts[each], part.sealed.get(each, 0)) for each, start in part.starts.items()}
    counted = epochs[-1].counted_to()
    middle = {each: max(begin[each], min(end, counted.get(each, begin[each]))) for each, end in part.ends.items()}
    count(begin, middle, acknowledged, log)
    seal, too_many_open, over_closing = None, 0, 0
    if all(counted.get(each, end) <= end for each, end in part.ends.items()):
        agreement = Agreement(evidence, log, acknowledged)
        seal, too_many_open, over_closing = agreement.seal(), agreement.too_many_open(), agreement.over_closing()
    count(middle, part.ends, acknowledged, log)
    if kept:
        require_behind(kept.seal, log, evidence.ledger)
    report = reconcile(Ledgers(evidence.ledger, ledger_now()), part, log, evidence.view, evidence.letters, longest)
    whole = not (part.cut() or report.acknowledged_before or report.expired_sealed)
    truths = log.truth.parts(log.ids, log.latest) if whole else log.truth.parts({}, {})
    report = replace(report, too_many_open=too_many_open, over_closing=over_closing, truths=truths)
    if kept:
        used = SealUsed(kept.seal.made_at, evidence.topic, kept.seal.ends, kept.seal.records)
        report = replace(report, seals=(used,), changed=kept.changed(evidence.view, has_expired=report.expired_sealed > 0))
    return Examination(report, log, seal if report.clean and report.complete and not report.behind else None)


def require_whole(part: LogRange) -> None:
    """Raise Unfit where retention has taken records of a partition that the seal does not know."""
    if part.cut():
        cause = f"retention has taken records of partition {min(part.cut())}, which came later"
        raise Unfit(cause)
