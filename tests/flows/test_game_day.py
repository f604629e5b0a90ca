"""The game day as a plain function on a machine of pretend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fakes.plain import lab_stack
from fakes.stacks import make_whole
from pydantic import ValidationError

from flows import game_day
from infra.forms.proving import GameDayForm
from infra.game_day.aims import Aim
from infra.game_day.fault_names import FaultName
from infra.game_day.kept_day import kept_day
from infra.game_day.trials import Trial
from infra.health import examination
from infra.host.paths import StackPaths
from infra.lab.assembly import want
from infra.lab.deletion import require_deletable
from infra.stack.state import Wanted
from trending.errors import AuditFailed, InvalidInput, NotSurvived, StackAbsent, Superseded, Unhealthy
from trending.report.defence.evidence import Fault
from trending.settings import ProducerSettings

if TYPE_CHECKING:
    from fakes.world import World

THREE = ProducerSettings(scenario="classroom", producers=3)
pytestmark = pytest.mark.usefixtures("plain")


@pytest.fixture(autouse=True)
def pretended(monkeypatch: pytest.MonkeyPatch, world: World) -> list[str]:
    """Let every fault be survived; returns those that were injected."""
    injected: list[str] = []

    def inject(_stack: str, aim: Aim, hold: float, limit: float) -> Trial:
        assert hold < limit
        injected.append(str(aim))
        fault = FaultName(aim.fault)
        return Trial(fault=fault, component=aim.component, row=11, noticed=0.5, recovered=3.25, back_by="supervisord")

    monkeypatch.setattr(game_day, "inject_fault", inject)
    monkeypatch.setattr(examination, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("infra.game_day.faults.breaking.program_process", lambda *_program: None)
    return injected


class Report:
    acknowledged, lost, duplicated, clean = 40, 0, 0, True


class Costly(Report):
    duplicated, clean = 2, False


def day(monkeypatch: pytest.MonkeyPatch, report: type[Report] = Report, **settings: Any) -> Any:
    monkeypatch.setattr(game_day, "recount", lambda _stack, resume: report() if resume else None)
    return game_day.game_day(GameDayForm(name="lab", **settings))


@pytest.mark.row(11)
def test_all_faults_are_tried_and_the_report_has_a_row_for_each(
    monkeypatch: pytest.MonkeyPatch, pretended: list[str], artifacts: dict[str, str], said: list[str]
) -> None:
    make_whole()
    survivals = day(monkeypatch)
    assert len(survivals) == len(pretended) == 9
    assert "9 of 9 faults survived" in artifacts["game-day-lab"]
    assert "| jvm-killed | 11 | 0.5 | 3.2 | supervisord | 40 | 0 | 0 |" in said
    assert artifacts["progress"] == "100.0"


def test_chosen_faults_come_in_their_order(monkeypatch: pytest.MonkeyPatch, pretended: list[str]) -> None:
    make_whole()
    day(monkeypatch, faults="jvm-killed,broker-killed")
    assert pretended == [FaultName.JVM_KILLED, FaultName.BROKER_KILLED]


@pytest.mark.row(19)
@pytest.mark.parametrize(
    ("wanted", "struck", "expected"),
    [
        ("producer-killed", 0, ["producer-killed of producer", "producer-killed of producer-3"]),
        ("producer-frozen,jvm-killed", 2, ["producer-frozen of producer-2", "jvm-killed"]),
        ("producer-killed", 1, ["producer-killed of producer"]),
    ],
)
def test_of_several_producers_the_first_and_the_last_are_struck_or_the_one_that_is_named(
    wanted: str,
    struck: int,
    expected: list[str],
    monkeypatch: pytest.MonkeyPatch,
    pretended: list[str],
    said: list[str],
) -> None:
    make_whole(stack=lab_stack(partitions=3), producer=THREE)
    day(monkeypatch, faults=wanted, struck_producer=struck)
    assert pretended == expected
    assert next(line for line in said if line.startswith("fault ")) == f"fault 1 of {len(expected)}: {expected[0]}"
    assert f"| {expected[0]} | 11 | 0.5 | 3.2 | supervisord | 40 | 0 | 0 |" in said
    kept = kept_day(StackPaths.of("lab"))
    assert kept is not None
    assert [each.name for each in kept.faults] == expected


def test_all_faults_of_several_producers_are_two_more_and_no_other_producer_is_struck(
    monkeypatch: pytest.MonkeyPatch, pretended: list[str]
) -> None:
    make_whole(stack=lab_stack(partitions=3), producer=THREE)
    day(monkeypatch)
    assert len(pretended) == 11
    with pytest.raises(InvalidInput, match="there is no producer 4 to be struck") as told:
        day(monkeypatch, struck_producer=4)
    assert told.value.evidence == "the stack has 3"


def test_a_costly_fault_fails_the_day_and_the_report_stays(monkeypatch: pytest.MonkeyPatch, artifacts: dict[str, str]) -> None:
    make_whole()
    with pytest.raises(NotSurvived, match="broker-killed cost 0 messages and doubled 2"):
        day(monkeypatch, Costly, faults=["broker-killed"])
    assert "| 40 | 0 | 2 |" in artifacts["game-day-lab"]
    assert "0 of 1 faults survived" in artifacts["game-day-lab"]


def test_a_fault_that_is_not_survived_leaves_the_report_of_those_before(
    monkeypatch: pytest.MonkeyPatch, artifacts: dict[str, str]
) -> None:
    make_whole()
    survive = game_day.inject_fault

    def inject(stack: str, aim: Aim, hold: float, limit: float) -> Trial:
        if aim.fault == FaultName.JVM_KILLED:
            raise NotSurvived("jvm-killed: not everything was well again within 180 s")
        return survive(stack, aim, hold, limit)

    monkeypatch.setattr(game_day, "inject_fault", inject)
    with pytest.raises(NotSurvived, match="jvm-killed"):
        day(monkeypatch, faults=["broker-killed", "jvm-killed"])
    assert "1 of 2 faults survived" in artifacts["game-day-lab"]
    row = "| jvm-killed | | | | not survived: jvm-killed: not everything was well again within 180 s | | | |"
    assert artifacts["game-day-lab"].splitlines()[-1] == row


@pytest.mark.parametrize(
    ("error", "row"),
    [
        (Superseded("the stack lab is being\ntaken down"), "not finished: the stack lab is being taken down"),
        (AuditFailed("the log | could not be read"), "not survived: the log / could not be read"),
        (ConnectionError("gone"), "not finished: ConnectionError gone"),
    ],
)
def test_the_row_of_the_fault_at_which_the_day_ended_tells_why(error: Exception, row: str) -> None:
    assert game_day.failed_row(Aim(FaultName.JVM_KILLED), error) == f"| jvm-killed | | | | {row} | | | |\n"


def test_a_report_that_cannot_be_left_is_said_and_the_outcome_stays(
    monkeypatch: pytest.MonkeyPatch, artifacts: dict[str, str], said: list[str]
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise ConnectionError("server gone")

    make_whole()
    monkeypatch.setattr(game_day, "create_markdown_artifact", gone)
    with pytest.raises(NotSurvived, match="doubled 2"):
        day(monkeypatch, Costly, faults=["broker-killed"])
    assert said[-1] == "the report could not be left in Prefect's UI: ConnectionError server gone"
    assert "# Game day of lab: 0 of 1 faults survived" in said
    assert len(day(monkeypatch, faults=["broker-killed"])) == 1


def test_only_a_stack_of_ours_that_is_up_and_well_is_broken(
    monkeypatch: pytest.MonkeyPatch, world: World, pretended: list[str]
) -> None:
    with pytest.raises(StackAbsent):
        day(monkeypatch)
    lab = make_whole()
    with pytest.raises(InvalidInput, match="this stack has no fault broker-killed-by-hand"):
        day(monkeypatch, faults=["broker-killed-by-hand"])
    world.programs.pop("stream")
    with pytest.raises(Unhealthy, match="stream of lab is not well already"):
        day(monkeypatch)
    want(lab, Wanted.DOWN)
    with pytest.raises(Superseded):
        day(monkeypatch)
    assert pretended == []


def test_an_unknown_fault_is_refused_by_the_form() -> None:
    with pytest.raises(ValidationError):
        GameDayForm(name="lab", faults="earthquake")  # type: ignore[arg-type]
    assert GameDayForm(name="lab", faults="").faults == []  # type: ignore[arg-type]
    assert lab_stack().name == "lab"


def test_the_day_is_kept_with_the_stack_also_one_that_ended_early(monkeypatch: pytest.MonkeyPatch) -> None:
    make_whole()
    paths = StackPaths.of("lab")
    assert kept_day(paths) is None
    day(monkeypatch, faults=["producer-killed"])
    require_deletable(paths)
    kept = kept_day(paths)
    assert kept is not None
    assert (kept.chosen, kept.survived, kept.broken) == (1, 1, "")
    assert kept.faults == (
        Fault(
            name="producer-killed",
            noticed=0.5,
            recovered=3.25,
            back_by="supervisord",
            acknowledged=40,
            lost=0,
            duplicated=0,
        ),
    )

    def fail(*_fault: object) -> Trial:
        raise NotSurvived("nobody noticed it")

    monkeypatch.setattr(game_day, "inject_fault", fail)
    with pytest.raises(NotSurvived):
        day(monkeypatch, faults=["producer-killed"])
    kept = kept_day(paths)
    assert kept is not None
    assert kept.faults == ()
    assert kept.broken == "producer-killed not survived: nobody noticed it"
    paths.game_day.write_text("{", encoding="utf-8")
    assert kept_day(paths) is None
