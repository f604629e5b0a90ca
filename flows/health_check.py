"""Look at every component side by side, tell what changed, and repair the one that is down when asked to."""

from __future__ import annotations

import time
from typing import Any

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.states import Completed

from flows.command_line import run_command
from flows.forms import HealthCheckForm
from flows.pages import last_lines, leave_logs, leave_ranking
from flows.serving import with_server
from infra.compose_stack import compose_stack
from infra.health import Decision, Finding, Verdict, decide, note_findings, overall, read_record
from infra.paths import StackPaths
from infra.state import read_state, still_wanted
from tasks.examination import examine_components, examine_compose_services
from tasks.repair import repair_component
from tasks.step import say
from trending.errors import LabError, StackBusy, Superseded, Unhealthy

CHANGED = "trending.health.changed"
GIVEN_UP = "trending.health.given-up"


@flow(name="health-check", flow_run_name="health-check {settings.name}")
def health_check(settings: HealthCheckForm) -> State[Any]:
    """Complete as Healthy, Warning, Repaired or Absent; fail with the evidence when a component is down."""
    stack, paths = settings.name, StackPaths.of(settings.name)
    theirs = compose_stack(stack) if read_state(paths) is None else None
    if theirs is not None:
        return judge(stack, examine_compose_services(theirs), "Docker Compose's, not ours: nothing is repaired", heal=False)
    if not still_wanted(paths):
        return absent(stack)
    findings = examine_components(stack)
    decision = decide(findings, read_record(paths.health), time.time())
    word = decision.held_back
    name = ""
    if settings.heal and decision.repair is not None:
        name, word = "Repaired", heal(stack, decision.repair)
        if not still_wanted(paths):
            return absent(stack)
        findings = examine_components(stack)
    if not still_wanted(paths):
        return absent(stack)
    report(stack, findings, decision, word)
    return judge(stack, findings, word, heal=settings.heal, name=name)


def judge(stack: str, findings: list[Finding], word: str, *, heal: bool, name: str = "") -> State[Any]:
    """Leave the table and return the state that the findings amount to; raises Unhealthy when a component is down."""
    verdict = overall(findings)
    tell(stack, findings, word)
    if verdict is Verdict.UNHEALTHY:
        down = [each for each in findings if each.verdict is Verdict.UNHEALTHY]
        cause = f"{', '.join(each.component for each in down)} of {stack} is down" + (f": {word}" if word else "")
        raise Unhealthy(cause, down[0].evidence, down[0].next_command if heal or not down[0].repair else "make health HEAL=1")
    return Completed(name=name or verdict.value.capitalize(), message=word or f"{stack} is {verdict}")


def tell(stack: str, findings: list[Finding], word: str) -> None:
    """Report the findings, as a table artifact and line by line."""
    table = [
        {"component": each.component, "verdict": each.verdict.value, "evidence": each.evidence, "next": each.next_command}
        for each in findings
    ]
    create_table_artifact(table, key=f"health-{stack}", description=f"{stack} is {overall(findings)}. {word}")
    for each in findings:
        say(f"{each.component:12} {each.verdict:10} {each.evidence.splitlines()[0]}")
    if word:
        say(word)


def absent(stack: str) -> State[Any]:
    """Return the state of a check that had nothing to check."""
    say(f"the stack {stack} is not wanted up: there is nothing to check")
    return Completed(name="Absent", message=f"{stack} is not wanted up")


def heal(stack: str, finding: Finding) -> str:
    """Repair one component and return what came of it; a failed repair shows in the findings that follow."""
    try:
        evidence = repair_component(stack, finding)
    except (StackBusy, Superseded) as error:
        return error.cause
    except LabError as error:
        return f"the repair of {finding.component} failed: {error.cause}"
    say(f"{finding.component} is repaired: {evidence}")
    return f"{finding.component} was repaired"


def report(stack: str, findings: list[Finding], decision: Decision, word: str) -> None:
    """Book the check, leave the ranking and the logs of what is down, and send events only for what changed."""
    paths = StackPaths.of(stack)
    changed, given_up = note_findings(paths.health, findings, decision.given_up, time.time())
    down = [each.component for each in findings if each.verdict is Verdict.UNHEALTHY]
    leave_ranking(stack)
    if down:
        leave_logs(stack, last_lines(stack, down), "Last lines of what is down")
    resource = {"prefect.resource.id": f"trending.stack.{paths.stack_id}", "prefect.resource.name": stack}
    if changed:
        payload: dict[str, Any] = {component: {"from": old, "to": new} for component, (old, new) in changed.items()}
        emit_event(CHANGED, {**resource, "trending.verdict": overall(findings).value}, payload=payload)
    for component in given_up:
        emit_event(GIVEN_UP, {**resource, "trending.component": component}, payload={"reason": word})


def main(settings: HealthCheckForm) -> None:
    """Run the flow from a terminal."""
    with_server(lambda: health_check(settings))


if __name__ == "__main__":
    run_command(HealthCheckForm, main, "python -m flows.health_check")
