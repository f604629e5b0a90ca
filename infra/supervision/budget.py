"""The restart budget: a supervisord event listener that counts deaths over time and stops a program that keeps dying.

supervisord's own ``startretries`` counts only exits within ``startsecs``; a program that lives a little longer would be restarted
for ever. Deaths are kept in a file, so the budget survives a restart of the listener and of supervisord.
"""

from __future__ import annotations

import os
import sys
import time
import xmlrpc.client
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec
from supervisor import childutils

NAME = "budget"
"""The listener's component in the stack."""
DEATHS = 5
"""Deaths within the period after which a program is stopped."""
PERIOD_SECONDS = 600.0
ENDED_STATES = frozenset({"STOPPED", "FATAL"})
SETTLED_STATES = ENDED_STATES | {"RUNNING", "BACKOFF"}
"""Not EXITED, which supervisord leaves within a second, nor STARTING, which lasts ``startsecs``, one second."""
SETTLED_SECONDS = 5.0
POLL_SECONDS = 0.1


class Deaths(msgspec.Struct):
    """One program's recent deaths, in seconds since the epoch, and whether its budget is spent."""

    at: list[float] = []
    spent: bool = False


def read_budget(path: Path) -> dict[str, Deaths]:
    """Return program → deaths; empty before the first death."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Deaths])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


def note_death(path: Path, program: str, now: float) -> bool:
    """Record a death of ``program`` at ``now``; returns whether its budget is spent."""
    budget = read_budget(path)
    recent = [at for at in budget.get(program, Deaths()).at if now - at < PERIOD_SECONDS]
    deaths = Deaths([*recent, now], len(recent) + 1 > DEATHS)
    budget[program] = deaths
    _write(path, budget)
    return deaths.spent


def reset_deaths(path: Path, program: str) -> None:
    """Forget a program's deaths, because somebody starts it again."""
    budget = read_budget(path)
    if budget.pop(program, None) is not None:
        _write(path, budget)


def _write(path: Path, budget: dict[str, Deaths]) -> None:
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(msgspec.json.encode(budget))
    fresh.replace(path)


class ProcessControl(Protocol):
    """What is asked of supervisord's XML-RPC interface: https://supervisord.org/api.html."""

    def getProcessInfo(self, name: str) -> dict[str, str]: ...  # noqa: N802, D102 - supervisord's name

    def stopProcess(self, name: str, wait: bool) -> bool: ...  # noqa: N802, D102, FBT001 - supervisord's name


def give_up(supervisor: ProcessControl, program: str) -> None:
    """Stop a program for good, once supervisord has started it again after the death that is too many.

    Before that, supervisord answers that it does not run and then starts it all the same. Right after that the signal can be lost
    between fork and exec, and the program lives on until the SIGKILL at the end of its stop time, 25 s and more.
    """
    deadline = time.monotonic() + SETTLED_SECONDS
    while (state := supervisor.getProcessInfo(program)["statename"]) not in SETTLED_STATES and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    if state not in ENDED_STATES:
        supervisor.stopProcess(program, False)  # noqa: FBT003 - XML-RPC has no keywords


def main() -> None:
    """Listen until supervisord closes standard input. Protocol: https://supervisord.org/events.html."""
    path = Path(sys.argv[1])
    rpc = childutils.getRPCInterface(os.environ)
    while True:
        _headers, payload = childutils.listener.wait()
        event = childutils.get_headers(payload)
        if event.get("expected") != "1" and note_death(path, event["processname"], time.time()):
            sys.stderr.write(f"{event['processname']} died more than {DEATHS} times in {PERIOD_SECONDS:.0f} s: stopped\n")
            # A program that supervisord has given up or that was removed meanwhile need not be stopped.
            with suppress(xmlrpc.client.Fault):
                give_up(rpc.supervisor, event["processname"])
        childutils.listener.ok()


if __name__ == "__main__":
    main()
