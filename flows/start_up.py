"""Bring the stack up in strict order: services, readiness, topic, producer, streaming job, page; undo on failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect import flow

from flows.runs.artifacts import last_lines, leave_logs
from flows.runs.server import with_server
from flows.runs.timeline import Timeline
from infra.command_line.command import run_command
from infra.command_line.forms import LastStep, StartUpForm
from infra.health.verdicts import forgive_repairs
from infra.host.paths import StackPaths
from infra.lab.assembly import open_lab, rest
from infra.operations.undo import PROGRAMS, found_before, undo
from infra.stack.start_up_summary import StartUpSummary
from infra.stack.state import read_state, stack_held
from tasks.page import launch_page, stop_page, wait_for_page
from tasks.producer import launch_producer, wait_for_producer
from tasks.services import prepare_stack, start_service, start_supervisor, wait_for_service
from tasks.stream import submit_stream, wait_for_stream
from tasks.topic import create_topic, resolve_offsets
from trending.errors import LabError

if TYPE_CHECKING:
    from typing import Any


@flow(name="start-up", flow_run_name="start-up {settings.stack.name}")
def start_up(settings: StartUpForm) -> StartUpSummary:
    """Start what is missing, adopt what is right; every step waits for the observed readiness of the one before."""
    stack = settings.stack.name
    timeline = Timeline(stack)
    with stack_held(StackPaths.of(stack)):
        settings = completed(settings)  # not before: whoever held the stack may have changed what it remembers
        before = found_before(stack)
        try:
            with timeline.step("preparation") as done:
                done(note=prepare_stack(settings, before.docker))
                rest(StackPaths.of(stack), set(PROGRAMS) - before.running - settings.programs)
            with timeline.step("supervisor") as done:
                done(start_supervisor(stack))
            for service in open_lab(stack).stack.services:
                with timeline.step(service.name) as done:
                    outcome = start_service(stack, service.name)
                    done(outcome, wait_for_service(stack, service.name)["running"])
            with timeline.step("topic") as done:
                done(create_topic(stack))
                offsets = resolve_offsets(stack)
            if settings.reaches(LastStep.PRODUCER):
                with timeline.step("producer") as done:
                    done(launch_producer(stack))
                    wait_for_producer(stack)
            if settings.reaches(LastStep.STREAM):
                with timeline.step("stream") as done:
                    done(submit_stream(stack, offsets))
                    wait_for_stream(stack)
            if settings.reaches(LastStep.PAGE) and settings.page.page_port:
                with timeline.step("page") as done:
                    done(launch_page(stack), wait_for_page(stack)["answers"])
            elif settings.reaches(LastStep.PAGE):
                stop_page(stack)
        except BaseException as error:
            logs = ""
            try:
                if isinstance(error, LabError):  # somebody waits for the end of an interrupted one
                    logs = last_lines(stack)  # before they go with the rest
            finally:
                undo(stack, before)
            leave_logs(stack, logs, "Last lines of everything when start-up failed")
            raise
    # Whoever asked for it anew forgives the repairs so far.
    forgive_repairs(StackPaths.of(stack).health)
    return timeline.finish(open_lab(stack))


def recorded_settings(name: str) -> dict[str, Any]:
    """Return what this stack was last asked for, so that a setting that is not given keeps its value."""
    state = read_state(StackPaths.of(name))
    return state.settings.model_dump(mode="json") if state else {}


def completed(settings: StartUpForm) -> StartUpForm:
    """Return the settings with what this stack was last asked for in the place of each that was not given."""
    recorded, given = recorded_settings(settings.stack.name), settings.model_dump(mode="json", exclude_unset=True)
    sections = {name: {**known, **given.pop(name, {})} for name, known in recorded.items()}
    return StartUpForm.model_validate({**sections, **given})


def main(settings: StartUpForm) -> None:
    """Run the flow from a terminal."""
    with_server(lambda: start_up(settings))


if __name__ == "__main__":
    run_command(StartUpForm, main, "python -m flows.start_up", recorded_settings)
