"""The faults of an evaluation: those of a game day that a stack without our own stream has, and the death of the job itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from infra.game_day.aims import aims_of
from infra.game_day.fault_names import FaultName
from infra.game_day.faults import faults_of
from infra.game_day.trials import HELD_SECONDS
from infra.health.repair import require_wanted
from infra.operations.producer import wanted_producers
from infra.stack.state import stack_held
from infra.supervision.budget import reset_deaths
from trending.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from infra.evaluation.job import Job
    from infra.game_day.aims import Aim
    from infra.host.clock import Clock
    from infra.lab.assembly import Lab

JOB_KILLED = "job-killed"
"""The job is killed and started again at once, as a supervisor would."""
OF_A_GAME_DAY = (
    FaultName.BROKER_KILLED,
    FaultName.BROKER_FROZEN,
    FaultName.ONE_BROKER_OF_THREE_KILLED,
    FaultName.PRODUCER_KILLED,
    FaultName.PRODUCER_FROZEN,
)
HELD_FOR_SECONDS = 5.0
"""How long something frozen stays frozen."""


def require_known(names: Iterable[str]) -> None:
    """Raise InvalidInput for a fault that no evaluation has."""
    known = [*OF_A_GAME_DAY, JOB_KILLED]
    if unknown := [name for name in names if name not in known]:
        cause = f"an evaluation has no fault {', '.join(unknown)}"
        raise InvalidInput(cause, f"it has {', '.join(known)}", f"make evaluate FAULTS={FaultName.BROKER_KILLED},{JOB_KILLED} …")


def aimed(lab: Lab, names: Iterable[str], struck: int) -> list[Aim]:
    """Return the faults to try in their order; those of producers at the one with the number ``struck``, 0 for two of several."""
    found = faults_of(lab)
    return [aim for name in names for aim in aims_of(found, name, struck)]


def inject(lab: Lab, aim: Aim, job: Job, clock: Clock) -> float:
    """Inject a fault, and end it where it does not end by itself; returns when it struck, in seconds since the epoch.

    That is told from behind the injection: what came through while it was prepared is no sign of a recovery.
    """
    if aim.fault == JOB_KILLED:
        job.kill()
        struck = time.time()
        job.start()
        return struck
    found = next((each for each in faults_of(lab) if each.aim == aim), None)
    if found is None:
        cause = f"this stack has no fault {aim}"
        raise InvalidInput(cause, f"it has {len(lab.stack.brokers)} brokers", "make evaluate BROKERS=3 REPLICATION=3 …")
    with stack_held(lab.paths, timeout=HELD_SECONDS):
        require_wanted(lab.paths)
        found.inject()
        struck = time.time()
    try:
        if found.end is not None:
            clock.sleep(HELD_FOR_SECONDS)
    finally:
        if found.end is not None:
            found.end()
        for each in (*wanted_producers(lab), *(service.name for service in lab.stack.services)):
            reset_deaths(lab.paths.budget, each)  # the evaluation caused these deaths
    return struck
