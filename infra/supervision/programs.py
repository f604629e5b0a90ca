"""The Python programs of a stack: specification files, supervised processes, reconciliation as for services."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from infra.host.paths import short_hash
from infra.java.class_archives import spark_environment
from infra.java.installation import find_java
from infra.stack.declaration import Program
from infra.stack.runtime import Outcome
from infra.supervision.budget import RULE, Deaths, read_budget, reset_deaths, told
from infra.supervision.output_tail import tail
from trending.errors import BudgetSpent, ServiceDied
from trending.programs.version import VERSION
from trending.settings import MOST_PRODUCERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.host.paths import StackPaths
    from infra.supervision.supervisor import ProgramStatus, Supervisor

PRODUCER, STREAM, PAGE = "producer", "stream", "page"
PROGRAMS = (PRODUCER, STREAM, PAGE)
"""In the order in which a start-up launches them."""
PRODUCERS = (PRODUCER, *(f"{PRODUCER}-{number}" for number in range(2, MOST_PRODUCERS + 1)))
"""The programs of producers that share a scenario; one alone is the first of them."""
STOP_SECONDS = 30
OUTPUT_LINES = 12


def kind_of(program: str) -> str:
    """Return which of PROGRAMS one is: each producer is a producer."""
    return PRODUCER if program in PRODUCERS else program


def producers_there(paths: StackPaths) -> tuple[str, ...]:
    """Return the producers that were started and not removed, and the first one in any case."""
    return tuple(name for name in PRODUCERS if name == PRODUCER or paths.specification(name).exists())


def programs_there(paths: StackPaths) -> tuple[str, ...]:
    """Return PROGRAMS with all producers that were started."""
    return (*producers_there(paths), STREAM, PAGE)


def declare_program(
    paths: StackPaths, name: str, specification: str, *, java: bool, secrets: Mapping[str, str] | None = None
) -> Program:
    """Return the declaration of the program ``trending.<kind>``; with ``java`` it gets JAVA_HOME and the launcher.

    The launcher ends what the last run left behind, which a program with its own JVM needs. The version is part of the drift:
    after ``git pull`` the command is the same, and what runs is the old code.
    """
    command: tuple[str, ...] = (sys.executable, "-m", f"trending.{kind_of(name)}", str(paths.specification(name)))
    environment: dict[str, str] = {}
    if java:
        command = (sys.executable, "-m", "infra.supervision.launcher", *command)
        environment = {"JAVA_HOME": str(find_java().home), **spark_environment()}
    drift = short_hash("\n".join((VERSION, *command, specification)))
    return Program(name, command, environment, STOP_SECONDS, drift, secrets or {})


def start_program(supervisor: Supervisor, paths: StackPaths, program: Program, specification: str) -> Outcome:
    """Reconcile one program towards running with this specification."""
    status = supervisor.status(program.name)
    marker = paths.drift(program.name)
    if status is not None and status.alive and marker.exists() and marker.read_text() == program.drift_hash:
        return Outcome.ADOPTED
    reset_deaths(paths.budget, program.name)
    paths.specification(program.name).write_text(specification, encoding="utf-8")
    paths.heartbeat(program.name).unlink(missing_ok=True)
    supervisor.launch(program)
    marker.write_text(program.drift_hash, encoding="ascii")
    return Outcome.CREATED if status is None else Outcome.RECREATED


def launch_program(
    supervisor: Supervisor,
    paths: StackPaths,
    name: str,
    specification: str,
    *,
    java: bool = False,
    secrets: Mapping[str, str] | None = None,
) -> Outcome:
    """Declare the program ``trending.<kind>`` and reconcile it towards running with this specification."""
    return start_program(
        supervisor, paths, declare_program(paths, name, specification, java=java, secrets=secrets), specification
    )


def require_program(supervisor: Supervisor, paths: StackPaths, name: str) -> ProgramStatus:
    """Return the status of a program that runs or is being restarted; raises ServiceDied or BudgetSpent with its last lines."""
    status = supervisor.status(name)
    deaths = read_budget(paths.budget).get(name, Deaths())
    if status is not None and (status.alive or (status.comes_back and not deaths.spent)):
        return status
    last_lines = tail(paths.output_file(name, "err"), OUTPUT_LINES)
    if status is not None and (deaths.spent or status.state == "FATAL"):
        raise _given_up(name, status, deaths, last_lines)
    state = "not there" if status is None else status.state.lower()
    cause = f"the program {name} is {state}"
    evidence = f"{status.error or f'exit code {status.exit_code}' if status else 'unknown to supervisord'}; {last_lines}"
    raise ServiceDied(cause, evidence, f"make logs SERVICE={name}")


def _given_up(name: str, status: ProgramStatus, deaths: Deaths, last_lines: str) -> BudgetSpent:
    """Return the error for a program that nobody starts any more. Its last lines may be those of a life that was only stopped."""
    rule = RULE if deaths.spent else f"{len(deaths.at)} failed starts in a row" if deaths.at else "failed starts in a row"
    cause = f"the program {name} was given up after {rule}"
    evidence = f"{f'{status.error}; ' if status.error else ''}the last cause: {told(deaths)}"
    way = f"make up gives it its budget back; make logs SERVICE={name} shows all"
    return BudgetSpent(cause, evidence if deaths.last_words else f"{evidence}; {last_lines}", way)
