"""A program's readiness ladder: it runs, its heartbeat is fresh, and it has done some work."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from infra.kafka.readiness import Rung
from infra.supervision.programs import require_program
from trending.errors import NotReady
from trending.programs.heartbeat import FRESH_SECONDS, Heartbeat, read_heartbeat

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.lab.assembly import Lab


def fresh_heartbeat(lab: Lab, program: str) -> Heartbeat:
    """Return the heartbeat of the running process; raises NotReady if there is none or it is old."""
    status = require_program(lab.supervisor, lab.paths, program)
    beat = read_heartbeat(lab.paths.heartbeat(program))
    if beat is None or beat.pid != status.pid:
        cause = f"{program} has given no sign of life yet"
        raise NotReady(cause, f"pid {status.pid}, state {status.state}", "make status")
    if beat.age(time.time()) > FRESH_SECONDS:
        cause = f"{program} runs, but gives no sign of life"
        raise NotReady(cause, f"its last heartbeat is {beat.age(time.time()):.0f} s old: {beat.phase}", "make restart")
    return beat


def living(lab: Lab, program: str) -> list[Rung]:
    """Return the rungs that every program must reach: supervisord runs it, and its own heartbeat is fresh."""

    def runs() -> str:
        status = require_program(lab.supervisor, lab.paths, program)
        return f"{status.state}, pid {status.pid}"

    return [Rung("running", runs), Rung("heartbeat", lambda: fresh_heartbeat(lab, program).phase)]


def beating(lab: Lab, program: str, figure: str, at_rest: Callable[[Heartbeat], str] = lambda _beat: "") -> list[Rung]:
    """Return the rungs of a program; the last one holds once ``figure`` in its heartbeat is above 0.

    A program that has nothing to do is well too: ``at_rest`` says why, or nothing.
    """

    def works() -> str:
        beat = fresh_heartbeat(lab, program)
        if reason := at_rest(beat):
            return reason
        if beat.figures.get(figure, 0) <= 0:
            cause = f"{program} is {beat.phase} and has no {figure} yet"
            raise NotReady(cause, beat.note, "make status")
        return f"{figure} {beat.figures[figure]:.0f}"

    return [*living(lab, program), Rung(figure, works)]
