"""The evening before a presentation: everything that it needs is tried on a stack of its own, which is gone afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect import flow

from flows.audit import audit
from flows.demo import own_page, own_stack, taken_down_in_the_end, watch_rankings
from flows.runs.named_commands import names_its_stack
from flows.runs.server import with_server
from flows.start_up import start_up
from infra.console.reporting import say
from infra.forms.parameters import RECORDING, AuditForm, RehearseForm
from infra.forms.terminal import run_command
from infra.host.memory import available_mb
from infra.host.paths import StackPaths
from infra.operations.services import check_own_start
from tasks.rehearsal import fetched_parts, memory, ports, screen, start
from trending.errors import Unhealthy

if TYPE_CHECKING:
    from infra.presentation.rehearsal import Finding

_MARKS = {True: "[ok]", False: "[no]", None: "[look]"}


@flow(name="rehearse", flow_run_name="rehearse {settings.stack.name}")
@names_its_stack
def rehearse(settings: RehearseForm) -> list[str]:
    """Return what was found, a line each; raises Unhealthy after all of it was looked at, if something would fail tomorrow."""
    findings: list[Finding] = [*ports(settings.stack, settings.page), *fetched_parts(RECORDING)]
    before = available_mb()
    with own_stack(settings.stack) as stack, taken_down_in_the_end(stack.name):
        page = own_page(settings.page)
        findings.append(start(start_up(settings.start_up(stack, page))))
        watch_rankings(stack.name, settings.demo.demo_seconds)
        findings += [memory(before), screen(StackPaths.of(stack.name).stack_id, page)]
        report = audit(AuditForm(name=stack.name, at_rest=True, resume=False))
    proof = f"[ok] {report.lines(settings.stream.zone)[-1]}"
    lines = [*(f"{_MARKS[each.passed]} {each.line}" for each in findings), proof, "[ok] everything was taken down"]
    for line in lines:
        say(line)
    if failed := [each.line for each in findings if each.passed is False]:
        cause = f"{len(failed)} of {len(findings)} things would go wrong tomorrow"
        raise Unhealthy(cause, "; ".join(failed), "mend these, then make rehearse again; make replay-demo needs none of them")
    say("tomorrow: make present")
    return lines


def main(settings: RehearseForm) -> None:
    """Run the flow from a terminal and stop the server if this run started it."""
    check_own_start(settings)
    with_server(lambda: rehearse(settings), leave=False)


if __name__ == "__main__":
    run_command(RehearseForm, main, ".venv/bin/python -m flows.rehearse")
