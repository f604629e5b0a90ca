"""Commands on a stack that nobody made: one error, or a state, and no server that is left for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.plain import lab_stack

from flows import audit, game_day, health_check, smoke_test, start_up
from infra.forms.proving import AuditForm, GameDayForm, HealthCheckForm, SmokeTestForm
from infra.forms.stacks import StartUpForm
from trending.errors import StackAbsent

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from pydantic import BaseModel

COMMANDS = [(audit, AuditForm(name="lab")), (game_day, GameDayForm(name="lab")), (smoke_test, SmokeTestForm(name="lab"))]


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize(("module", "form"), COMMANDS)
def test_for_a_stack_that_nobody_made_no_server_is_started(
    module: ModuleType, form: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Callable[[], object]] = []
    monkeypatch.setattr(module, "with_server", started.append)
    with pytest.raises(StackAbsent):
        module.main(form)
    assert started == []


@pytest.mark.usefixtures("plain", "world")
@pytest.mark.parametrize("up", [True, False])
def test_a_server_that_is_started_for_a_check_stays_only_for_a_stack_that_is_up(
    up: bool,  # noqa: FBT001 - pytest's parameter
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if up:
        start_up.start_up(StartUpForm(stack=lab_stack()))
    left: list[bool] = []
    monkeypatch.setattr(health_check, "with_server", lambda _run, *, leave, run_heartbeat: left.append(leave))  # noqa: ARG005
    health_check.main(HealthCheckForm(name="lab"))
    assert left == [up]
