"""One trial of a game day: inject a fault, wait until it is noticed and until everything is well again, measure both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel

from infra.console.interruptions import finished_despite_signals
from infra.console.reporting import say
from infra.game_day.aims import Aim
from infra.game_day.fault_names import LONGEST_HOLD_SECONDS, LONGEST_LIMIT_SECONDS, FaultName
from infra.game_day.faults import Fault, faults_of
from infra.game_day.injections import supervisord_process
from infra.health.examination import CLUSTER, TOPIC, looks_of
from infra.health.freshness import FRESHNESS
from infra.health.repair import RECOVERY_SECONDS, repair, require_wanted
from infra.health.verdicts import Finding, Verdict
from infra.host.clock import Clock, SystemClock
from infra.lab.assembly import Lab, open_lab
from infra.operations.producer import wanted_producers
from infra.stack.runtime import SUPERVISOR
from infra.stack.state import stack_held, still_wanted
from infra.supervision.budget import reset_deaths
from infra.supervision.programs import STREAM
from trending.errors import LabError, NotSurvived, UndoAbandoned, endings_passed_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

POLL_SECONDS = 0.1
HELD_SECONDS = 300.0
"""How long a trial waits for the stack's lock: once to inject the fault and once to end it."""
INJECTION_SECONDS = 300.0
"""For the trial's own work: a broker is stopped cleanly and started again, twice."""
LONGEST_SECONDS = 3 * LONGEST_LIMIT_SECONDS + LONGEST_HOLD_SECONDS + RECOVERY_SECONDS + 2 * HELD_SECONDS + INJECTION_SECONDS
"""A trial waits three times for the form's limit: until noticed, known to be down, well again. It must not be cut off, or
its findings would be lost."""


def must_be_well(lab: Lab) -> tuple[str, ...]:
    """Return what must be well again after any fault, besides the faulty component."""
    return (SUPERVISOR, CLUSTER, TOPIC, *wanted_producers(lab), STREAM, FRESHNESS)


class Trial(BaseModel):
    """The result: seconds from the injection until the fault was noticed, and until every component was well again.

    ``component`` is the one that was struck, where several could have been.
    """

    fault: FaultName
    component: str = ""
    row: int
    noticed: float
    recovered: float
    back_by: str

    @property
    def aim(self) -> Aim:
        """What was broken, as it was asked for."""
        return Aim(self.fault, self.component)


class Watch:
    """Waits for conditions, each for at most ``limit`` seconds; times are in seconds since its creation."""

    def __init__(self, lab: Lab, fault: Fault, limit: float, clock: Clock) -> None:
        self._lab = lab
        self._fault = fault
        self._limit = limit
        self._clock = clock
        self._looks = looks_of(lab)
        self._before = identity(lab, fault.component)
        self._started = clock.monotonic()

    def look(self) -> Finding:
        """Look once at the component that has the fault."""
        return self._looks[self._fault.component]()

    def until(self, holds: Callable[[], bool], complaint: str) -> float:
        """Wait and return the time; raises NotSurvived with the complaint, or Superseded if the stack is taken down."""
        deadline = self._clock.monotonic() + self._limit
        while not holds():
            require_wanted(self._lab.paths)
            if self._clock.monotonic() > deadline:
                cause = f"{self._fault.aim}: {complaint} within {self._limit:.0f} s"
                unwell = "; ".join(f"{each.component} is {each.verdict}: {each.evidence}" for each in self._unwell())
                raise NotSurvived(cause, unwell or self.look().evidence, f"make health NAME={self._lab.paths.name}")
            self._clock.sleep(POLL_SECONDS)
        return self._clock.monotonic() - self._started

    def reborn(self) -> bool:
        """Whether the component runs as another process than before."""
        return identity(self._lab, self._fault.component) not in {self._before, ""}

    def struck(self) -> bool:
        """Whether the fault shows: the component is not well, or has been restarted already."""
        return self.look().verdict is not Verdict.HEALTHY or identity(self._lab, self._fault.component) != self._before

    def well(self) -> bool:
        """Whether everything that counts is well, and the faulty component runs as a new process if it died."""
        return (not self._fault.restarts or self.reborn()) and next(self._unwell(), None) is None

    def _unwell(self) -> Iterator[Finding]:
        """Look at each component that counts, and yield those that are not well."""
        components = dict.fromkeys((self._fault.component, *must_be_well(self._lab)))
        return (finding for each in components if (finding := self._looks[each]()).verdict is not Verdict.HEALTHY)


def try_fault(lab: Lab, fault: Fault, hold: float, limit: float, clock: Clock | None = None) -> Trial:
    """Inject one fault, end it after ``hold`` seconds, and wait at most ``limit`` seconds for each sign.

    Raises NotSurvived if the stack does not notice the fault or does not recover, Superseded if it is not wanted up any more.
    In any case, a fault that was injected is ended.
    """
    clock = clock or SystemClock()
    watch = Watch(lab, fault, limit, clock)
    begun = False
    try:
        with stack_held(lab.paths, timeout=HELD_SECONDS):
            require_wanted(lab.paths)
            begun = True  # an injection that fails half-way may have broken something
            fault.inject()
        if not fault.visible:
            return _trial(fault, 0.0, 0.0)
        noticed = watch.until(watch.struck, "nobody noticed it")
        if fault.healed:
            _heal(lab, watch, clock)
        if fault.end is not None:
            clock.sleep(hold)
    finally:
        if begun:
            try:
                with finished_despite_signals():
                    _end(lab, fault)
            except UndoAbandoned:
                say(f"{fault.aim} may still be in place: make up NAME={lab.paths.name} puts things right")
                raise
            for name in (*wanted_producers(lab), STREAM, *(service.name for service in lab.stack.services)):
                reset_deaths(lab.paths.budget, name)  # the trial caused these deaths
    recovered = watch.until(watch.well, "not everything was well again")
    return _trial(fault, noticed, recovered)


def _trial(fault: Fault, noticed: float, recovered: float) -> Trial:
    aim = fault.aim
    return Trial(
        fault=fault.name, component=aim.component, row=fault.row, noticed=noticed, recovered=recovered, back_by=fault.back_by
    )


def _end(lab: Lab, fault: Fault) -> None:
    """End the fault. Called in a ``finally``, so an error is only reported and the cause is kept.

    A frozen process is always thawed, which helps a take-down too. But nothing is started in a stack that is not wanted up.
    """
    try:
        with endings_passed_on():
            _end_now(lab, fault)
    except Exception as error:  # noqa: BLE001 - the trial's own outcome goes first
        say(f"{fault.aim}: this could not be ended, make up does it: {error}")


def _end_now(lab: Lab, fault: Fault) -> None:
    if fault.end is None:
        return
    if not fault.revives:
        fault.end()
    elif still_wanted(lab.paths):  # checked before the lock too, because a take-down may hold it for long
        with stack_held(lab.paths, timeout=HELD_SECONDS):
            if still_wanted(lab.paths):
                fault.end()


def _heal(lab: Lab, watch: Watch, clock: Clock) -> None:
    """Call the healer once the death is known: Docker and supervisord notice it only after a moment."""
    watch.until(lambda: bool(watch.look().repair) or watch.reborn(), "it was not known to be down")
    finding = watch.look()
    if finding.repair:
        repair(lab.paths.name, finding, clock, booked=False)


def identity(lab: Lab, component: str) -> str:
    """Return an identity that changes when a component is restarted; empty while it has no process."""
    service = lab.stack.find(component)
    if service is not None:
        observed = lab.runtime.observe(service)
        return f"{observed.started_at}" if observed.started_at else ""
    if component == SUPERVISOR:
        try:
            return str(supervisord_process(lab).pid)
        except LabError:
            return ""
    status = lab.supervisor.status(component)
    return str(status.pid) if status is not None and status.alive and status.pid else ""


def inject_fault(stack: str, aim: Aim, hold: float, limit: float) -> Trial:
    """Inject one fault and watch the stack recover. Never retried, because each attempt is another fault."""
    lab = open_lab(stack)
    trial = try_fault(lab, next(each for each in faults_of(lab) if each.aim == aim), hold, limit)
    say(f"{aim}: noticed after {trial.noticed:.1f} s, well after {trial.recovered:.1f} s, back by {trial.back_by}")
    return trial
