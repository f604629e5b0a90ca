"""Who is well, who is dead, and who brings it back."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from fakes.trending.page import served, visitor

from trending.page.board import Board
from trending.page.wording.english import ENGLISH

if TYPE_CHECKING:
    from fakes.trending.page import PageHome


def pipeline(home: PageHome, now: float, **changes: Any) -> dict[str, Any]:
    board = Board(home.spec(**changes))
    found: dict[str, Any] = board.look(now)["pipeline"]
    board.close()
    return found


def gone_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait(10)
    return process.pid


def test_a_program_whose_process_is_gone_is_dead_before_its_beat_is_old(home: PageHome) -> None:
    now = time.time()
    home.beat("producer", at=now - 2, pid=gone_pid())
    home.beat("stream", at=now - 2, pid=os.getpid())
    found = pipeline(home, now)
    assert (found["producer"]["health"], found["producer"]["back"]) == ("dead", "back_dead")
    assert (found["spark"]["health"], found["spark"]["back"]) == ("well", "")


def test_of_several_producers_those_that_need_somebody_are_named(home: PageHome) -> None:
    now = time.time()
    several = {"more_producers": tuple(home.root / f"producer-{number}.heartbeat.json" for number in (2, 3))}
    for name in ("producer", "producer-2.heartbeat", "producer-3.heartbeat"):
        home.beat(name, pid=os.getpid())
    found = pipeline(home, now, **several)["producer"]
    assert (found["health"], found["back"], found["who"]) == ("well", "", "")
    home.beat("producer-2.heartbeat", at=now - 2, pid=gone_pid())
    found = pipeline(home, now, **several)["producer"]
    assert (found["health"], found["back"], found["who"]) == ("dead", "back_dead", "producer-2")
    home.beat("producer-3.heartbeat", "stopped", pid=os.getpid())
    found = pipeline(home, now, **several)["producer"]
    assert (found["health"], found["who"]) == ("absent", "producer-2, producer-3")
    assert pipeline(home, now + 60)["producer"]["who"] == "", "one alone needs no name"


def test_the_page_names_the_producer_that_is_dead(home: PageHome) -> None:
    home.beat("producer", pid=os.getpid())
    home.beat("producer-2.heartbeat", at=time.time() - 2, pid=gone_pid())
    with served(home.spec(more_producers=(home.root / "producer-2.heartbeat.json",))) as address, visitor(address) as client:
        assert f"producer-2: {ENGLISH['back_dead']}" in client.get("/?lang=en").text


@pytest.mark.parametrize(
    ("phase", "ago", "health", "back"),
    [
        ("running", 0, "well", ""),
        ("starting the session", 0, "starting", ""),
        ("broker lost", 0, "troubled", "back_itself"),
        ("running", 60, "stale", "back_frozen"),
        ("stopped", 60, "absent", "back_stopped"),
    ],
)
def test_each_condition_names_who_brings_the_job_back(phase: str, ago: int, health: str, back: str, home: PageHome) -> None:
    now = time.time()
    home.beat("stream", phase, at=now - ago, pid=os.getpid())
    found = pipeline(home, now)
    assert (found["spark"]["health"], found["spark"]["back"]) == (health, back)
    assert (found["producer"]["health"], found["producer"]["back"]) == ("absent", "back_absent")


@pytest.mark.parametrize("runtime", ["embedded", "docker", "external"])
def test_who_brings_the_broker_back_depends_on_how_it_runs(runtime: str, home: PageHome) -> None:
    home.beat("stream", "broker lost", pid=os.getpid())
    back = pipeline(home, time.time(), runtime=runtime)["kafka"]["back"]
    assert back == f"back_kafka_{runtime}"
    assert back in ENGLISH


def test_the_ring_knows_the_seconds_between_triggers(home: PageHome) -> None:
    assert pipeline(home, time.time())["spark"]["trigger"] == 0.0
    home.beat("stream", pid=os.getpid(), trigger_seconds=10.0)
    assert pipeline(home, time.time())["spark"]["trigger"] == 10.0
