"""The evaluation itself: watch a job's results while its stack plays and is broken, and compare them with the truth."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infra.console.reporting import say
from infra.evaluation.comparison import Comparison, compare
from infra.evaluation.faults import inject
from infra.evaluation.plan import Sightings, current_plan, percentile
from infra.host.clock import SystemClock
from infra.operations.producer import scenario_is_over
from trending.errors import AuditFailed, NotReady, NotSurvived, ServiceDied
from trending.kafka.log_reader import ends_of, log_ends, read_log
from trending.simulator.verification import Verification

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from zoneinfo import ZoneInfo

    from infra.evaluation.job import Job
    from infra.evaluation.plan import Plan
    from infra.evaluation.results import Cell, Results
    from infra.game_day.aims import Aim
    from infra.host.clock import Clock
    from infra.lab.assembly import Lab
    from trending.simulator.records import Records

LOOK_SECONDS = 0.1
BETWEEN_SECONDS = 3.0
"""From one recovery to the next fault."""


@dataclass(frozen=True)
class Patience:
    """Seconds: ``limit`` for the first result and for each recovery, ``settle`` in which final results do not change."""

    limit: float
    settle: float


@dataclass
class Evaluation:
    """The result. ``recovered`` is fault → seconds until a tweet that was due after it stood in the results."""

    comparison: Comparison
    first_window: int
    window_seconds: int
    first_result: float
    latencies: list[float]
    recovered: dict[str, float] = field(default_factory=dict)

    def lines(self, zone: ZoneInfo | None) -> Iterator[str]:
        """Say all of it; the last line is the totals."""
        yield f"first result after {self.first_result:.1f} s"
        for fault, seconds in self.recovered.items():
            yield f"{fault}: recovered after {seconds:.1f} s"
        if self.latencies:
            p50, p99 = (percentile(self.latencies, share) for share in (0.5, 0.99))
            yield f"latency: p50 {p50:.2f} s, p99 {p99:.2f} s, of the {len(self.latencies)} tweets due after the first result"
        else:
            yield "latency: no tweet was due after the first result, so there is none to tell"
        yield from self.comparison.lines(self.first_window, self.window_seconds, zone)
        yield f"evaluation: {self.comparison.line}"

    def require_exact(self) -> None:
        """Raise AuditFailed where a tweet is lost or counted twice."""
        if not self.comparison.exact:
            found = self.comparison
            cause = f"the job has lost {found.lost.total()} tweets and counted {found.surplus.total()} too often"
            raise AuditFailed(cause, f"in {len(found.windows)} windows", "docs/your-own.md says what is compared with what")


class Watch:
    """Looks at job and results again and again. The last results are kept."""

    def __init__(self, lab: Lab, job: Job, results: Results, records: Records, patience: Patience, clock: Clock) -> None:
        self._lab, self._job, self._results, self._records = lab, job, results, records
        self._patience, self._clock = patience, clock
        self.sightings = Sightings()
        self.last: Counter[Cell] = Counter()
        self.plan = current_plan(lab, records)

    def look(self) -> bool:
        """Look once; returns whether the results have changed. Raises ServiceDied where the job has ended."""
        self._job.require_alive()
        plan = current_plan(self._lab, self._records)
        if plan.booked.shifts != self.plan.booked.shifts:
            self.plan = plan
        now = self._results.read()
        if now == self.last:
            return False
        self.last = now
        self.sightings.note(now, self.plan.cells, time.time())
        return True

    def until(self, holds: Callable[[], bool], complaint: str) -> float:
        """Look until the condition holds; returns the seconds. Raises NotReady with the job's last lines."""
        began = self._clock.monotonic()
        while True:
            self.look()
            waited = self._clock.monotonic() - began
            if holds():
                return waited
            if waited > self._patience.limit:
                cause = f"{complaint} within {self._patience.limit:.0f} s"
                raise NotReady(cause, self._job.last_lines(), f"all it said: {self._job.log}; or LIMIT_SECONDS=600")
            self._clock.sleep(LOOK_SECONDS)

    def try_fault(self, aim: Aim) -> float:
        """Inject a fault; returns the seconds until a tweet that was due after it stands in the results.

        Raises NotSurvived where none comes, NotReady where the scenario is over before.
        """
        self._require_more(aim)
        struck = inject(self._lab, aim, self._job, self._clock)
        due = self.plan.due
        try:
            self.until(lambda: self._seen_since(due, struck) is not None, f"{aim}: no new tweet came through")
        except ServiceDied as error:
            cause = f"{aim}: {error.cause} and nobody starts it again"
            raise NotSurvived(cause, error.evidence, error.next_command) from error
        except NotReady as error:
            raise NotSurvived(error.cause, error.evidence, error.next_command) from error
        return (self._seen_since(due, struck) or struck) - struck

    def _seen_since(self, due: list[float], struck: float) -> float | None:
        """Return when the first tweet was seen that was due after the fault had struck; None before."""
        return min((at for number, at in self.sightings.seen.items() if due[number] > struck), default=None)

    def _require_more(self, aim: Aim) -> None:
        left = sum(due > time.time() for due in self.plan.due)
        if not left:
            cause = f"{aim} was not tried: the scenario was over before"
            raise NotReady(cause, f"its {len(self.plan.due)} records are sent", "fewer FAULTS, or a SCENARIO that takes longer")

    def settle(self) -> None:
        """Look until the scenario is over and the results have not changed for a while."""
        quiet = self._clock.monotonic()
        while True:
            if self.look() or not scenario_is_over(self._lab):
                quiet = self._clock.monotonic()
            elif self._clock.monotonic() - quiet >= self._patience.settle:
                return
            self._clock.sleep(LOOK_SECONDS)


def evaluate(
    lab: Lab,
    job: Job,
    results: Results,
    records: Records,
    faults: list[Aim],
    patience: Patience,
    clock: Clock | None = None,
) -> Evaluation:
    """Evaluate a job that has been started on a stack whose producer has been started."""
    clock = clock or SystemClock()
    watch = Watch(lab, job, results, records, patience, clock)
    waited = watch.until(lambda: bool(watch.last), "the job has given no result")
    since = time.time()
    say(f"first result after {waited:.1f} s")
    recovered = {}
    for fault in faults:
        took = recovered[str(fault)] = watch.try_fault(fault)
        say(f"{fault}: recovered after {took:.1f} s")
        pause = clock.monotonic() + BETWEEN_SECONDS
        while clock.monotonic() < pause:
            watch.look()
            clock.sleep(LOOK_SECONDS)
    watch.settle()
    plan = current_plan(lab, records)
    require_scenario(lab, plan)
    latencies = watch.sightings.latencies(plan.due, since)
    first = min(plan.truth, default=(0, ""))[0]
    return Evaluation(compare(plan.truth, watch.last), first, plan.window_seconds, waited, latencies, recovered)


def require_scenario(lab: Lab, plan: Plan) -> None:
    """Raise AuditFailed where the topic is not the scenario, each record once: then the job is not to blame."""
    topic = lab.settings.stack.topic
    found = Verification(plan.records.scenario)
    ends = log_ends(lab.stack.connection, topic)
    found.read(read_log(lab.stack.connection, topic, {part: first for part, (first, _end) in ends.items()}, ends_of(ends)))
    whole = [run for run in found.runs.values() if run.is_whole(found.count(run.run))]
    if len(found.runs) != 1 or not whole or found.others:
        cause = f"{topic} is not the scenario, so the results can't be judged"
        raise AuditFailed(cause, f"{len(found.runs)} runs, {found.others} other records", "make verify")
