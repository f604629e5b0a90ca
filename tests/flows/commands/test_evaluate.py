"""The commands that bring up a stack for a job: what they check before, and what is left behind, which is nothing."""

from __future__ import annotations

import sys
from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from fakes.plain import lab_stack
from fakes.stacks import make

from flows.commands import evaluate, naive
from infra.evaluation.comparison import compare
from infra.evaluation.trial import Evaluation
from infra.forms.proving import EvaluateForm, NaiveForm
from infra.forms.terminal import parse
from infra.host.paths import StackPaths
from infra.lab.assembly import open_lab, want
from infra.stack.state import Wanted, read_state
from trending.errors import AuditFailed, InvalidInput, LabError, NotReady
from trending.settings import WindowTime

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.world import World

pytestmark = pytest.mark.usefixtures("plain")
TRUTH = {(1_767_225_600, "#a"): 2}


@pytest.fixture(autouse=True)
def stage(monkeypatch: pytest.MonkeyPatch, world: World) -> list[Any]:
    """Run flows as plain functions on the machine of pretend; returns what was evaluated, and with what."""
    evaluated: list[Any] = []

    def pretend(lab: Any, job: Any, _results: Any, records: Any, faults: list[str], _patience: Any) -> Evaluation:
        job.require_alive()
        evaluated.append((lab.paths.name, sorted(world.programs), records.count, faults))
        return Evaluation(compare(TRUTH, Counter({(1_767_225_600, "#a"): 2 - len(faults)})), 1_767_225_600, 10, 0.5, [0.25])

    for module in (evaluate, naive):
        monkeypatch.setattr(module, "with_server", lambda run, **_named: run())
        for name in ("start_up",):
            monkeypatch.setattr(module, name, getattr(module, name).fn)
    monkeypatch.setattr(evaluate, "evaluate", pretend)
    monkeypatch.setattr(evaluate, "job_variables", lambda _lab: {})
    return evaluated


def form(place: Path, **more: str) -> EvaluateForm:
    stack = lab_stack()
    code = "import time; time.sleep(60)"
    given = {
        "name": "lab",
        "port": str(stack.port),
        "runtime": "embedded",
        "job": f"{sys.executable} -c '{code}'",
        "results": f"sqlite:{place}/mine.sqlite?table=ranking",
        **more,
    }
    arguments = [f"--{name}" if value == "true" else f"--{name}={value}" for name, value in given.items()]
    return parse(EvaluateForm, arguments, "evaluate", evaluate.defaults)


def test_the_job_runs_on_a_stack_without_our_stream_which_is_gone_afterwards(
    stage: list[Any], world: World, said: list[str], tmp_path: Path
) -> None:
    evaluate.main(form(tmp_path))
    ((name, programs, count, faults),) = stage
    assert (name, programs, faults) == ("lab", ["producer"], [])
    assert count > 2000
    assert said[-1] == "evaluation: tweets 2, counted 2, lost 0, duplicated 0"
    assert read_state(StackPaths.of("lab")) is None
    assert world.programs == {}


def test_a_topic_for_results_is_made_before_the_job_starts(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def opened(_place: object, _connection: object) -> Any:
        made.extend(world.topics)
        return SimpleNamespace(close=lambda: None)

    monkeypatch.setattr(evaluate, "open_results", opened)
    evaluate.main(form(tmp_path, results="topic:my-results"))
    assert "my-results" in made
    with pytest.raises(InvalidInput, match="a topic of the lab's own"):
        evaluate.main(form(tmp_path, results="topic:tweets_topic.dlq"))


def test_a_job_that_is_not_exact_fails_after_all_was_told(said: list[str], tmp_path: Path) -> None:
    with pytest.raises(AuditFailed, match="has lost 1 tweets"):
        evaluate.main(form(tmp_path, faults="broker-killed"))
    assert "evaluation: tweets 2, counted 1, lost 1, duplicated 0" in said
    assert read_state(StackPaths.of("lab")) is None


def test_an_evaluation_has_settings_of_its_own_which_one_that_is_given_does_not_undo(tmp_path: Path) -> None:
    filled = form(tmp_path, window_seconds="20", seed="7")
    assert (filled.stream.window_time, filled.stream.window_seconds) == (WindowTime.EVENT, 20)
    assert (filled.producer.scenario, filled.producer.seed) == ("evaluation", 7)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"job": ""}, "JOB is missing"),
        ({"results": "x"}, "RESULTS is neither"),
        ({"faults": "jvm-killed"}, "no fault jvm-killed"),
        ({"scenario": "late-data"}, "has no limit"),
        ({"secure": "true"}, "ask for no password"),
        ({"results": "sqlite:/none/here/x?table=r"}, "there is no directory"),
    ],
)
def test_what_can_be_seen_before_is_refused_before_anything_starts(
    more: dict[str, str], words: str, world: World, tmp_path: Path
) -> None:
    with pytest.raises(LabError, match=words):
        evaluate.main(form(tmp_path, **more))
    assert world.changes == []


def test_naive_compares_on_the_stack_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[str, int]] = []
    monkeypatch.setattr(naive, "run_naive", lambda stack, batch: ran.append((stack, batch)))
    make()
    naive.main(NaiveForm(name="lab", batch=50))
    assert ran == [("lab", 50)]
    want(open_lab("lab"), Wanted.STOPPED)
    with pytest.raises(NotReady, match="exists and does not run"):
        naive.main(NaiveForm(name="lab"))


def test_without_a_stack_naive_brings_one_up_and_takes_it_down(
    monkeypatch: pytest.MonkeyPatch, said: list[str], world: World
) -> None:
    ran: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(naive, "run_naive", lambda stack, _batch: ran.append((stack, sorted(world.programs))))
    monkeypatch.setattr(naive, "wait_for_scenario", lambda stack: ran.append((stack, ["waited"])))
    naive.main(NaiveForm(name="lab"))
    assert ran == [("lab", ["waited"]), ("lab", ["producer", "stream"])]
    assert said[0].startswith("there is no stack lab: lab is brought up, plays the scenario lessons")
    assert read_state(StackPaths.of("lab")) is None


def test_the_options_are_those_of_the_form() -> None:
    with pytest.raises(InvalidInput):
        parse(NaiveForm, ["--batch=-1"], "naive")
