"""The tutorial's own job beside ours, on the stack that runs or on one that is brought up for it."""

from __future__ import annotations

from flows.demo import own_stack, taken_down_in_the_end
from flows.runs.server import with_server
from flows.start_up import start_up
from infra.console.reporting import say
from infra.evaluation.naive import run_naive, wait_for_scenario
from infra.forms.proving import NaiveForm
from infra.forms.stacks import StartUpForm
from infra.forms.terminal import run_command
from infra.host.paths import StackPaths
from infra.stack.state import Wanted, read_state
from trending.errors import NotReady
from trending.settings import PageSettings, ProducerSettings, StackSettings, StreamSettings, WindowTime

SCENARIO = "lessons"
WINDOW_SECONDS = 10
TRIGGER_SECONDS = 2.0


def main(settings: NaiveForm) -> None:
    """Compare on the stack of that name; raises NotReady where it exists and does not run."""
    state = read_state(StackPaths.of(settings.name))
    if state is None:
        with_server(lambda: on_own_stack(settings), leave=False)
        return
    if state.wanted is not Wanted.UP:
        cause = f"the stack {settings.name} exists and does not run, so there is nothing to read"
        raise NotReady(cause, f"it is wanted {state.wanted}", f"make start NAME={settings.name}")
    run_naive(settings.name, settings.batch)


def on_own_stack(settings: NaiveForm) -> None:
    """Bring up a stack that plays the lessons' scenario, compare, take it down with its data."""
    with own_stack(StackSettings(name=settings.name)) as own, taken_down_in_the_end(own.name):
        say(f"there is no stack {settings.name}: {own.name} is brought up, plays the scenario {SCENARIO} and is taken down")
        stream = StreamSettings(window_time=WindowTime.EVENT, window_seconds=WINDOW_SECONDS, trigger_seconds=TRIGGER_SECONDS)
        start_up(
            StartUpForm(stack=own, producer=ProducerSettings(scenario=SCENARIO), stream=stream, page=PageSettings(page_port=0))
        )
        wait_for_scenario(own.name)
        run_naive(own.name, settings.batch)


if __name__ == "__main__":
    run_command(NaiveForm, main, ".venv/bin/python -m flows.commands.naive")
