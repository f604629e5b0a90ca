"""Prove that nothing was lost: recount the log, reconcile producer, log and store, while everything goes on or at rest."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.runs.artifacts import leave_ranking, progress_left
from flows.runs.named_commands import names_its_stack
from flows.runs.server import with_server
from infra.console.interruptions import begun_despite_signals, finished_despite_signals
from infra.console.reporting import say
from infra.forms.proving import AuditForm, AuditRange
from infra.forms.terminal import run_command
from infra.host.paths import StackPaths
from infra.lab.assembly import open_lab, set_resting_programs
from infra.stack.state import stack_held
from infra.supervision.programs import PRODUCER, producers_there
from tasks.audit import audit_log, audit_running
from tasks.producer import launch_producer, stop_producer, wait_for_producer
from tasks.stream import wait_for_catch_up
from trending.audit.audit_report import AuditReport

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

Seen = TypeVar("Seen")


@flow(name="audit", flow_run_name="audit {settings.name}")
@names_its_stack
def audit(settings: AuditForm) -> AuditReport:
    """Report acknowledged, in log, counted, lost and duplicated; fails unless the last two are 0.

    A running stack is not touched: what the stream has not counted yet is told as in flight. What a clean audit has found before
    is sealed, and only what came since is read; an audit at rest reads everything.
    """
    stack = settings.name
    zone = open_lab(stack).settings.stream.zone
    with progress_left(f"audit-progress-{stack}", "The log's records that are counted anew"):
        if settings.rests:
            report = recount(stack, resume=settings.resume)
        else:
            report = audit_running(stack, since_seal=settings.audit is AuditRange.SINCE_SEAL)
    page = "```\n" + "\n".join(report.lines(zone)) + "\n```\n"
    create_markdown_artifact(page, key="audit", description="Producer, log and store reconciled")
    leave_ranking(stack)
    if not (report.clean and report.complete):
        say_figures(report, zone)
    report.require_clean()
    return report


def recount(stack: str, *, resume: bool) -> AuditReport:
    """Stop the producer, let the stream catch up, reconcile; with ``resume`` start the producer again, whatever the outcome."""
    return with_producer_stopped(stack, audit_log, resume=resume)


def with_producer_stopped(stack: str, look: Callable[[str, dict[int, int]], Seen], *, resume: bool) -> Seen:
    """Stop the producer, wait until the stream has caught up, and return what ``look`` makes of the log's ends."""
    with stack_held(StackPaths.of(stack)):
        say("the producer rests while the stream catches up and the log is counted anew")
        lab = open_lab(stack)
        there = any(lab.supervisor.status(name) is not None for name in producers_there(lab.paths))
        if resume and PRODUCER not in lab.state.resting and not there:
            # Not there for another reason, of a stack that is down say: not ours to start, nor at rest on purpose.
            return look(stack, wait_for_catch_up(stack))
        try:
            stop_producer(stack)  # within: a signal may come as soon as it has stopped, before that is known here
            return look(stack, wait_for_catch_up(stack))
        finally:
            left = f"whether the producer is as it was is not known: make up NAME={stack} starts it if it is stopped"
            begun_despite_signals(partial(_leave_producer, stack, runs=resume), left)


def _leave_producer(stack: str, *, runs: bool) -> None:
    """Start the producer again, or record that it rests on purpose, once it does: its stop may have been cut short."""
    with finished_despite_signals():
        resting = open_lab(stack).state.resting
        if runs:
            launch_producer(stack)
            wait_for_producer(stack)
        elif open_lab(stack).supervisor.status(PRODUCER) is not None:
            stop_producer(stack)
        set_resting_programs(StackPaths.of(stack), resting - {PRODUCER} if runs else resting | {PRODUCER})


def say_figures(report: AuditReport, zone: ZoneInfo | None) -> None:
    """Report the audit's lines; the last one is the headline."""
    for line in report.lines(zone):
        say(line)


def main(settings: AuditForm) -> None:
    """Run the flow from a terminal; raises StackAbsent before a server is started for it."""
    open_lab(settings.name)
    with_server(lambda: say_figures(audit(settings), open_lab(settings.name).settings.stream.zone))


if __name__ == "__main__":
    run_command(AuditForm, main, ".venv/bin/python -m flows.audit")
