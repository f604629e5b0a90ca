"""Bring the stack up in strict order: services, readiness, topic, producer, streaming job, page; undo on failure."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from prefect import flow

from flows.runs.artifacts import last_lines, leave_output
from flows.runs.named_commands import names_its_stack
from flows.runs.secret_blocks import secret_block
from flows.runs.server import with_server
from flows.runs.stopwatch import Stopwatch
from infra.console.interruptions import begun_despite_signals, of_a_signal
from infra.console.reporting import say
from infra.forms.stacks import LastStep, StartUpForm
from infra.forms.terminal import run_command
from infra.health.verdicts import reset_repairs
from infra.host.paths import StackPaths
from infra.lab.assembly import open_lab, set_resting_programs
from infra.operations.services import check_start
from infra.operations.undo import found_before, point_past_undo, undo
from infra.stack.start_up_summary import StartUpSummary
from infra.stack.state import read_state, stack_held
from infra.supervision.programs import PROGRAMS, kind_of
from tasks.page import launch_page, stop_page, wait_for_page
from tasks.producer import launch_producer, wait_for_producer
from tasks.services import enter_cluster, prepare_stack, start_service, start_supervisor, wait_for_service
from tasks.stream import submit_stream, wait_for_stream
from tasks.topic import create_topic, resolve_offsets
from trending.errors import LabError

if TYPE_CHECKING:
    from typing import Any


@flow(name="start-up", flow_run_name="start-up {settings.stack.name}")
@names_its_stack
def start_up(settings: StartUpForm) -> StartUpSummary:
    """Start what is missing, adopt what is right; every step waits for the observed readiness of the one before."""
    stack = settings.stack.name
    stopwatch = Stopwatch(stack)
    with stack_held(StackPaths.of(stack)):
        settings = completed(settings)  # only under the lock: its previous holder may have changed the recorded settings
        before = found_before(stack, settings)
        try:
            with stopwatch.step("preparation") as done:
                done(note=prepare_stack(settings, before.docker, secret_block))
                set_resting_programs(StackPaths.of(stack), set(PROGRAMS) - {*map(kind_of, before.running)} - settings.programs)
            with stopwatch.step("supervisor") as done:
                done(start_supervisor(stack))
            _have_brokers(stack, stopwatch)
            with stopwatch.step("topic") as done:
                done(create_topic(stack))
                resolve_offsets(stack)
            if settings.reaches(LastStep.PRODUCER):
                with stopwatch.step("producer") as done:
                    done(launch_producer(stack))
                    wait_for_producer(stack)
            if settings.reaches(LastStep.STREAM):
                with stopwatch.step("stream") as done:
                    done(submit_stream(stack))
                    wait_for_stream(stack)
            if settings.reaches(LastStep.PAGE) and settings.page.page_port:
                with stopwatch.step("page") as done:
                    done(launch_page(stack), wait_for_page(stack)["answers"])
            elif settings.reaches(LastStep.PAGE):
                stop_page(stack)
        except BaseException as error:
            logs = ""
            try:
                if isinstance(error, LabError):  # not after an interruption: somebody is waiting for its end
                    logs = last_lines(stack)  # before the undo deletes them
            finally:
                begun_despite_signals(partial(undo, stack, before, error))
                point_past_undo(stack, error)
            leave_output(stack, logs, "Last lines of everything when start-up failed")
            raise
    # A person asked for the stack again: the budget of repairs starts anew.
    try:
        reset_repairs(StackPaths.of(stack).health)
        return stopwatch.finish(open_lab(stack))
    except BaseException as error:
        if of_a_signal(error):
            say(f"all steps were done: make status NAME={stack} shows what runs, make down NAME={stack} ends it")
        raise


def _have_brokers(stack: str, stopwatch: Stopwatch) -> None:
    """Start the stack's own services and wait for each, or get into the cluster that is there already."""
    declared = open_lab(stack).stack
    if declared.external:
        with stopwatch.step("cluster") as done:
            done(note=enter_cluster(stack, secret_block))
    for service in declared.services:
        with stopwatch.step(service.name) as done:
            outcome = start_service(stack, service.name)
            done(outcome, wait_for_service(stack, service.name)["running"])


def recorded_settings(name: str) -> dict[str, Any]:
    """Return the settings that this stack was last started with, so that an omitted setting keeps its value."""
    state = read_state(StackPaths.of(name))
    return state.settings.model_dump(mode="json") if state else {}


def completed(settings: StartUpForm) -> StartUpForm:
    """Return the settings, completed with those that this stack was last started with."""
    recorded, requested = recorded_settings(settings.stack.name), settings.model_dump(mode="json", exclude_unset=True)
    sections = {name: {**earlier, **requested.pop(name, {})} for name, earlier in recorded.items()}
    return StartUpForm.model_validate({**sections, **requested})


def main(settings: StartUpForm) -> None:
    """Run the flow from a terminal."""
    check_start(settings)  # before a server is started for nothing, which takes longer than all of this
    with_server(lambda: start_up(settings))


if __name__ == "__main__":
    run_command(StartUpForm, main, ".venv/bin/python -m flows.start_up", recorded_settings)
