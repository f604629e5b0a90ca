from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from fakes.plain import lab_stack

from flows import start_up
from infra.commands import observe
from infra.forms.showing import ObserveForm
from infra.forms.stacks import StartUpForm
from trending.errors import StackAbsent
from trending.settings import PageSettings

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("world", "plain")


def test_it_prints_the_commands_that_watch_what_is_up(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start_up.start_up(StartUpForm(stack=lab_stack(), page=PageSettings(page_port=8765)))
    capsys.readouterr()
    observe.main(ObserveForm())
    said = capsys.readouterr().out
    assert "[ok] lab: http://127.0.0.1:8765/metrics\n" in said
    assert f"prometheus --config.file={home}/observability/prometheus.yml " in said
    assert f"LAB_OBSERVABILITY={home}/observability " in said
    targets = json.loads((home / "observability" / "targets.json").read_text())
    assert targets == [{"targets": ["127.0.0.1:8765"], "labels": {"stack": "lab"}}]


def test_with_nothing_up_it_says_so_and_what_to_do(home: Path) -> None:
    with pytest.raises(StackAbsent, match="no stack with a live page is wanted up") as caught:
        observe.main(ObserveForm())
    assert caught.value.next_command == "make up, then make observe"
    assert json.loads((home / "observability" / "targets.json").read_text()) == [], "Prometheus is to forget what is gone"
