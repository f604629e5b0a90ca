"""Examine every component in parallel, report changes, and with ``heal`` repair the one that is down."""

from __future__ import annotations

import time
from typing import Any

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.states import Completed

from flows.runs.artifacts import as_evidence, last_lines, leave_output, leave_ranking
from flows.runs.named_commands import names_its_stack
from flows.runs.server import with_server
from infra.console.reporting import say
from infra.docker.compose_stack import compose_stack
from infra.forms.next_commands import with_name
from infra.forms.proving import HealthCheckForm
from infra.forms.terminal import run_command
from infra.health.verdicts import Decision, Finding, Verdict, decide, note_findings, overall, read_record
from infra.host.paths import StackPaths
from infra.lab.assembly import open_lab
from infra.lab.remains import remains_of
from infra.operations.undo import running
from infra.prefect_services.server import RUN_HEARTBEAT_SECONDS
from infra.stack.state import Wanted, busy, read_state, still_wanted, take_down_waits
from tasks.health import examine_components, examine_compose_services, repair_component
from trending.errors import EngineUnavailable, LabError, StackBusy, Superseded, Unhealthy

CHANGED = "trending.health.changed"
GIVEN_UP = "trending.health.given-up"
NOT_DONE = "trending.health.not-done"


@flow(name="health-check", flow_run_name="health-check {settings.name}")
@names_its_stack
def health_check(settings: HealthCheckForm) -> State[Any]:
    """Complete as Healthy, Warning, Repaired, Busy or Absent; fail with the evidence if a component is down."""
    try:
        return checked(settings)
    except Unhealthy:
        raise
    except Exception as error:
        emit_event(NOT_DONE, resource_of(settings.name), payload={"reason": f"{type(error).__name__}: {error}"})
        raise


def checked(settings: HealthCheckForm) -> State[Any]:
    """Examine, repair if asked to, record the findings, leave the evidence, judge."""
    stack, paths = settings.name, StackPaths.of(settings.name)
    compose = compose_stack(stack) if read_state(paths) is None else None
    if compose is not None:
        return judge(stack, examine_compose_services(compose), "Docker Compose's, not ours: nothing is repaired", heal=False)
    if not still_wanted(paths):
        return absent(stack)
    findings = examine_components(stack)
    if overall(findings) is Verdict.UNHEALTHY and busy(paths):
        return held(stack, findings)
    decision = decide(findings, read_record(paths.health), time.time())
    name, word = "", decision.held_back
    if settings.heal and decision.repair is not None:
        name, word = heal(stack, decision.repair)
        if not still_wanted(paths):
            return absent(stack)
        findings = examine_components(stack)
    if not still_wanted(paths):
        return absent(stack)
    book(stack, findings, decision, word)
    return judge(stack, findings, word, heal=settings.heal, name=name)


def judge(stack: str, findings: list[Finding], word: str, *, heal: bool, name: str = "") -> State[Any]:
    """Leave the evidence and return the resulting state; raises Unhealthy if a component is down."""
    verdict = overall(findings)
    down = [each for each in findings if each.verdict is Verdict.UNHEALTHY]
    say_findings(stack, findings, word)
    leave_ranking(stack)
    if down:
        leave_output(stack, last_lines(stack, [each.component for each in down]), "Last lines of what is down")
    if verdict is Verdict.UNHEALTHY:
        cause = f"{', '.join(each.component for each in down)} of {stack} is down" + (f": {word}" if word else "")
        next_command = down[0].next_command if heal or not down[0].repair else "make health HEAL=1"
        raise Unhealthy(cause, down[0].evidence, next_command)
    return Completed(name=name or verdict.value.capitalize(), message=word or f"{stack} is {verdict}")


def say_findings(stack: str, findings: list[Finding], word: str) -> None:
    """Report the findings, line by line and as a table artifact."""
    for each in findings:
        say(f"{each.component:12} {each.verdict:10} {each.evidence.splitlines()[0]}")
    if word:
        say(word)
    table = [
        {
            "component": each.component,
            "verdict": each.verdict.value,
            "evidence": each.evidence,
            "next": with_name(each.next_command, stack),
        }
        for each in findings
    ]
    with as_evidence("the table"):
        create_table_artifact(table, key=f"health-{stack}", description=f"{stack} is {overall(findings)}. {word}")


def absent(stack: str) -> State[Any]:
    """Return the state of a check that found no stack that is wanted up."""
    paths = StackPaths.of(stack)
    state = read_state(paths)
    if take_down_waits(paths):
        word, then = f"the stack {stack} is being taken down", ""
    elif state is None and (remains := remains_of(paths)):
        word, then = f"the stack {stack} has no state file, but there is {remains.words()}", remains.next_commands(stack)
    elif state is None:
        word, then = f"there is no stack {stack}", "make up brings one up"
    elif left := still_running(stack):
        done = "stopped" if state.wanted is Wanted.STOPPED else "taken down"
        word, then = f"the stack {stack} was to be {done}, and {left} still runs", "make down ends it"
    elif state.wanted is Wanted.STOPPED:
        word, then = f"the stack {stack} was stopped", "make start brings it back"
    else:
        word, then = f"the stack {stack} was taken down", "make up brings it up"
    word = "; ".join(filter(None, (f"{word}, so there is nothing to check", with_name(then, stack))))
    say(word)
    return Completed(name="Absent", message=word)


def still_running(stack: str) -> str:
    """Return what runs of a stack that is not wanted up; empty also where its Docker engine has been stopped too."""
    try:
        return ", ".join(sorted(running(open_lab(stack))))
    except EngineUnavailable:
        return ""


def held(stack: str, findings: list[Finding]) -> State[Any]:
    """Return the state of a check while another command works on the stack: its doing is no failure."""
    word = "another command holds the stack: what is down may be its doing, so nothing is booked, told or repaired"
    say_findings(stack, findings, word)
    return Completed(name="Busy", message=word)


def heal(stack: str, finding: Finding) -> tuple[str, str]:
    """Repair one component; returns the state's name if that succeeded, and the outcome in words."""
    try:
        evidence = repair_component(stack, finding)
    except (StackBusy, Superseded) as error:
        return "", error.cause
    except LabError as error:
        return "", f"the repair of {finding.component} failed: {error.cause}"
    say(f"{finding.component} is repaired: {evidence}")
    return "Repaired", f"{finding.component} was repaired"


def book(stack: str, findings: list[Finding], decision: Decision, word: str) -> None:
    """Record the check and send events for the changes at once, because a recorded change is never sent again."""
    paths = StackPaths.of(stack)
    changed, given_up = note_findings(paths.health, findings, decision.given_up, time.time())
    resource = resource_of(stack)
    if changed:
        payload: dict[str, Any] = {component: {"from": old, "to": new} for component, (old, new) in changed.items()}
        emit_event(CHANGED, {**resource, "trending.verdict": overall(findings).value}, payload=payload)
    for component in given_up:
        emit_event(GIVEN_UP, {**resource, "trending.component": component}, payload={"reason": word})


def resource_of(stack: str) -> dict[str, str]:
    """Return the resource that a stack's events refer to."""
    return {"prefect.resource.id": f"trending.stack.{StackPaths.of(stack).stack_id}", "prefect.resource.name": stack}


def main(settings: HealthCheckForm) -> None:
    """Run the flow from a terminal; a server that is started for a stack that is not up ends with the check."""
    up = still_wanted(StackPaths.of(settings.name))
    with_server(lambda: health_check(settings), leave=up, run_heartbeat=RUN_HEARTBEAT_SECONDS if settings.heal else None)


if __name__ == "__main__":
    run_command(HealthCheckForm, main, ".venv/bin/python -m flows.health_check")
