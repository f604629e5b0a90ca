"""The tutorial's job beside ours, with a small program in its place."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from fakes.stacks import make

from infra.evaluation import naive
from infra.evaluation.naive import run_naive, wait_for_scenario
from infra.supervision.programs import PRODUCER, require_program
from trending.errors import InvalidInput, NotReady, ServiceDied
from trending.programs.heartbeat import FINISHED
from trending.settings import Spelling, StreamSettings, WindowTime

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.world import World

START = 1_767_225_600
PROGRAM = """
import os, sqlite3
print("a warning of Spark's")
print("batch 0, window 00:00:00: #a 3", flush=True)
assert (os.environ["BATCH"], os.environ["ONCE"]) == ("50", "1")
with sqlite3.connect(os.environ["RESULTS_FILE"]) as database:
    database.execute("CREATE TABLE ranking (window, hashtag, count)")
    database.executemany("INSERT INTO ranking VALUES (?, ?, ?)", [(1767225600, "#a", 3), (1767225000, "#late", 9)])
"""

pytestmark = pytest.mark.usefixtures("world")


@pytest.fixture(autouse=True)
def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A topic of 120 messages, of which our job has counted two windows; returns the file of the job."""
    program = tmp_path / "job.py"
    program.write_text(PROGRAM, encoding="utf-8")
    ours = Counter({(START, "#a"): 3, (START, "#b"): 2, (round(time.time()), "#open"): 1})
    monkeypatch.setattr(naive, "PROGRAM", program)
    monkeypatch.setattr(naive, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(naive, "spark_variables", dict)
    monkeypatch.setattr(naive, "require_program", lambda *_program: None)
    monkeypatch.setattr(naive, "log_ends", lambda _connection, _topic: {0: (10, 130)})
    monkeypatch.setattr(naive, "wait_for_catch_up", lambda _stack: {})
    monkeypatch.setattr(naive, "our_counts", lambda _lab: ours)
    return program


def test_both_rankings_of_the_windows_that_are_over_are_told_and_what_is_lost(said: list[str]) -> None:
    make(stream=StreamSettings(window_time=WindowTime.EVENT, window_seconds=10, time_zone="UTC"))
    found = run_naive("lab", 50)
    assert said == [
        "the tutorial's job reads 120 messages, 50 a batch",
        "batch 0, window 00:00:00: #a 3",
        "window 1, from 2026-01-01 00:00:00",
        "  ours:  #a 3, #b 2",
        "  naive: #a 3",
        "  lost:  #b 2",
        "naive: tweets 5, counted 3, lost 2, duplicated 0",
    ]
    assert found.lost == {(START, "#b"): 2}


def test_without_our_stream_there_is_nothing_to_compare_with(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    monkeypatch.setattr(naive, "require_program", require_program)
    make()
    with pytest.raises(ServiceDied, match="the program stream is not there"):
        run_naive("lab", 50)
    assert said == []


def test_results_of_an_earlier_run_are_forgotten(said: list[str]) -> None:
    lab = make()
    lab.paths.naive_results.write_text("an old one", encoding="utf-8")
    run_naive("lab", 50)
    run_naive("lab", 50)
    assert said.count("batch 0, window 00:00:00: #a 3") == 2


def test_a_job_that_fails_is_told_with_its_last_lines(stage: Path) -> None:
    make()
    stage.write_text("print('one'); raise SystemExit('no broker')", encoding="utf-8")
    with pytest.raises(ServiceDied, match="ended with exit code 1") as caught:
        run_naive("lab", 50)
    assert caught.value.evidence == "one | no broker"


def test_a_job_that_never_ends_is_ended(stage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make()
    monkeypatch.setattr(naive, "JOB_SECONDS", 0.3)
    stage.write_text("import time; time.sleep(60)", encoding="utf-8")
    with pytest.raises(NotReady, match=r"is not done after 0 s"):
        run_naive("lab", 50)


def test_what_cannot_be_compared_is_refused_before_the_job_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    make(stream=StreamSettings(hashtag_spelling=Spelling.FOLDED))
    with pytest.raises(InvalidInput, match="folds the spellings"):
        run_naive("lab", 50)
    make()
    monkeypatch.setattr(naive, "MOST_BATCHES", 5)
    with pytest.raises(InvalidInput, match="120 messages in batches of 20 are too many") as caught:
        run_naive("lab", 20)
    assert caught.value.next_command == "make naive BATCH=24"
    monkeypatch.setattr(naive, "log_ends", lambda _connection, _topic: {0: (0, 0)})
    with pytest.raises(NotReady, match="there is nothing in tweets_topic yet"):
        run_naive("lab", 50)


def test_the_end_of_a_scenario_is_waited_for(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    from fakes.stacks import beat  # noqa: PLC0415

    lab = make()
    assert world.supervised
    beat(lab, PRODUCER, phase="working")
    monkeypatch.setattr(naive, "SCENARIO_SECONDS", 0.05)
    with pytest.raises(NotReady, match="the scenario is not over"):
        wait_for_scenario("lab")
    beat(lab, PRODUCER, phase=FINISHED)
    wait_for_scenario("lab")
