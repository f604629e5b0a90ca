"""The restart budget: a supervisord event listener that counts deaths over time and stops a program that keeps dying.

supervisord's own ``startretries`` counts only exits within ``startsecs``; a program that lives a little longer would be restarted
for ever. Deaths are kept in a file, so the budget survives a restart of the listener and of supervisord. What can be known of a
death only then goes with it: the program's last words, and whether the kernel's OOM killer had just struck.
"""

from __future__ import annotations

import os
import re
import sys
import time
import xmlrpc.client
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from infra.host.clock import seconds_since
from infra.host.memory import oom_kills
from infra.supervision.output_tail import tail

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "budget"
"""The listener's component in the stack."""
DEATHS = 5
"""Deaths within the period after which a program is stopped."""
PERIOD_SECONDS = 600.0
RULE = "five deaths in ten minutes"
"""The two figures in words."""
_OF_MEMORY = {
    True: "the kernel's OOM killer struck at that time",
    False: "memory was not the reason",
    None: "whether memory was the reason cannot be known here",
}
AFTERMATH_SECONDS = 10.0
"""How long after the OOM killer's strike a death is put down to it: twice the interval at which the counter is read."""
SEARCHED_LINES = 60
WORDS = 300
_COMPLAINT = re.compile(r"error|exception|fatal|killed", re.IGNORECASE)
ENDED_STATES = frozenset({"STOPPED", "FATAL"})
SETTLED_STATES = ENDED_STATES | {"RUNNING", "BACKOFF"}
"""Not EXITED, which supervisord leaves within a second, nor STARTING, which lasts ``startsecs``, one second."""
SETTLED_SECONDS = 5.0
POLL_SECONDS = 0.1


class Deaths(msgspec.Struct):
    """One program's recent deaths, in seconds since the epoch, and whether its budget is spent.

    ``last_words`` is the line of its output that tells most of the last death. ``memory`` says whether the kernel's OOM killer
    struck at that time; None where that cannot be known.
    """

    at: list[float] = []
    spent: bool = False
    last_words: str = ""
    memory: bool | None = None

    @property
    def of_memory(self) -> bool | None:
        """Whether the OOM killer may have caused the last death: never without a SIGKILL; None where that cannot be known."""
        return self.memory if "SIGKILL" in self.last_words or not self.last_words else False


def told(deaths: Deaths) -> str:
    """Return the last cause in words."""
    of_memory = f" ({_OF_MEMORY[deaths.memory]})" if "SIGKILL" in deaths.last_words else ""
    return f"{deaths.last_words}{of_memory}" if deaths.last_words else "its output tells none"


def read_budget(path: Path) -> dict[str, Deaths]:
    """Return program → deaths; empty before the first death."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Deaths])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


def note_death(path: Path, program: str, now: float, last_words: str = "", *, memory: bool | None = None) -> bool:
    """Record a death of ``program`` at ``now``; returns whether its budget is spent."""
    budget = read_budget(path)
    recent = [at for at in budget.get(program, Deaths()).at if seconds_since(at, now) < PERIOD_SECONDS]
    deaths = Deaths([*recent, now], len(recent) + 1 > DEATHS, last_words, memory)
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
    try:
        fresh.write_bytes(msgspec.json.encode(budget))
        fresh.replace(path)
    except OSError:  # a full disk; supervisord starts the listener again and again, and each life has another pid
        fresh.unlink(missing_ok=True)
        raise


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


def last_words(directory: Path, program: str) -> str:
    """Return how a program ended, by supervisord's log, and the last complaint in its output, unless a signal ended it.

    Where supervisord does not tell, and nothing in the output complains, its last line has to do.
    """
    ends = re.findall(
        rf"exited: {re.escape(program)} \((.*?); not expected\)", tail(directory / "supervisord.log", SEARCHED_LINES)
    )
    how: str = ends[-1] if ends else ""
    if how.startswith("terminated by"):
        return how
    for stream in ("err", "out"):
        output = tail(directory / "logs" / f"{program}.{stream}.log", SEARCHED_LINES)
        lines = [line.strip() for line in output.splitlines() if line.strip()]
        complaint = next((line for line in reversed(lines) if _COMPLAINT.search(line)), "" if how or not lines else lines[-1])
        if complaint:
            return ": ".join(filter(None, (how, complaint)))[:WORDS]
    return how


class OomWatch:
    """Watches the kernel's counter, so that a death can be put down to the OOM killer or not."""

    def __init__(self, count: Callable[[], int | None] = oom_kills) -> None:
        self._count = count
        self._known = count()
        self._struck_at = -AFTERMATH_SECONDS

    def look(self, now: float) -> bool | None:
        """Read the counter; returns whether the OOM killer struck just now, None where the kernel does not tell."""
        known, self._known = self._known, self._count()
        if known is None or self._known is None:
            return None
        if self._known > known:
            self._struck_at = now
        return now - self._struck_at < AFTERMATH_SECONDS


def main() -> None:
    """Listen until supervisord closes standard input. Protocol: https://supervisord.org/events.html."""
    from supervisor import childutils  # noqa: PLC0415 - supervisor's modules: 0.06 s that every status would wait for

    path = Path(sys.argv[1])
    rpc = childutils.getRPCInterface(os.environ)
    watch = OomWatch()
    while True:
        try:
            _headers, payload = childutils.listener.wait()
        except (KeyError, BrokenPipeError):  # an empty line, in which it looks for a length: supervisord has gone
            return
        memory = watch.look(time.monotonic())
        event = childutils.get_headers(payload)
        program = event.get("processname")  # a tick, which comes every 5 s so that the counter is read, has none
        if program and event.get("expected") != "1":
            words = last_words(path.parent, program)
            if note_death(path, program, time.time(), words, memory=memory):
                sys.stderr.write(f"{program} died more than {DEATHS} times in {PERIOD_SECONDS:.0f} s: stopped\n")
                # A program that supervisord has given up or that was removed meanwhile need not be stopped.
                with suppress(xmlrpc.client.Fault):
                    give_up(rpc.supervisor, program)
        try:
            childutils.listener.ok()
        except (KeyError, BrokenPipeError):  # as above
            return


if __name__ == "__main__":
    main()
