"""What an audit leaves of a scenario's truth beside the ledger."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from fakes.trending.counting import epoch
from fakes.trending.sources.scenarios import scenario

from infra.operations.audit import _Audited
from trending.producer.sources.booked import Booked
from trending.settings import Rule

if TYPE_CHECKING:
    from pathlib import Path


def play(run: str, seed: int) -> Booked:
    made = scenario(seed=seed, limit={"tweets": 100})
    return Booked(run, "topic-1", "hash", made.model_dump_json(by_alias=True), 1, 5, 1_765_845_060_000)


def leave(path: Path, plays: dict[str, Booked], newest: str = "topic-1") -> None:
    here = epoch("c", ends={0: 100}, rule=Rule())
    audited: Any = SimpleNamespace(
        lab=SimpleNamespace(paths=SimpleNamespace(truth=path)),
        view=SimpleNamespace(epochs=[SimpleNamespace(topic_id=newest)]),
        identity="topic-1",
        epochs=[here],
    )
    evidence: Any = SimpleNamespace(plays=plays)
    _Audited._leave_truth(audited, evidence)


def test_it_is_that_of_the_last_scenario_on_the_stacks_own_topic(tmp_path: Path) -> None:
    path = tmp_path / "truth.json"
    leave(path, {})
    leave(path, {"a": play("a", 1)}, newest="topic-2")
    assert not path.exists()
    leave(path, {"a": play("a", 1), "b": play("b", 2)})
    found = json.loads(path.read_text())
    assert (found["run"], found["seed"], found["records"]) == ("b", 2, [0, 100])


def test_a_file_that_cannot_be_written_is_said_and_the_audit_goes_on(tmp_path: Path, said: list[str]) -> None:
    leave(tmp_path / "gone" / "truth.json", {"a": play("a", 1)})
    assert [line.partition(":")[0] for line in said] == ["the truth of the scenario is not written"]


@pytest.mark.parametrize("number", [0, 99])
def test_each_window_has_its_counts(tmp_path: Path, number: int) -> None:
    leave(tmp_path / "truth.json", {"a": play("a", number)})
    windows = json.loads((tmp_path / "truth.json").read_text())["windows"]
    assert sum(sum(each["tweets"].values()) for each in windows) == 100
