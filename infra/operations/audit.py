"""The audit and the five-message probe."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from infra.console.reporting import say
from infra.host.clock import Clock, SystemClock
from infra.lab.assembly import Lab, open_lab
from infra.operations.epochs import open_epoch
from infra.operations.stream import wait_for_catch_up
from infra.operations.topic import dead_letter_topic
from trending.audit.reconciliation import Ledgers, LogRange, reconcile
from trending.audit.recount import Recount, by_rule, recount
from trending.audit.sequences import by_run
from trending.errors import AuditFailed, AuditIncomplete
from trending.kafka.log_reader import ends_of, log_ends, read_log, topic_id
from trending.kafka.probe import run_probe
from trending.kafka.record_columns import read_columns
from trending.producer.ledger import read_ledger
from trending.serving.store import Store
from trending.stream.letters import Letters

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from trending.audit.audit_report import AuditReport
    from trending.kafka.record_columns import RecordColumns
    from trending.producer.ledger import Ledger
    from trending.serving.store import StoreView
    from trending.settings import Rule

RECOUNTS = 2
REPORT_SECONDS = 5.0
"""How often a long recount reports its progress."""
STANDING_SECONDS = 30.0
"""A record that the stream has not counted so long after its trigger was due is a sign that it stands still."""


@dataclass(frozen=True)
class Examined:
    """An audit's report and its data about the stack's own topic: the range's start, the recount and its duration, the counts.

    ``counts`` are the store's, rule → (window start, hashtag) → tweets.
    """

    report: AuditReport
    start: dict[int, int]
    recounted: Recount
    seconds: float
    counts: Mapping[Rule, Mapping[tuple[int, str], int]]


def audit_running(stack: str) -> AuditReport:
    """Recount the log of a stack that goes on working, and change nothing in it. Raises AuditFailed if that is impossible.

    What the log has and the stream has not counted yet is in flight, and no fault while it is young.
    """
    lab = open_lab(stack)
    return examine(lab, lab.settings.stream.trigger_seconds + STANDING_SECONDS).report


def audit_log(stack: str, ends: dict[int, int]) -> AuditReport:
    """Recount the log up to ``ends``, which the stream has counted: nothing may be in flight. Raises AuditFailed like the other.

    If the log grows while it is read, as when a transaction ends or somebody else writes, a difference is no proof. The log is
    then counted once more.
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


def examine_log(lab: Lab) -> Examined:
    """Run the audit like ``audit_log`` and return its data too."""
    return examine(lab, 0.0)


def examine(lab: Lab, longest: float) -> Examined:
    """Read ledger, store and log in this order, so that none of them can lack what the one before has; then reconcile them.

    ``longest`` is how old, in seconds, a record may be that the stream has not counted. Topics that the stack has left are
    audited too, as long as they exist.
    """
    before = read_ledger(lab.paths.ledger)
    if open_epoch(lab) is None:
        cause = "nothing was ever submitted on this stack: there is no range to audit"
        raise AuditFailed(cause, str(lab.paths.checkpoints), "make up")
    with closing(Store(lab.paths.store)) as store:
        view = store.view()
    seen_at = time.time()
    topics = {epoch.topic_id: epoch.topic for epoch in view.epochs}
    examined = [_examine_topic(lab, view, before, name, identity, seen_at, longest) for identity, name in topics.items()]
    found = [each for each in examined if each is not None]
    if not found:
        cause = "the topic that was counted is gone, and what was acknowledged cannot be verified"
        raise AuditIncomplete(cause, f"topics {sorted(topics.values())}", "make rebuild counts anew what the log has")
    whole = found[-1]
    report = whole.report
    for each in found[:-1]:
        report = report.joined(each.report)
    verified = {identity for identity, each in zip(topics, examined, strict=True) if each is not None}
    unseen = {*topics, *before.topics.values()} - verified
    lost_sight = sum(before.of_topic(topic, view.epochs[0].topic_id).acknowledged for topic in unseen)
    return replace(whole, report=replace(report, not_verifiable=lost_sight))


def _examine_topic(
    lab: Lab, view: StoreView, before: Ledger, topic: str, identity: str, seen_at: float, longest: float
) -> Examined | None:
    """Examine one topic; returns None where it is gone, or was made anew."""
    connection = lab.stack.connection
    if topic_id(connection, topic) != identity:
        return None
    epochs = [epoch for epoch in view.epochs if epoch.topic_id == identity]
    starts = {part: min(each.starts.get(part, 0) for each in epochs) for part in set().union(*(each.starts for each in epochs))}
    log = log_ends(connection, topic)
    part = LogRange(
        {each: starts.get(each, 0) for each in log},
        {each: first for each, (first, _end) in log.items()},
        ends_of(log),
        seen_at,
        lab.settings.stream.allowed_skew_seconds,
    )
    oldest = view.epochs[0].topic_id
    ours = before.of_topic(identity, oldest)
    beginning = part.beginning()
    began = time.monotonic()
    records = sum(max(0, end - beginning[each]) for each, end in part.ends.items())
    reading = followed(read_columns(connection, topic, beginning, part.ends), records, SystemClock())
    recounted = recount(reading, epochs, by_run(ours.acknowledged_ranges(beginning, part.ends)))
    seconds = time.monotonic() - began
    ledgers = Ledgers(ours, read_ledger(lab.paths.ledger).of_topic(identity, oldest))
    report = reconcile(ledgers, part, recounted, view, _letters(lab, topic), longest)
    return Examined(report, dict(part.starts), recounted, seconds, by_rule(view.counts, epochs))


def _letters(lab: Lab, topic: str) -> Letters:
    letters = dead_letter_topic(topic)
    there = log_ends(lab.stack.connection, letters)
    starts = {part: first for part, (first, _end) in there.items()}
    return Letters.read(read_log(lab.stack.connection, letters, starts, ends_of(there)), starts[0])


def followed(batches: Iterable[RecordColumns], total: int, clock: Clock) -> Iterator[RecordColumns]:
    """Yield the batches, and report every 5 s how many of about ``total`` records have been counted."""
    reported_at = clock.monotonic()
    number = 0
    for batch in batches:
        yield batch
        number += len(batch)
        if clock.monotonic() - reported_at >= REPORT_SECONDS:
            reported_at = clock.monotonic()
            say(f"counted anew: {number:,} of {total:,} records of the log")


def send_probe(stack: str, timeout: float) -> None:
    """Send the five messages and read them back, reporting the contract's lines; raises ProbeFailed past ``timeout`` seconds."""
    lab = open_lab(stack)
    run_probe(lab.stack.connection, lab.settings.stack.topic, timeout, say)
