"""Two jobs on one stack whose broker is killed while it plays: a plain consumer is exact, the tutorial's job is not."""

from __future__ import annotations

import sqlite3
import sys
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest
from real.conftest import new_stack

from infra.evaluation.faults import aimed
from infra.evaluation.job import Job, job_variables
from infra.evaluation.results import ResultPlace, open_results
from infra.evaluation.trial import Patience, evaluate
from infra.forms.stacks import LastStep
from infra.host.paths import CHECKOUT
from infra.host.processes import stack_processes
from trending.errors import AuditFailed
from trending.simulator.loading import load_scenario
from trending.simulator.records import Records

if TYPE_CHECKING:
    from pathlib import Path

    from infra.lab.assembly import Lab

SCENARIO = """
version: 1
title: Forty seconds, with a hashtag that leads early in each window of ten
seed: 21
window_time: event
limit: {seconds: 40}
rate: {base: 40, arrivals: poisson}
hashtags: {named: {"#BigData": 4, "#Spark": 3, "#IA": 2}}
trends:
  - {hashtag: "#Portada", at: 0, hold: 1, peak: 0.6}
  - {hashtag: "#Portada", at: 10, hold: 1, peak: 0.6}
  - {hashtag: "#Portada", at: 20, hold: 1, peak: 0.6}
  - {hashtag: "#Portada", at: 30, hold: 1, peak: 0.6}
"""
PATIENCE = Patience(limit=90.0, settle=4.0)


def test_a_plain_consumer_is_exact_through_the_brokers_death_and_the_tutorials_job_loses_whole_hashtags(
    real_home: Path, tmp_path: Path
) -> None:
    path = real_home / "evaluated.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    wanted = {"scenario": str(path), "window_time": "event", "window_seconds": "10", "page_port": "0"}
    stack = new_stack()
    jobs: list[Job] = []
    with ExitStack() as ends:
        ends.callback(stack.down)
        stack.bring_up(LastStep.TOPIC, **wanted)
        lab = stack.lab
        for name, program in (("consumer", "consumer/count.py"), ("naive", "naive/job.py")):
            place = ResultPlace(tmp_path / f"{name}.sqlite", "ranking")
            words = (sys.executable, str(CHECKOUT / "examples" / program))
            job = Job(lab, words, place, job_variables(lab), name=f"job-{name}")
            ends.callback(job.end)
            job.start()
            jobs.append(job)
        stack.bring_up(LastStep.PRODUCER, **wanted)
        records = Records(load_scenario(str(path)))
        found = []
        for job, name, faults in zip(jobs, ("consumer", "naive"), (["broker-killed"], []), strict=True):
            with closing(open_results(ResultPlace(tmp_path / f"{name}.sqlite", "ranking"), lab.stack.connection)) as results:
                found.append(evaluate(lab, job, results, records, aimed(lab, faults, 0), PATIENCE))
        authors = counted_authors(lab, tmp_path / "authors.sqlite")
    assert stack_processes(stack.paths.stack_id) == []
    exact, naive = found
    told = "\n".join((*exact.lines(None), *naive.lines(None)))
    exact.require_exact()
    assert exact.comparison.tweets == records.count, told
    assert 0 < exact.recovered["broker-killed"] < PATIENCE.limit, told
    assert exact.latencies[0] < 1.0, told
    # Where the tutorial's job has a count, it is right; what it loses, it loses whole: what fell silent before its window's end.
    lost, truth = naive.comparison.lost, naive.comparison.tweets
    with pytest.raises(AuditFailed, match=f"has lost {lost.total()} tweets and counted 0 too often"):
        naive.require_exact()
    assert {hashtag for _window, hashtag in lost} >= {"#Portada"}, told
    assert naive.comparison.counted + lost.total() == truth, told
    # A second Spark job on the topic has missed nothing, whatever the others had read.
    assert authors == records.count


def counted_authors(lab: Lab, path: Path) -> int:
    """Run the second Spark job up to the end of the topic; returns the tweets that it has counted."""
    words = (sys.executable, str(CHECKOUT / "examples" / "spark_job" / "authors.py"))
    job = Job(lab, words, ResultPlace(path, "authors"), {**job_variables(lab), "ONCE": "1"}, name="job-authors")
    job.start()
    try:
        deadline = time.monotonic() + PATIENCE.limit
        while (code := job.exit_code()) is None and time.monotonic() < deadline:
            time.sleep(0.2)
        assert code == 0, job.last_lines()
    finally:
        job.end()
    with closing(sqlite3.connect(path)) as database:
        (tweets,) = database.execute("SELECT sum(tweets) FROM authors").fetchone()
    return int(tweets)
