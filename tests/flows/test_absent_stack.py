from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flows import audit, game_day, smoke_test
from infra.forms.parameters import AuditForm, GameDayForm, SmokeTestForm
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
