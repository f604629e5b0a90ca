"""Report and slides of a real run, either of the running stack or of one brought up for it."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.audit import with_producer_stopped
from flows.demo import own_page, own_stack, taken_down_in_the_end, watch_rankings
from flows.runs.history import runs_of
from flows.runs.named_commands import names_its_stack
from flows.runs.server import with_server
from flows.start_up import start_up
from infra.console.reporting import say
from infra.forms.showing import ReportForm
from infra.forms.terminal import run_command
from infra.game_day.kept_day import kept_day
from infra.host.paths import CHECKOUT, StackPaths
from infra.lab.assembly import open_lab
from infra.operations.services import check_own_start
from infra.stack.state import Wanted, read_state
from tasks.report import gather_facts, photograph_page, survey_log, write_report
from trending.errors import InvalidInput, NotReady
from trending.report.data import Report
from trending.report.defence.identity import FILE, read_identity
from trending.report.writing import DATA, MEMORIA, NOTES, PDF, PHOTO, RECORDING, REPORT, SLIDES, STORE, delete_files
from trending.text import for_make

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trending.audit.audit_report import AuditReport
    from trending.report.defence.identity import Identity

UNFINISHED = ".unfinished"
"""Lies in a report's directory while the report is written, so that no other one is written there."""


@flow(name="report", flow_run_name="report {settings.stack.name}")
@names_its_stack
def report(settings: ReportForm) -> str:
    """Return the directory with report, slides and recorded store; fails after writing them if the audit is not clean."""
    stack = settings.stack.name
    identity = who_defends(settings.report.defence)
    state = read_state(StackPaths.of(stack))
    if state is not None and state.wanted is not Wanted.UP:
        cause = f"the stack {stack} exists and does not run, so there is nothing to report on"
        raise NotReady(cause, f"it is wanted {state.wanted}", f"make start NAME={stack}, or make report NAME=another")
    with new_place(settings.report.out, stack) as place:
        if state is not None:
            say(f"the stack {stack} runs: this report is of it, and it goes on afterwards")
            audit = collect(stack, place, identity, own=False)
        else:
            audit = report_on_own_stack(settings, place, identity)
    create_markdown_artifact(to_markdown(place, audit), key="report", description="Report, slides and the recorded store")
    audit.require_clean()
    return str(place)


def who_defends(named: str) -> Identity | None:
    """Return what ``defence.toml`` says: the file that was named, or the checkout's if there is one."""
    return read_identity(Path(named).absolute() if named else CHECKOUT / FILE, required=bool(named))


def report_on_own_stack(settings: ReportForm, place: Path, identity: Identity | None) -> AuditReport:
    """Bring up a stack as the demo does, watch it, collect, take it down with its data."""
    with own_stack(settings.stack) as own, taken_down_in_the_end(own.name):
        page, seconds = own_page(settings.page), settings.demo.demo_seconds
        say(f"there is no stack {own.name}: this report brings one up, watches it for {seconds:g} s and takes it down")
        start_up(settings.start_up(own, page))
        watch_rankings(own.name, seconds)
        return collect(own.name, place, identity, own=True)


def collect(stack: str, place: Path, identity: Identity | None, *, own: bool) -> AuditReport:
    """Write the report of a running stack into ``place``. Its producer pauses, and is not started again on an ``own`` stack."""
    facts = gather_facts(stack)
    note = photograph_page(stack, str(place))
    measured, audit = with_producer_stopped(stack, partial(survey_log, place=str(place)), resume=not own)
    data = Report(
        made=round(time.time(), 3),
        own_stack=own,
        store=shown(place / STORE),
        slides=shown(place / PDF),
        page=open_lab(stack).settings.page.address,
        photo="" if note else PHOTO,
        photo_note=note,
        facts=facts,
        measured=measured,
        identity=identity,
        game_day=kept_day(StackPaths.of(stack)),
        runs=runs_of(stack),
    )
    write_report(data, str(place))
    for line in (
        *measured.audit.lines,
        f"report: {shown(place / REPORT)}",
        f"memoria: {shown(place / MEMORIA)}",
        f"slides: {shown(place / PDF)}",
        f"notes: {shown(place / NOTES)}",
    ):
        say(line)
    return audit


@contextmanager
def new_place(out: str, stack: str) -> Iterator[Path]:
    """Make the report's directory; one that exists must be empty. If anything fails, it is what it was."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    place = Path(out).absolute() if out else CHECKOUT / "reports" / f"{stack}-{stamp}"
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        cause = f"{place} is there and is no empty directory"
        raise InvalidInput(cause, "a report is never written over something else", "make report OUT=another")
    was_there = place.exists()
    place.mkdir(parents=True, exist_ok=True)
    unfinished = place / UNFINISHED
    try:
        unfinished.touch(exist_ok=False)
    except FileExistsError as error:
        cause = f"another report is being written to {place}"
        raise InvalidInput(cause, str(unfinished), "make report OUT=another") from error
    try:
        yield place
    except BaseException:
        with suppress(OSError):  # the cause of the failure goes first
            _empty(place)
            if not was_there:
                place.rmdir()
        raise
    unfinished.unlink()


def _empty(place: Path) -> None:
    """Delete what a report writes; what somebody else has put there meanwhile stays."""
    delete_files(place)
    for name in (PHOTO, RECORDING, UNFINISHED):
        (place / name).unlink(missing_ok=True)
    for part in place.glob(f"{STORE}*"):  # SQLite's journal too
        part.unlink()


def shown(path: Path) -> str:
    """Return a path relative to the checkout, as one would type it there."""
    return str(path.relative_to(CHECKOUT) if path.is_relative_to(CHECKOUT) else path)


def to_markdown(place: Path, audit: AuditReport) -> str:
    """Return the artifact: the files with their sizes, how to open them, the audit's headline."""
    files = [place / name for name in (REPORT, MEMORIA, SLIDES, PDF, NOTES, STORE, DATA)]
    rows = "\n".join(f"| [{path.name}]({path.as_uri()}) | {path.stat().st_size / 1024:.0f} |" for path in files)
    return (
        f"# Report\n\n`{place}`\n\n| file | KiB |\n|---|---:|\n{rows}\n\n```\n{audit.lines(None)[-1]}\n```\n\n"
        f"The recorded store without a broker: `make replay-demo STORE={for_make(shown(place / STORE))}`\n"
    )


def main(settings: ReportForm) -> None:
    """Run the flow from a terminal; a server started for a stack of the report's own is stopped with it."""
    running = read_state(StackPaths.of(settings.stack.name)) is not None
    who_defends(settings.report.defence)  # before anything is started
    if not running:
        check_own_start(settings)
    with_server(lambda: report(settings), leave=running)


if __name__ == "__main__":
    run_command(ReportForm, main, ".venv/bin/python -m flows.report")
