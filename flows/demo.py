"""The whole story in one run: start, watch the rankings, audit, tear down, leave nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator  # noqa: TC003 - the context manager's annotation is evaluated
from contextlib import ExitStack, contextmanager
from functools import partial

from prefect import flow

from flows.audit import audit, say_figures
from flows.runs.named_commands import names_its_stack
from flows.runs.server import with_server
from flows.start_up import start_up
from flows.tear_down import tear_down
from infra.console.interruptions import begun_despite_signals
from infra.console.reporting import say
from infra.forms.proving import AuditForm
from infra.forms.showing import DemoForm
from infra.forms.stacks import TearDownForm
from infra.forms.terminal import run_command
from infra.host.paths import StackPaths
from infra.host.processes import free_port, port_owner, usual_or_free
from infra.lab.remains import remains_of
from infra.operations.services import check_own_start
from infra.operations.undo import take_down_own
from infra.stack.claim import claimed
from infra.stack.profiles import CONTROLLER_SHIFT
from infra.stack.state import read_state, stack_held
from infra.supervision.programs import STREAM
from trending.audit.audit_report import AuditReport
from trending.errors import ConfigurationConflict, NotOurs, StackBusy
from trending.settings import PageSettings, StackSettings

POLL_SECONDS = 0.25
HELD_SECONDS = 0.5
"""How long a name's lock is waited for. Who holds it longer is making, or taking down, a stack of that name."""


@flow(name="demo", flow_run_name="demo {settings.stack.name}")
@names_its_stack
def demo(settings: DemoForm) -> AuditReport:
    """Bring up a stack of our own, show its rankings for a while, prove the count, take it down with its data."""
    with own_stack(settings.stack) as stack, taken_down_in_the_end(stack.name):
        page = own_page(settings.page)
        if stack != settings.stack or page != settings.page:
            say(f"the usual name or port is in use: this demo is {stack.name} on port {stack.port}, its page on {page.page_port}")
        start_up(settings.start_up(stack, page))
        watch_rankings(stack.name, settings.demo.demo_seconds)
        report = audit(AuditForm(name=stack.name, at_rest=True, resume=False))
    say_figures(report, settings.stream.zone)
    return report


@contextmanager
def taken_down_in_the_end(stack: str) -> Iterator[None]:
    """Take the block's own stack down with its data, after an error too."""
    try:
        yield
        tear_down(TearDownForm(name=stack, volumes=True, confirm=stack))
    except BaseException:
        begun_despite_signals(partial(take_down_own, stack))  # no flow: a second signal would end that before it has begun
        raise


def watch_rankings(stack: str, seconds: float) -> None:
    """Report the blocks that the job has printed, then each new one."""
    path = StackPaths.of(stack).output_file(STREAM)
    deadline = time.monotonic() + seconds
    with path.open(encoding="utf-8") as output:
        while time.monotonic() < deadline:
            for line in output:
                say(line.rstrip("\n"))
            time.sleep(POLL_SECONDS)


@contextmanager
def own_stack(settings: StackSettings) -> Iterator[StackSettings]:
    """Yield the contract's name and ports if they are free, otherwise ones of the demo's own; within, the name is claimed.

    A demo never uses an existing stack, nor one that another command makes meanwhile, because it deletes its stack at the end.
    """
    name = settings.name
    number = 1
    with ExitStack() as claims:
        while not claims.enter_context(claimed(StackPaths.of(name))) or exists(name):
            claims.close()
            number += 1
            name = f"{settings.name}-demo-{number}"
        port = settings.port
        if port == StackSettings().port and any(port_owner(each) is not None for each in (port, port + CONTROLLER_SHIFT)):
            port = free_port(port + 100, 100)
        yield settings.model_copy(update={"name": name, "port": port})


def exists(stack: str) -> bool:
    """Whether anything of a stack exists: a state file, readable or not, its mark, or a command that works on it."""
    paths = StackPaths.of(stack)
    try:
        with stack_held(paths, timeout=HELD_SECONDS):
            return read_state(paths) is not None or bool(remains_of(paths))
    except (ConfigurationConflict, NotOurs, StackBusy):
        return True


def own_page(settings: PageSettings) -> PageSettings:
    """Return the usual port for the page if it is free, otherwise a free one; a port that the user chose is kept."""
    return PageSettings(page_port=usual_or_free(settings.page_port, PageSettings().page_port))


def main(settings: DemoForm) -> None:
    """Run the flow from a terminal and stop the server if this run started it."""
    check_own_start(settings)
    with_server(lambda: demo(settings), leave=False)


if __name__ == "__main__":
    run_command(DemoForm, main, ".venv/bin/python -m flows.demo")
