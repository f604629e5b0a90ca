"""The audit and the five-message probe."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from infra.audits.counting_processes import Log, count_log
from infra.audits.counting_progress import CountingProgress
from infra.console.reporting import say
from infra.host.clock import SystemClock
from infra.lab.assembly import Lab, open_lab
from infra.lab.store import ledger_places, other_producers, store_place
from infra.operations.epochs import open_epoch
from infra.operations.stream import wait_for_catch_up
from infra.stack.state import is_held, replay_at_work
from trending.audit.evidence import Evidence
from trending.audit.examination import examine_topic
from trending.audit.kept_counts import as_kept, with_others
from trending.audit.recounting.recount import Recount, by_rule
from trending.audit.seal import Unfit, of_topic
from trending.audit.sealing import letters_behind
from trending.audit.seals import Seals
from trending.audit.truth_file import write_truth
from trending.errors import AuditFailed, AuditIncomplete, LabError
from trending.kafka.log_reader import ends_of, log_ends, read_log, topic_id
from trending.kafka.probe import run_probe
from trending.kafka.record_columns import read_columns
from trending.producer.ledger import read_ledgers
from trending.producer.sources.booked import read_plays
from trending.serving.store import Store
from trending.settings import dead_letter_topic
from trending.stream.letters import Letters

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping, Sequence

    from trending.audit.audit_report import AuditReport
    from trending.audit.recounting.sequences import SequenceRanges
    from trending.audit.seal import Seal
    from trending.audit.sealing import Kept
    from trending.kafka.record_columns import RecordColumns
    from trending.producer.known import Known
    from trending.producer.ledger import Ledger
    from trending.serving.epochs import Epoch
    from trending.serving.store import StoreView
    from trending.settings import Rule

RECOUNTS = 2
STANDING_SECONDS = 30.0
"""A record that the stream has not counted so long after its trigger was due is a sign that it stands still."""


@dataclass(frozen=True)
class Examined:
    """An audit's report and its data about the stack's own topic: the range's start, the recount and its duration, the store.

    Both counts are made when they are asked for: rule → (window start, hashtag) → tweets. What the store does not keep by name is
    in one line of its window in both.
    """

    report: AuditReport
    start: dict[int, int]
    recounted: Recount
    seconds: float
    view: StoreView

    def counts(self) -> dict[Rule, Counter[tuple[int, str]]]:
        """Return the store's counts."""
        return by_rule(with_others(self.view.counts, self.view.others), self.recounted.epochs)

    def recounts(self) -> dict[Rule, Counter[tuple[int, str]]]:
        """Return the recount's."""
        kept = as_kept(self.recounted.tweets, self.view.others, self.recounted.epochs)
        return by_rule(with_others(*kept), self.recounted.epochs)


def audit_running(stack: str, *, since_seal: bool) -> AuditReport:
    """Recount the log of a stack that goes on working. Raises AuditFailed if that is impossible.

    It leaves programs, log and counts as they are; a clean audit leaves a seal in the store. What the log has and the stream has
    not counted yet is in flight, and no fault while it is young. ``since_seal`` goes on from where the last clean audit has come
    to.
    """
    lab = open_lab(stack)
    report = examine(lab, _longest(lab), since_seal=since_seal).report
    if not report.clean and is_held(lab.paths):
        say("another command works on this stack, a rebuild perhaps: audit again when it has ended")
    return report


def audit_log(stack: str, ends: dict[int, int]) -> AuditReport:
    """Recount the whole log up to ``ends``, which the stream has counted: nothing may be in flight. It raises as the other does.

    A proof at rest leans on no seal. If the log grows while it is read, as when a transaction ends or somebody else writes, a
    difference is no proof. The log is then counted once more.
    """
    lab = open_lab(stack)
    report = examine_log(lab).report
    for _again in range(RECOUNTS):
        grown = ends_of(log_ends(lab.stack.connection, lab.settings.stack.topic))
        if report.clean or grown == ends:
            break
        say("the log has grown meanwhile: it is counted once more")
        ends = wait_for_catch_up(stack)
        report = examine_log(lab).report
    return report


def _longest(lab: Lab) -> float:
    """Return how old a record may be that the stream of a stack at work has not counted."""
    return lab.settings.stream.trigger_seconds + STANDING_SECONDS


def examine_log(lab: Lab) -> Examined:
    """Run the audit like ``audit_log`` and return its data too.

    Producers elsewhere and replays are not stopped for it. While one is at work, what it sends meanwhile is in flight, as in an
    audit of a stack that goes on working.
    """
    if others := [*other_producers(lab), *(["a replay"] if replay_at_work(lab.paths) else [])]:
        say(f"{', '.join(others)} went on sending: what came meanwhile is in flight")
        return examine(lab, _longest(lab), since_seal=False)
    return examine(lab, 0.0, since_seal=False)


def examine(lab: Lab, longest: float, *, since_seal: bool) -> Examined:
    """Read ledger, store and log in this order, so that none of them can lack what the one before has; then reconcile them.

    ``longest`` is how old, in seconds, a record may be that the stream has not counted. Topics that the stack has left are
    audited too, as long as they exist. A seal that turns out not to fit is left out, and all is read again without it.
    """
    if open_epoch(lab) is None:
        cause = "nothing was ever submitted on this stack: there is no range to audit"
        raise AuditFailed(cause, str(lab.paths.checkpoints), "make up")
    with closing(Store(store_place(lab))) as store:
        seals = Seals(store.known_seals() if since_seal else {})
        while True:
            try:
                return _examine(lab, store, seals, longest)
            except Unfit as unfit:
                say(seals.leave_out(unfit))


def _examine(lab: Lab, store: Store, seals: Seals, longest: float) -> Examined:
    known = seals.known()
    before = read_ledgers(ledger_places(lab), known)
    view = store.view(seals.closing(), seals.batches())
    seen_at = time.time()
    topics = {epoch.topic_id: epoch.topic for epoch in view.epochs}
    audited = [_Audited(lab, view, before, known, seals.kept.get(identity), seen_at, identity) for identity in topics]
    examined = {each.identity: each.examine(longest) for each in audited if each.is_there()}
    if not examined:
        cause = "the topic that was counted is gone, and what was acknowledged cannot be verified"
        raise AuditIncomplete(cause, f"topics {sorted(topics.values())}", "make rebuild counts anew what the log has")
    *others, (whole, _seal) = examined.values()
    report = whole.report
    for each, _seal in others:
        report = report.joined(each.report)
    gone = {*topics, *before.topics.values()} - examined.keys()
    covered, lost_sight, changed = 0, 0, report.changed
    for identity in gone:
        left = before.of_topic(identity, view.epochs[0].topic_id)
        found = seals.found(identity, view, left)
        covered += found
        lost_sight += left.acknowledged - found
        if identity in seals.kept:
            changed += seals.kept[identity].changed(view, has_expired=True)
    report = replace(report, not_verifiable=lost_sight, covered=covered, changed=changed, unused=tuple(seals.unused))
    _keep(store, seals, report, [seal for _each, seal in examined.values() if seal is not None])
    return replace(whole, report=report)


def _keep(store: Store, seals: Seals, report: AuditReport, found: Sequence[Kept]) -> None:
    """Keep the seals of a clean audit. A full audit that finds a fault deletes all seals, since they say that there is none."""
    if report.clean:
        for seal in found:
            known = seals.kept.get(seal.seal.topic_id)
            try:
                store.seal(seal.stored(), known.windows if known else {})
            except LabError as error:  # the verdict stands without it, and the next audit reads more
                say(f"the audit is not sealed: {error.cause}: {error.evidence}")
    elif not seals.kept and not replace(report, in_flight=0).clean:  # that the stream stands still is no fault of what was sealed
        store.break_seals()


@dataclass(frozen=True)
class _Audited:
    """One topic that is audited, and what has been read of it."""

    lab: Lab
    view: StoreView
    before: Ledger
    known: Sequence[Known]
    kept: Kept | None
    seen_at: float
    identity: str

    @property
    def epochs(self) -> list[Epoch]:
        return [epoch for epoch in self.view.epochs if epoch.topic_id == self.identity]

    @property
    def topic(self) -> str:
        return self.epochs[-1].topic

    def is_there(self) -> bool:
        """Whether the topic is there, and not one that was made anew under its name."""
        return topic_id(self.lab.stack.connection, self.topic) == self.identity

    def ours(self, ledger: Ledger) -> Ledger:
        return ledger.of_topic(self.identity, self.view.epochs[0].topic_id)

    def _ledger_now(self) -> Ledger:
        return self.ours(read_ledgers(ledger_places(self.lab), self.known, counts=False))

    def examine(self, longest: float) -> tuple[Examined, Kept | None]:
        """Examine the topic; returns what was found, and the seal to keep. Raises Unfit with the topic where its seal is."""
        with of_topic(self.identity):
            return self._examine(longest)

    def _examine(self, longest: float) -> tuple[Examined, Kept | None]:
        connection, clock = self.lab.stack.connection, SystemClock()
        began = clock.monotonic()

        def count(
            start: Mapping[int, int], end: Mapping[int, int], acknowledged: Mapping[str, SequenceRanges], whole: Recount
        ) -> None:
            progress = CountingProgress(sum(max(0, offset - start[part]) for part, offset in end.items()), clock)

            def read(start: Mapping[int, int], end: Mapping[int, int]) -> Iterator[RecordColumns]:
                return progress.followed(read_columns(connection, self.topic, start, end))

            count_log(Log(connection, self.topic, read), start, end, acknowledged, whole, progress.add)

        letters, letters_id, letters_ends = _letters(self.lab, self.topic, self.kept.seal if self.kept else None)
        log = log_ends(connection, self.topic)
        evidence = Evidence(
            self.ours(self.before),
            self.view,
            self.seen_at,
            self.topic,
            self.epochs,
            self.kept,
            log,
            letters,
            letters_id,
            letters_ends,
            self.lab.settings.stream.allowed_skew_seconds,
            read_plays(self.lab.paths.ledger, self.identity),  # after the ends: see Evidence
        )
        found = examine_topic(evidence, count, self._ledger_now, longest)
        took = clock.monotonic() - began
        self._leave_truth(evidence)
        return Examined(found.report, dict(evidence.range().starts), found.recounted, took, self.view), found.seal

    def _leave_truth(self, evidence: Evidence) -> None:
        """Write what the seed of the last scenario means beside the ledger; the verdict stands without it."""
        if evidence.plays and self.identity == self.view.epochs[-1].topic_id:
            try:
                write_truth(self.lab.paths.truth, list(evidence.plays.values())[-1], self.epochs[-1].rule)
            except OSError as error:
                say(f"the truth of the scenario is not written: {error}")


def _letters(lab: Lab, topic: str, seal: Seal | None) -> tuple[Letters, str, dict[int, int]]:
    """Return the dead letters, or of a sealed topic those behind the seal; the id of their topic, and its ends."""
    name, connection = dead_letter_topic(topic), lab.stack.connection
    identity = topic_id(connection, name) or ""
    there = log_ends(connection, name)
    ends = ends_of(there)
    starts = {part: first for part, (first, _end) in there.items()}
    if seal is None:
        return Letters.read(read_log(connection, name, starts, ends), starts[0]), identity, ends
    return letters_behind(seal, identity, there, partial(read_log, connection, name)), identity, ends


def send_probe(stack: str, timeout: float) -> None:
    """Send the five messages and read them back, reporting the contract's lines; raises ProbeFailed past ``timeout`` seconds."""
    lab = open_lab(stack)
    run_probe(lab.stack.connection, lab.settings.stack.topic, timeout, say)
