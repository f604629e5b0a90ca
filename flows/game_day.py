"""Break a running stack on purpose, one fault after the other, and prove after each that nothing was lost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from prefect import flow
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from pydantic import BaseModel

from flows.audit import recount
from flows.runs.artifacts import as_evidence
from flows.runs.named_commands import names_its_stack
from flows.runs.server import with_server
from infra.console.reporting import say
from infra.forms.proving import GameDayForm
from infra.forms.terminal import run_command
from infra.game_day.aims import aims_of, require_struck
from infra.game_day.faults import faults_of
from infra.game_day.kept_day import keep_day
from infra.game_day.trials import Trial
from infra.health.repair import require_wanted
from infra.health.verdicts import Verdict
from infra.host.paths import StackPaths
from infra.lab.assembly import open_lab
from tasks.game_day import inject_fault
from tasks.health import examine_components
from trending.errors import AuditFailed, InvalidInput, LabError, NotSurvived, Unhealthy
from trending.report.defence.evidence import Fault, GameDay

if TYPE_CHECKING:
    from uuid import UUID

    from infra.game_day.aims import Aim
    from infra.game_day.fault_names import FaultName


class Survival(BaseModel):
    """A fault's trial and what the audit after it says."""

    trial: Trial
    acknowledged: int
    lost: int
    duplicated: int
    clean: bool


@flow(name="game-day", flow_run_name="game-day {settings.name}")
@names_its_stack
def game_day(settings: GameDayForm) -> list[Survival]:
    """Try every chosen fault; fails if the stack does not recover from one, or one loses or duplicates a single message."""
    stack = settings.name
    chosen = choose(stack, settings.faults, settings.struck_producer)
    require_well(stack)
    progress = cast("UUID", create_progress_artifact(0.0, key=f"game-day-progress-{stack}", description=f"{len(chosen)} faults"))
    survivals: list[Survival] = []
    broken = ""
    try:
        for number, aim in enumerate(chosen, 1):
            say(f"fault {number} of {len(chosen)}: {aim}")
            trial = inject_fault(stack, aim, settings.hold_seconds, settings.limit_seconds)
            report = recount(stack, resume=True)
            survivals.append(
                Survival(
                    trial=trial,
                    acknowledged=report.acknowledged,
                    lost=report.lost,
                    duplicated=report.duplicated,
                    clean=report.clean,
                )
            )
            update_progress_artifact(progress, 100.0 * number / len(chosen))
    except BaseException as error:
        broken = failed_row(chosen[len(survivals)], error) if len(survivals) < len(chosen) else ""
        raise
    finally:
        keep(stack, survivals, len(chosen), broken)
        leave_report(stack, to_markdown(stack, survivals, len(chosen), broken), f"{survived(survivals)} of {len(chosen)}")
    costly = [each for each in survivals if not each.clean]
    if costly:
        cause = f"{costly[0].trial.aim} cost {costly[0].lost} messages and doubled {costly[0].duplicated}"
        raise NotSurvived(cause, f"{len(costly)} of {len(survivals)} faults", f"make audit NAME={stack}")
    return survivals


def choose(stack: str, wanted: list[FaultName], struck: int) -> list[Aim]:
    """Return the faults to try; raises StackAbsent or Superseded unless the stack is up, InvalidInput for a fault it lacks.

    ``struck`` is the number of the producer that those of producers are aimed at.
    """
    lab = open_lab(stack)
    require_wanted(StackPaths.of(stack))
    require_struck(lab.settings.producer.producers, struck)
    faults = faults_of(lab)
    possible = list(dict.fromkeys(fault.name for fault in faults))
    impossible = [fault for fault in wanted if fault not in possible]
    if impossible:
        cause = f"this stack has no fault {', '.join(impossible)}"
        raise InvalidInput(cause, f"it has {', '.join(possible)}", "make game-day")
    return [aim for name in wanted or possible for aim in aims_of(faults, name, struck)]


def require_well(stack: str) -> None:
    """Raise Unhealthy unless everything is well before the first fault."""
    down = [each for each in examine_components(stack) if each.verdict not in {Verdict.HEALTHY, Verdict.WARNING}]
    if down:
        cause = f"{down[0].component} of {stack} is not well already"
        raise Unhealthy(cause, down[0].evidence, f"make health NAME={stack} HEAL=1")


def survived(survivals: list[Survival]) -> int:
    """Return how many faults were survived: the stack recovered and its count is right."""
    return sum(each.clean for each in survivals)


def failed_row(aim: Aim, error: BaseException) -> str:
    """Return the row of the fault at which the day ended."""
    cause = error.cause if isinstance(error, LabError) else f"{type(error).__name__} {error}"
    outcome = "not survived" if isinstance(error, NotSurvived | AuditFailed) else "not finished"
    return f"| {aim} | | | | {outcome}: {' '.join(cause.split()).replace('|', '/')} | | | |\n"


def keep(stack: str, survivals: list[Survival], chosen: int, failed: str) -> None:
    """Keep the day with the stack, for its report; the day's own outcome goes first."""
    faults = tuple(
        Fault(
            name=str(each.trial.aim),
            noticed=round(each.trial.noticed, 3),
            recovered=round(each.trial.recovered, 3),
            back_by=each.trial.back_by,
            acknowledged=each.acknowledged,
            lost=each.lost,
            duplicated=each.duplicated,
        )
        for each in survivals
    )
    broken = " ".join(failed.replace("|", " ").split())
    day = GameDay(at=round(time.time(), 3), chosen=chosen, survived=survived(survivals), faults=faults, broken=broken)
    with as_evidence("the game day"):
        keep_day(StackPaths.of(stack), day)


def to_markdown(stack: str, survivals: list[Survival], chosen: int, failed: str = "") -> str:
    """Return the report as a Markdown table, with the ``failed`` row last; times are seconds from the injection."""
    rows = "".join(
        f"| {each.trial.aim} | {each.trial.row} | {each.trial.noticed:.1f} | {each.trial.recovered:.1f} | {each.trial.back_by} "
        f"| {each.acknowledged} | {each.lost} | {each.duplicated} |\n"
        for each in survivals
    )
    return (
        f"# Game day of {stack}: {survived(survivals)} of {chosen} faults survived\n\n"
        "| fault | no. | noticed, s | well again, s | back by | acknowledged so far | lost | duplicated |\n"
        f"|---|---:|---:|---:|---|---:|---:|---:|\n{rows}{failed}"
    )


def leave_report(stack: str, markdown: str, count: str) -> None:
    """Print the report and leave it in Prefect's UI. Called in a ``finally``, so a missing server must not hide the outcome."""
    for line in markdown.splitlines():
        say(line)
    try:
        create_markdown_artifact(markdown, key=f"game-day-{stack}", description=f"{count} faults survived")
    except Exception as error:  # noqa: BLE001 - whatever Prefect's client raises, the report was said
        say(f"the report could not be left in Prefect's UI: {type(error).__name__} {error}")


def main(settings: GameDayForm) -> None:
    """Run the flow from a terminal; raises StackAbsent before a server is started for it."""
    open_lab(settings.name)
    with_server(lambda: game_day(settings))


if __name__ == "__main__":
    run_command(GameDayForm, main, ".venv/bin/python -m flows.game_day")
