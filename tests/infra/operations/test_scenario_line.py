"""What the status says of a scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.stacks import make

from infra.commands import status
from infra.forms.stacks import NamedStack
from infra.lab.assembly import open_lab
from infra.operations.producer import producer_spec, scenario_line
from infra.producers.replaying import alone
from infra.supervision.programs import PRODUCER
from trending.settings import ProducerSettings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.usefixtures("world")
def test_seed_and_content_are_those_that_the_producer_was_started_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.yaml"
    text = "version: 1\nseed: 5\nrate: {base: 10}\nhashtags: {named: {'#a': 1}}\n"
    path.write_text(text, encoding="utf-8")
    make(producer=ProducerSettings(scenario=str(path)))
    lab = open_lab("lab")
    assert scenario_line(lab) == "", "nothing was started yet"
    monkeypatch.setattr("infra.operations.producer.known_topic_id", lambda _lab: "topic-1")
    lab.paths.specification(PRODUCER).parent.mkdir(parents=True, exist_ok=True)
    lab.paths.specification(PRODUCER).write_text(producer_spec(lab).model_dump_json(), encoding="utf-8")
    path.write_text(text.replace("5", "6"), encoding="utf-8")
    line = scenario_line(lab)
    assert line.startswith(f"scenario {path}: seed 5, content ")
    with pytest.raises(SystemExit):
        status.main(NamedStack(name="lab"))
    assert line in capsys.readouterr().out.splitlines()


@pytest.mark.usefixtures("world")
def test_without_a_scenario_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    make()
    lab = open_lab("lab")
    monkeypatch.setattr("infra.operations.producer.known_topic_id", lambda _lab: "topic-1")
    lab.paths.specification(PRODUCER).parent.mkdir(parents=True, exist_ok=True)
    lab.paths.specification(PRODUCER).write_text(producer_spec(lab).model_dump_json(), encoding="utf-8")
    assert scenario_line(lab) == ""


@pytest.mark.usefixtures("world")
def test_a_replay_at_work_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    lab = make()
    with alone(lab.paths), pytest.raises(SystemExit):
        status.main(NamedStack(name="lab"))
    line = "a replay into this stack is at work; Ctrl-C in its terminal ends it"
    assert line in capsys.readouterr().out.splitlines()
    with pytest.raises(SystemExit):
        status.main(NamedStack(name="lab"))
    assert line not in capsys.readouterr().out
