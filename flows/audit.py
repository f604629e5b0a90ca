"""Prove that nothing was lost: stop the producer, let the stream catch up, recount the log, reconcile."""

from __future__ import annotations

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.command_line import run_command, with_server
from flows.forms import AuditForm
from infra.lab import open_lab
from infra.paths import StackPaths
from infra.state import stack_held
from tasks.audit import audit_log
from tasks.producer import launch_producer, stop_producer, wait_for_producer
from tasks.step import say
from tasks.stream import wait_for_catch_up
from trending.audit import AuditReport


@flow(name="audit", flow_run_name="audit {settings.name}")
def audit(settings: AuditForm) -> AuditReport:
    """Report acknowledged, in log, counted, lost and duplicated; fails unless the last two are 0."""
    stack = settings.name
    zone = open_lab(stack).settings.stream.zone
    with stack_held(StackPaths.of(stack)):
        stop_producer(stack)
        try:
            report = audit_log(stack, wait_for_catch_up(stack))
        finally:
            if settings.resume:
                launch_producer(stack)
                wait_for_producer(stack)
    lines = report.lines(zone)
    for line in lines:
        say(line)
    create_markdown_artifact("```\n" + "\n".join(lines) + "\n```\n", key="audit", description="Producer, log and store")
    report.require_clean()
    return report


def main(settings: AuditForm) -> None:
    """Run the flow from a terminal."""
    with_server(lambda: audit(settings))


if __name__ == "__main__":
    run_command(AuditForm, main, "python -m flows.audit")
