"""A scenario through a real stack: it is changed while it is played, its producer is killed, and what is counted is its truth."""

from __future__ import annotations

import json
import os
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from real.conftest import new_stack
from real.harness import plain

from flows import audit
from infra.forms.stacks import LastStep
from infra.game_day.faults import faults_of
from trending.producer.sources.booked import read_plays
from trending.programs.heartbeat import FINISHED
from trending.serving.store import Store
from trending.simulator.live.changes import RateChange, TrendChange, text_of
from trending.simulator.loading import load_scenario
from trending.simulator.records import Records
from trending.simulator.truth import intended

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from real.harness import RealStack

    from trending.audit.audit_report import AuditReport

SECONDS = 40
SCENARIO = f"""
version: 1
title: All kinds of mischief, for a moment
seed: 7
window_time: event
start: now
limit: {{seconds: {SECONDS}}}
rate: {{base: 400, arrivals: poisson, bursts: [{{at: 8, for: 4, times: 3}}]}}
hashtags: {{zipf: {{count: 200}}, named: {{"#Spark": 0.5}}}}
trends: [{{hashtag: "#Gol", at: 4, rise: 4, hold: 8, fade: 6, peak: 0.5}}]
tweets: {{hashtags: {{0: 0.02, 1: 0.78, 2: 0.2}}}}
mischief:
  late: {{share: 0.02, seconds: [130, 300]}}
  out_of_order: {{share: 0.05, seconds: 20}}
  corrupt: 0.01
  duplicated: 0.01
  future: 0.005
"""

CHANGES = (
    RateChange.model_validate({"rate": 900, "for": 9}),
    TrendChange(hashtag="#Nuevo", hold=15, peak=0.3),
    RateChange(rate=300),
)


def plays(stack: RealStack) -> bool:
    """Whether the producer is past reading back."""
    beat = stack.beat("producer")
    return beat is not None and beat.phase == "running"


def require_exact(report: AuditReport, records: int) -> None:
    """Require that so many records were acknowledged and are in the log, each once and in order."""
    told = "\n".join(report.lines(None))
    assert report.clean, told
    assert report.complete, told
    assert (report.lost, report.duplicated, report.unknown_arrived, report.disordered) == (0, 0, 0, 0), told
    assert report.acknowledged == report.in_log == records, told


def by_window(counts: Mapping[tuple[str, int, str], int]) -> Counter[tuple[int, str]]:
    """Return window and hashtag → tweets, of all checkpoints."""
    found: Counter[tuple[int, str]] = Counter()
    for (_checkpoint, window, hashtag), tweets in counts.items():
        found[window, hashtag] += tweets
    return found


@pytest.mark.row(19, "E")
def test_what_is_counted_of_a_scenario_is_its_truth_though_it_was_changed_and_its_producer_was_killed(real_home: Path) -> None:
    os.environ["TRENDING_HOME"] = str(real_home)
    path = real_home / "scenario.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    stack = new_stack()
    try:
        settings = {"scenario": str(path), "window_time": "event", "partitions": "2"}
        stack.bring_up(LastStep.PRODUCER, **settings)
        name = f"--name={stack.name}"
        assert "on: 900 a second, for 9 s" in stack.command("rate", name, "--rate=900", "--for=9")
        # Its heartbeat is up to a second old when the answer comes.
        stack.wait_until(lambda: stack.beat("producer").figures.get("asked") == 900, 5, "the heartbeat has the rate")  # type: ignore[union-attr]
        assert "asked 900" in stack.command("status", name, code=None)
        assert "on: #Nuevo with 30% of the tweets" in stack.command("trend", name, "--hashtag=#Nuevo", "--for=15", "--peak=0.3")
        born = stack.program_pid("producer")
        run = stack.beat("producer").note  # type: ignore[union-attr]
        stack.kill(born)
        stack.wait_until(lambda: born != stack.beat("producer").pid and plays(stack), 30, "the producer plays again")  # type: ignore[union-attr]
        assert "on: 300 a second" in stack.command("rate", name, "--rate=300")
        stack.bring_up(LastStep.STREAM, **settings)
        stack.wait_until(lambda: stack.beat("producer").phase == FINISHED, 60, "the scenario is over")  # type: ignore[union-attr]
        assert stack.beat("producer").note == run  # type: ignore[union-attr]
        assert "the scenario is over" in stack.command("rate", name, "--rate=5", code=None)
        with plain():
            report = audit.recount(stack.name, resume=False)
        assert json.loads(stack.paths.truth.read_text(encoding="utf-8"))["seed"] == 7
        assert f"is the scenario {path}" in stack.command("verify", name)
        booked = read_plays(stack.paths.ledger)[run]
        with closing(Store(stack.paths.store)) as store:
            counts = store.view().counts
    finally:
        os.environ["TRENDING_HOME"] = str(real_home)
        stack.down()
    told = "\n".join(report.lines(None))
    records = Records(load_scenario(str(path)), booked.changes)
    assert [text_of(each.asked) for each in booked.changes] == [text_of(each) for each in CHANGES]
    assert records.count is not None
    (found,) = report.truths
    assert found.holds, told
    assert found.found.as_intended + found.found.in_time + found.found.late == records.count, told
    truth = intended(records, range(records.count), booked.begins, 60)
    require_exact(report, records.count)
    assert records.count > 300 * SECONDS
    assert Counter(report.rejected) == truth.rejected, told
    assert report.untagged == truth.untagged, told
    assert by_window(counts) == truth.tweets
    assert truth.hashtags()["#Nuevo"] > 1_000


# Fifty seconds: on a busy machine a command takes ten, and there are two before the trend.
SHORT = f"""
version: 1
seed: 7
start: now
limit: {{tweets: {3 * 5_000}}}
rate: {{base: 300, arrivals: poisson}}
hashtags: {{zipf: {{count: 100}}}}
tweets: {{hashtags: {{0: 0.02, 1: 0.78, 2: 0.2}}, key: usuario, partitions: {{skew: 0.5}}}}
mischief: {{corrupt: 0.01, duplicated: 0.02}}
"""


@pytest.mark.row(19, "E")
def test_three_producers_share_a_scenario_and_one_that_is_killed_leaves_its_ranking_as_it_is(real_home: Path) -> None:
    os.environ["TRENDING_HOME"] = str(real_home)
    path = real_home / "short.yaml"
    path.write_text(SHORT, encoding="utf-8")
    records = Records(load_scenario(str(path)))
    assert records.count is not None
    stack = new_stack()
    names = ("producer", "producer-2", "producer-3")
    try:
        settings = {"scenario": str(path), "partitions": "4", "producers": "3"}
        stack.bring_up(LastStep.PRODUCER, **settings)
        name = f"--name={stack.name}"
        assert "producers share the partitions of the topic" in stack.command("start_up", name, "--producers=5", code=None)
        born = stack.program_pid("producer-2")
        others = [stack.program_pid("producer"), stack.program_pid("producer-3")]
        next(fault for fault in faults_of(stack.lab) if str(fault.aim) == "producer-killed of producer-2").inject()
        stack.wait_until(lambda: born != stack.beat("producer-2").pid, 30, "the second producer begins again")  # type: ignore[union-attr]
        assert "on: #Nuevo with 30% of the tweets" in stack.command("trend", name, "--hashtag=#Nuevo", "--for=10", "--peak=0.3")
        stack.bring_up(LastStep.STREAM, **settings)
        told = stack.command("status", name, code=None)
        assert all(f"{each} " in told for each in names)
        stack.wait_until(lambda: all(stack.beat(each).phase == FINISHED for each in names), 90, "the scenario is over")  # type: ignore[union-attr]
        assert len({stack.beat(each).note for each in names}) == 1  # type: ignore[union-attr]
        assert [stack.program_pid("producer"), stack.program_pid("producer-3")] == others, "they went on"
        with plain():
            report = audit.recount(stack.name, resume=False)
        assert f"is the scenario {path}" in stack.command("verify", name)
        (booked,) = read_plays(stack.paths.ledger).values()
        with closing(Store(stack.paths.store)) as store:
            counts = store.view().counts
    finally:
        os.environ["TRENDING_HOME"] = str(real_home)
        stack.down()
    told = "\n".join(report.lines(None))
    require_exact(report, records.count)
    (found,) = report.truths
    assert (found.holds, found.found.as_intended) == (True, records.count), told
    truth = intended(booked.records(), range(records.count), booked.begins, 60)
    assert Counter(report.rejected) == truth.rejected, told
    ranking: Counter[str] = Counter()
    for (_window, hashtag), tweets in by_window(counts).items():
        ranking[hashtag] += tweets
    assert ranking == truth.hashtags()
    assert ranking["#Nuevo"] > 100
