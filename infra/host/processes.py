"""The lab's processes, found by the stack id in their environment. Others are examined at most, never touched.

A program of the lab has no terminal: supervisord, and a job that is evaluated, are started in a session of their own. So what
carries the id and has a terminal is somebody's shell, or what that shell has started, with variables of a program.

psutil identifies a process by pid and start time, so a process with a reused pid is neither taken for ours nor killed.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from infra.host.paths import lives_elsewhere
from trending.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

STACK_VARIABLE = "TRENDING_STACK_ID"
HOME_VARIABLE = "TRENDING_STACK_HOME"
COMPONENT_VARIABLE = "TRENDING_COMPONENT"
ANOTHER_PORT, ANOTHER_PAGE_PORT = 19092, 8502
"""Where a port that is free is looked for first."""
SERVICE_PORTS = 100
"""The controllers' ports lie less than that above the brokers'."""
KILLED_SECONDS = 5.0
POLL_SECONDS = 0.02
_LOOPBACK = frozenset({"127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1"})  # noqa: S104 - others listen there
_LOOPBACK_6 = frozenset({"::1", "::"})
"""Addresses of listeners that get what is sent to the loopback of IPv4 and IPv6."""


@dataclass(frozen=True)
class PortOwner:
    """The process that listens on a port; pid and name are unknown for another user's process."""

    port: int
    pid: int | None
    name: str

    def __str__(self) -> str:
        return f"port {self.port}: {self.name}" + (f", pid {self.pid}" if self.pid else "")


def stack_processes(stack_id: str, component: str | None = None) -> list[psutil.Process]:
    """Return the living processes that carry the stack id, without zombies; with ``component``, only that component's.

    Those of somebody's terminal are left out, and what keeps such terminals.
    """
    marked = [
        process
        for process, environment in marked_processes()
        if environment[STACK_VARIABLE] == stack_id and (component is None or environment.get(COMPONENT_VARIABLE) == component)
    ]
    theirs = terminal_pids() if marked else ()
    return [process for process in marked if process.pid not in theirs]


def users_processes(stack_id: str) -> list[psutil.Process]:
    """Return the living processes that carry the stack id and are somebody's, since they have a terminal; not this command's."""
    own, theirs = of_this_command(), terminal_pids()
    return [
        process
        for process, environment in marked_processes()
        if environment[STACK_VARIABLE] == stack_id and process.pid not in own and process.pid in theirs
    ]


def marked_processes() -> Iterator[tuple[psutil.Process, Mapping[str, str]]]:
    """Yield the living processes that carry the id of any stack of this file system, each with its environment."""
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            dead = process.status() == psutil.STATUS_ZOMBIE
        except psutil.Error:
            continue
        if not dead and environment.get(STACK_VARIABLE) and not lives_elsewhere(process.pid, environment.get(HOME_VARIABLE, "")):
            yield process, environment


def of_this_command() -> frozenset[int]:
    """Return the pids of this process and of those that it was started by: a shell's, make's."""
    return frozenset({os.getpid(), *(parent.pid for parent in psutil.Process().parents())})


def terminal_pids() -> frozenset[int]:
    """Return the pids of what has a terminal, or keeps those of processes below it, as the server of tmux or screen does."""
    known = {int(entry.name): parent_and_terminal(int(entry.name)) for entry in Path("/proc").glob("[0-9]*")}
    found, waiting = set(), [pid for pid, (_parent, terminal) in known.items() if terminal]
    while waiting:
        if (pid := waiting.pop()) not in found and pid:
            found.add(pid)
            waiting.append(known.get(pid, (0, False))[0])
    return frozenset(found)


def parent_and_terminal(pid: int) -> tuple[int, bool]:
    """Return a process's parent, and whether it has a controlling terminal: proc(5), ppid and tty_nr.

    psutil's own answer knows only the terminals of this /dev.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:  # it has ended
        return 0, False
    return int(fields[1]), fields[4] != "0"


def end_processes(processes: list[psutil.Process], grace: float) -> list[psutil.Process]:
    """Send SIGTERM, preceded by SIGCONT for frozen processes, and SIGKILL after ``grace`` seconds; returns the survivors.

    This process, and those that it was started by, are survivors without being touched: a command that ended them would not come
    to its end.
    """
    own = of_this_command()
    others = [process for process in processes if process.pid not in own]
    for process in others:
        _signal(process, resume=True)
    alive = wait_for_end(others, grace)
    for process in alive:
        _signal(process, resume=False)
    return [process for process in processes if process.pid in own] + wait_for_end(alive, KILLED_SECONDS)


def require_ended(survivors: Sequence[psutil.Process], whose: str, next_command: str) -> None:
    """Raise LabError if there are survivors of ``end_processes``: nobody may say then that all was stopped."""
    if survivors:
        cause = f"{len(survivors)} processes of {whose} do not end"
        raise LabError(cause, str(survivors), next_command)


def wait_for_end(processes: list[psutil.Process], timeout: float) -> list[psutil.Process]:
    """Wait until the processes have ended, ``timeout`` seconds at most, and return those that still run.

    psutil's own wait is not used: its TimeoutExpired stays in a cycle of references, in which the frames of all callers, and so
    their sockets, live on until the collector finds them (seen with psutil 7).
    """
    deadline = time.monotonic() + timeout
    while (alive := [process for process in processes if not has_ended(process)]) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return alive


def has_ended(process: psutil.Process) -> bool:
    """Whether the process is gone, or is a zombie; one that is a child of ours is reaped. A reused pid is another process."""
    try:
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            return False
        if process.ppid() == os.getpid():
            os.waitpid(process.pid, os.WNOHANG)
    except (psutil.NoSuchProcess, ChildProcessError):
        pass  # it went meanwhile, or somebody else has reaped it
    return True


def _signal(process: psutil.Process, *, resume: bool) -> None:
    try:
        if resume:
            process.terminate()
            process.resume()
        else:
            process.kill()
    except psutil.NoSuchProcess:
        return


def is_frozen(pid: int) -> bool:
    """Whether the process is stopped in the middle, as by SIGSTOP."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return False


def freeze(process: psutil.Process) -> None:
    """Stop a process without ending it."""
    process.send_signal(signal.SIGSTOP)


def thaw(process: psutil.Process) -> None:
    """Let a stopped process go on; fine where it has ended."""
    if process.is_running():
        process.send_signal(signal.SIGCONT)


def port_owner(port: int) -> PortOwner | None:
    """Return the process that listens on ``port`` of this machine's loopback, or None if the port is free.

    One that listens on [::1] only counts too: where ``localhost`` resolves there first, clients of the port would reach it.
    """
    if not _binds(socket.AF_INET, "127.0.0.1", port):
        return _listener(port, _LOOPBACK)
    return None if _binds(socket.AF_INET6, "::1", port) else _listener(port, _LOOPBACK_6)


def _binds(family: socket.AddressFamily, address: str, port: int) -> bool:
    """Whether nobody has the port at that address; also where the machine has no IPv6."""
    try:
        probe = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        return True
    with probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            if family is socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((address, port))
        except OSError as error:
            return family is socket.AF_INET6 and error.errno != errno.EADDRINUSE
    return True


def _listener(port: int, addresses: frozenset[str]) -> PortOwner:
    unknown = PortOwner(port, None, "a process of another user")
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return unknown
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,)
        if listens and getattr(connection.laddr, "ip", "") in addresses and connection.pid:
            where = " on [::1]" if addresses is _LOOPBACK_6 else ""
            try:
                return PortOwner(port, connection.pid, psutil.Process(connection.pid).name() + where)
            except psutil.NoSuchProcess:
                continue
    return unknown


def usual_or_free(port: int, usual: int) -> int:
    """Return the port; if it is the ``usual`` one and taken, a free one above it. A port that the user chose is kept."""
    return port if port != usual or port_owner(usual) is None else free_port(usual + 1, 1)


def another_port() -> str:
    """Return the setting of a broker's port that is free now, with those above it that the stack's other services would take."""
    return f"PORT={free_port(ANOTHER_PORT, SERVICE_PORTS)}"


def another_page_port() -> str:
    """Return the setting of a port for the page that is free now."""
    return f"PAGE_PORT={free_port(ANOTHER_PAGE_PORT, 1)}, or PAGE_PORT=0 for a stack without a page"


def free_port(preferred: int, span: int, limit: int = 50) -> int:
    """Return the first port from ``preferred`` upwards that starts a run of ``span`` free ports."""
    for start in range(preferred, preferred + limit * span, span):
        if all(port_owner(port) is None for port in range(start, start + span)):
            return start
    return preferred
