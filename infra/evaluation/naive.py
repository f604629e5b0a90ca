"""The tutorial's job beside ours: it reads the stack's topic in batches of a fixed size, and what it loses is told.

A batch of a fixed size makes its ranking a function of the topic alone, whatever the machine is doing.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

from infra.console.reporting import say
from infra.evaluation.comparison import Comparison, compare, named
from infra.evaluation.job import Job, spark_variables
from infra.evaluation.results import ResultPlace, open_results
from infra.host.paths import CHECKOUT
from infra.lab.assembly import open_lab
from infra.lab.store import store_place
from infra.operations.producer import unfinished_producers
from infra.operations.stream import wait_for_catch_up
from infra.supervision.programs import STREAM, require_program
from trending.errors import InvalidInput, NotReady, ServiceDied
from trending.kafka.log_reader import log_ends
from trending.programs.heartbeat import read_heartbeat
from trending.serving.store import Store
from trending.settings import Spelling
from trending.text import local_time

if TYPE_CHECKING:
    from infra.evaluation.results import Cell
    from infra.lab.assembly import Lab

PROGRAM = CHECKOUT / "examples" / "naive" / "job.py"
MOST_BATCHES = 300
"""A batch takes Spark half a second at least."""
JOB_SECONDS = 300.0
SCENARIO_SECONDS = 180.0
POLL_SECONDS = 0.2


def run_naive(stack: str, batch: int) -> Comparison:
    """Run the tutorial's job up to the end of the topic and compare its rankings with ours; 0 is one batch for all."""
    lab = open_lab(stack)
    require_plain(lab)
    require_program(lab.supervisor, lab.paths, STREAM)  # before the job has worked for nothing
    messages = sum(end - first for first, end in log_ends(lab.stack.connection, lab.settings.stack.topic).values())
    if not messages:
        cause = f"there is nothing in {lab.settings.stack.topic} yet"
        raise NotReady(cause, "", "make up, and wait for the first tweets")
    if batch and messages / batch > MOST_BATCHES:
        cause = f"{messages} messages in batches of {batch} are too many batches to look at"
        raise InvalidInput(cause, f"at most {MOST_BATCHES}", f"make naive BATCH={-(-messages // MOST_BATCHES)}")
    say(f"the tutorial's job reads {messages} messages, {batch or messages} a batch")
    began = time.time()
    place = ResultPlace(lab.paths.naive_results, "ranking")
    naive = _run(lab, place, {"BATCH": str(batch or messages), "ONCE": "1", **spark_variables()})
    wait_for_catch_up(stack)
    return _compared(lab, naive, began)


def require_plain(lab: Lab) -> None:
    """Raise InvalidInput for brokers that ask for a password, which an example does not know, and for folded hashtags."""
    if lab.access is not None:
        cause = f"the brokers of {lab.paths.name} ask for a password, which the job does not know"
        raise InvalidInput(cause, "", "make up NAME=another PORT=19092, without SECURE")
    if lab.settings.stream.hashtag_spelling is Spelling.FOLDED:
        cause = f"{lab.paths.name} folds the spellings of hashtags, and the job does not"
        raise InvalidInput(cause, "", "make up HASHTAG_SPELLING=exact")


def _run(lab: Lab, place: ResultPlace, more: dict[str, str]) -> Counter[Cell]:
    """Run the job to its end and say what it prints; returns its rankings."""
    assert place.path is not None  # noqa: S101 - narrows the type
    place.path.unlink(missing_ok=True)
    job = Job(lab, ("python", str(PROGRAM)), place, more)
    job.log.unlink(missing_ok=True)
    job.start()
    try:
        deadline, said = time.monotonic() + JOB_SECONDS, 0
        while (code := job.exit_code()) is None:
            said = _say_new(job, said)
            if time.monotonic() > deadline:
                cause = f"the tutorial's job is not done after {JOB_SECONDS:.0f} s"
                raise NotReady(cause, job.last_lines(), f"all it said: {job.log}")
            time.sleep(POLL_SECONDS)
    finally:
        job.end()
    _say_new(job, said)
    if code:
        cause = f"the tutorial's job ended with exit code {code}"
        raise ServiceDied(cause, job.last_lines(), f"all it said: {job.log}")
    with closing(open_results(place, lab.stack.connection)) as results:
        return results.read()


def _say_new(job: Job, said: int) -> int:
    """Say the lines that the job has printed of its batches; returns how many were said."""
    lines = job.log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    batches = [line.rstrip() for line in lines if line.startswith("batch ") and line.endswith("\n")]
    for line in batches[said:]:
        say(line)
    return len(batches)


def _compared(lab: Lab, naive: Counter[Cell], began: float) -> Comparison:
    """Say both rankings of each window that was over when the job began, and return what they differ by."""
    seconds, zone = lab.settings.stream.window_seconds, lab.settings.stream.zone
    ours = Counter({cell: count for cell, count in our_counts(lab).items() if cell[0] + seconds <= began})
    windows = sorted({window for window, _hashtag in ours})
    theirs = Counter({cell: count for cell, count in naive.items() if cell[0] in windows})
    found = compare(ours, theirs)
    for number, window in enumerate(windows, 1):
        say(f"window {number}, from {local_time(window, zone)}")
        for title, cells in (("ours: ", ours), ("naive:", theirs), ("lost: ", found.lost), ("more: ", found.surplus)):
            if here := named(cells, window):
                say(f"  {title} {here}")
    say(f"naive: {found.line}")
    return found


def our_counts(lab: Lab) -> Counter[Cell]:
    """Return what our job has counted by the rule that the stack has now."""
    with closing(Store(store_place(lab))) as store:
        view = store.view()
    rule = lab.settings.stream.rule
    now = {epoch.checkpoint for epoch in view.epochs if epoch.rule == rule}
    found: Counter[Cell] = Counter()
    for (checkpoint, window, hashtag), tweets in view.counts.items():
        if checkpoint in now:
            found[window, hashtag] += tweets
    return found


def wait_for_scenario(stack: str) -> None:
    """Wait until the stack's producer has played its scenario to the end."""
    lab = open_lab(stack)
    deadline = time.monotonic() + SCENARIO_SECONDS
    while late := unfinished_producers(lab):
        if time.monotonic() > deadline:
            cause = f"the scenario is not over after {SCENARIO_SECONDS:.0f} s"
            evidence = f"{late[0]}: {read_heartbeat(lab.paths.heartbeat(late[0]))}"
            raise NotReady(cause, evidence, f"make logs SERVICE={late[0]}")
        time.sleep(POLL_SECONDS)
