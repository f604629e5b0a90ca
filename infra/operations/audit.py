"""The audit and the five-message probe."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.console.reporting import say
from infra.host.clock import Clock, SystemClock
from infra.lab.assembly import Lab, open_lab
from infra.operations.stream import wait_for_catch_up
from infra.operations.topic import dead_letter_topic, recorded_start
from trending.audit.reconciliation import AuditReport, StreamFigures, reconcile
from trending.audit.recount import Recount, recount
from trending.errors import AuditFailed
from trending.kafka.log_reader import log_ends, read_log
from trending.kafka.probe import run_probe
from trending.producer.ledger import read_ledger
from trending.serving.store import Store
from trending.stream.letters import Letters

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from trending.kafka.log_reader import Record

RECOUNTS = 2
REPORT_SECONDS = 5.0
"""How often a long recount reports its progress."""


def range_start(lab: Lab) -> dict[int, int]:
    """Return where the audit's range begins; raises AuditFailed if no job was ever submitted."""
    start = recorded_start(lab)
    if not start:
        cause = "nothing was ever submitted on this stack: there is no range to audit"
        raise AuditFailed(cause, str(lab.paths.checkpoints), "make up")
    return start


@dataclass(frozen=True)
class Examined:
    """An audit's report and its data: the start of its range, the recount of the log and its duration, the store's counts."""

    report: AuditReport
    start: dict[int, int]
    recounted: Recount
    seconds: float
    counts: Mapping[tuple[int, str], int]


def audit_log(stack: str, ends: dict[int, int]) -> AuditReport:
    """Recount the log up to ``ends`` and reconcile producer, log and store. Raises AuditFailed if that is impossible.

    If the log grows while it is read, as when a transaction ends, the stream has counted more than was recounted. A difference
    is then no proof, and the log is counted once more.
    """
    lab = open_lab(stack)
    report = examine_log(lab, ends).report
    for _again in range(RECOUNTS):
        grown = {part: end for part, (_first, end) in log_ends(lab.stack.connection, lab.settings.stack.topic).items()}
        if report.clean or grown == ends:
            break
        say("the log has grown meanwhile: it is counted once more")
        ends = wait_for_catch_up(stack)
        report = examine_log(lab, ends).report
    return report


def examine_log(lab: Lab, ends: dict[int, int]) -> Examined:
    """Run the audit like ``audit_log`` and return its data too."""
    settings = lab.settings
    connection, topic = lab.stack.connection, settings.stack.topic
    start = range_start(lab)
    gone = {part: low for part, (low, _end) in log_ends(connection, topic).items() if low > start.get(part, 0)}
    if gone:
        cause = "the beginning of the range is not in the log any more"
        raise AuditFailed(cause, f"first offsets {gone}, the range starts at {start}", f"make rebuild NAME={lab.paths.name}")
    ledger = read_ledger(lab.paths.ledger)
    acknowledged = ledger.acknowledged_ids(start, ends)
    began = time.monotonic()
    records = sum(max(0, end - start.get(part, 0)) for part, end in ends.items())
    reading = followed(read_log(connection, topic, start, ends), records, SystemClock())
    log = recount(reading, settings.stream.window_time, acknowledged)
    seconds = time.monotonic() - began
    letters = dead_letter_topic(topic)
    there = log_ends(connection, letters)
    letter_starts = {part: first for part, (first, _end) in there.items()}
    letter_ends = {part: end for part, (_first, end) in there.items()}
    dead = Letters.read(read_log(connection, letters, letter_starts, letter_ends))
    store = Store(lab.paths.store)
    try:
        stream = StreamFigures(store.counts(), store.rejects(), store.dropped(), store.untagged())
    finally:
        store.close()
    return Examined(reconcile(ledger, start, log, stream, dead, ends), start, log, seconds, stream.counts)


def followed(records: Iterable[Record], total: int, clock: Clock) -> Iterator[Record]:
    """Yield the records, and report every 5 s how many of about ``total`` have been read."""
    reported_at = clock.monotonic()
    for number, record in enumerate(records, 1):
        yield record
        if clock.monotonic() - reported_at >= REPORT_SECONDS:
            reported_at = clock.monotonic()
            say(f"counted anew: {number:,} of {total:,} records of the log")


def send_probe(stack: str, timeout: float) -> None:
    """Send the five messages and read them back, reporting the contract's lines; raises ProbeFailed past ``timeout`` seconds."""
    lab = open_lab(stack)
    run_probe(lab.stack.connection, lab.settings.stack.topic, timeout, say)
