"""One supervisord per stack. It owns the long-running programs, so they outlive flow run, worker and Prefect server.

It is started detached, configured with files and called over XML-RPC on a Unix socket. For the names used here, see
https://supervisord.org/configuration.html and https://supervisord.org/api.html.
"""

from __future__ import annotations

import subprocess
import sys
import xmlrpc.client
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
from supervisor.xmlrpc import Faults

from infra.host.clock import Clock, SystemClock
from infra.host.processes import end_processes, stack_processes
from infra.supervision.configuration import (
    FINAL_EXIT_CODES,
    clean_environment,
    forget_program,
    forget_programs,
    write_configuration,
    write_program,
)
from infra.supervision.control_socket import ask, release_socket, socket_of, supervisords
from trending.errors import LabError, NotOurs, NotReady, SupervisorUnreachable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from infra.stack.declaration import Program

__all__ = ["FINAL_EXIT_CODES", "ProgramStatus", "Supervisor", "clean_environment"]

START_SECONDS = 20.0
STOPPING_SECONDS = 60.0
"""Longer than any program's own stop time, after which supervisord kills it."""
QUESTION_SECONDS = 15.0
"""supervisord answers within milliseconds; if it takes this long, it is frozen or the machine is overloaded."""
IMPATIENT_SECONDS = 2.0
"""Shorter limit once it was silent, because a health check makes a dozen calls."""
ENDING_SECONDS = STOPPING_SECONDS + 5.0
_ENDINGS = frozenset({"supervisor.stopProcess", "supervisor.shutdown"})
"""Calls that end a process and so may take long."""


@dataclass(frozen=True)
class ProgramStatus:
    """A program's status in supervisord. ``state`` is RUNNING, STARTING, BACKOFF, FATAL, EXITED or STOPPED."""

    name: str
    state: str
    pid: int
    exit_code: int
    error: str
    started: float

    @property
    def alive(self) -> bool:
        """Whether its process runs or is about to."""
        return self.state in {"RUNNING", "STARTING"}

    @property
    def comes_back(self) -> bool:
        """Whether it has just died and supervisord restarts it, unless the restart budget is spent."""
        return self.state == "BACKOFF" or (self.state == "EXITED" and str(self.exit_code) not in FINAL_EXIT_CODES.split(","))


class Supervisor:
    """The supervisord of one directory: started on demand, extended by one program at a time, shut down at the end.

    ``end_command`` is the command with which a person can end it with all its programs.
    """

    def __init__(self, directory: Path, stack_id: str, end_command: str, clock: Clock | None = None) -> None:
        self._directory = directory
        self._end_command = end_command
        self._stack_id = stack_id
        self._clock = clock or SystemClock()
        self._patience = QUESTION_SECONDS

    @property
    def output(self) -> Path:
        """Directory of the programs' output."""
        return self._directory / "logs"

    def running(self) -> bool:
        """Whether the stack's own supervisord answers. If not, it may still live; see ``require_reachable``."""
        return self._who_answers() == self._stack_id

    def _who_answers(self) -> str:
        try:
            return str(self._call("supervisor.getIdentification"))
        except (NotReady, xmlrpc.client.Error):
            return ""

    def require_own(self) -> None:
        """Raise NotOurs where another home's supervisord answers here: then this is its directory under another path.

        As by a bind mount, or after a move. Its socket and its programs' declarations would be deleted under it.
        """
        theirs = self._who_answers()
        if theirs not in {"", self._stack_id}:
            cause = f"the supervisord of another home works here, since this is its directory under another path: {theirs}"
            way = "run the command where it was started; make status lists what a checkout that was moved has left"
            raise NotOurs(cause, str(self._directory), way)

    def lives(self) -> bool:
        """Whether a supervisord with the stack's mark lives, even if it does not answer."""
        return bool(supervisords(self._stack_id))

    def unreachable(self) -> str:
        """Return the evidence that a supervisord lives but does not answer; empty if one answers or none lives.

        It is frozen, very busy, or its socket was deleted. Its programs run on and may be well.
        """
        try:
            self.require_reachable()
        except SupervisorUnreachable as error:
            return error.evidence
        return ""

    def require_reachable(self) -> bool:
        """Return whether the supervisord answers; False if none lives. A single call decides, so that answers cannot differ.

        Raises SupervisorUnreachable if one lives but does not answer; its programs may be well. NotOurs as ``require_own``.
        """
        if self.running():
            return True
        self.require_own()
        silent = supervisords(self._stack_id)
        if not silent:
            return False
        socket = socket_of(self._directory)
        how = f"does not answer at {socket}" if socket.exists() else f"runs and its socket {socket} is gone"
        cause = f"supervisord of {self._stack_id} is there and can't be asked"
        way = f"{self._end_command} ends it by its mark and keeps the data; then once more"
        raise SupervisorUnreachable(cause, f"supervisord, pid {silent[0].pid}, {how}", way)

    def start(self) -> bool:
        """Start the supervisord unless it runs; returns whether it was started. Raises NotReady if it does not start."""
        # If a silent one lives, a second one would make every program run twice once the first continues.
        if self.require_reachable():
            return False
        self.output.mkdir(parents=True, exist_ok=True)
        socket_of(self._directory).unlink(missing_ok=True)
        configuration = write_configuration(self._directory, self._stack_id)
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)]
        done = subprocess.run(
            command,
            env=clean_environment(self._stack_id),
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
        deadline = self._clock.monotonic() + START_SECONDS
        while not self.running():
            if done.returncode or self._clock.monotonic() > deadline:
                cause = f"supervisord of {self._stack_id} did not start"
                raise NotReady(cause, (done.stderr or done.stdout).strip()[-400:], "make status")
            self._clock.sleep(0.02)
        return True

    def launch(self, program: Program) -> None:
        """Declare the program, replacing an earlier declaration, and start it without waiting for it."""
        self.remove(program.name)
        write_program(self._directory, program)
        self._call("supervisor.reloadConfig")
        self._call("supervisor.addProcessGroup", program.name)
        try:
            self._call("supervisor.startProcess", program.name, False)  # noqa: FBT003 - XML-RPC has no keywords
        except xmlrpc.client.Fault as fault:
            # It may die before supervisord answers or just after; the caller, which waits for it, notices either.
            if fault.faultCode not in {Faults.SPAWN_ERROR, Faults.ABNORMAL_TERMINATION}:
                raise

    def stop(self, name: str) -> None:
        """Stop a program and wait for its end; succeeds if it does not run or is not declared."""
        deadline = self._clock.monotonic() + STOPPING_SECONDS
        self._ask_to_stop(name)
        # For supervisord, a program is "not running" while another command stops it, and between its death and its next start.
        while (status := self.status(name)) is not None and (status.state in {"STOPPING", "STARTING"} or status.comes_back):
            if self._clock.monotonic() > deadline:
                cause = f"the program {name} does not end"
                raise LabError(cause, f"pid {status.pid}, {status.state}, {STOPPING_SECONDS:.0f} s", "make down")
            self._clock.sleep(0.05)
            if status.state != "STOPPING":
                self._ask_to_stop(name)

    def ask_to_stop(self, name: str) -> None:
        """Have a program end, and wait for nothing; succeeds if it does not run or is not declared."""
        self._ask_to_stop(name, waiting=False)

    def _ask_to_stop(self, name: str, *, waiting: bool = True) -> None:
        try:
            self._call("supervisor.stopProcess", name, waiting)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in {Faults.NOT_RUNNING, Faults.BAD_NAME}:
                raise

    def remove(self, name: str) -> None:
        """Stop a program and delete its declaration."""
        if self.status(name) is None:
            return
        self.stop(name)
        self._call("supervisor.removeProcessGroup", name)
        forget_program(self._directory, name)
        self._call("supervisor.reloadConfig")

    def status(self, name: str) -> ProgramStatus | None:
        """Return a program's status, or None if it is not declared or no supervisord lives.

        If one lives but does not answer, the status comes from the processes that carry the program's mark.
        """
        try:
            info = self._call("supervisor.getProcessInfo", name)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode in {Faults.BAD_NAME, Faults.SHUTDOWN_STATE}:
                return None
            raise
        except NotReady:
            return self._status_by_mark(name)
        return _to_status(info)

    def _status_by_mark(self, name: str) -> ProgramStatus | None:
        if not supervisords(self._stack_id):
            return None
        processes = [(process.create_time(), process.pid) for process in stack_processes(self._stack_id, name)]
        if not processes:
            return None
        started, pid = min(processes)  # the other processes are its children
        return ProgramStatus(name, "RUNNING", pid, 0, "", started)

    def shutdown(self) -> None:
        """Shut supervisord down with all its programs and delete their declarations; does nothing if there is none."""
        if self.running():
            self._shut_down()
        else:
            self.require_own()
            # A frozen one is resumed and ends its programs in order; otherwise it is killed and the caller must end them.
            end_processes(supervisords(self._stack_id), STOPPING_SECONDS)
        forget_programs(self._directory)
        if not supervisords(self._stack_id):
            release_socket(self._directory)

    def _shut_down(self) -> None:
        pid = int(self._call("supervisor.getPID"))
        self._call("supervisor.shutdown")
        deadline = self._clock.monotonic() + 60
        while self.running() or _exists(pid):
            if self._clock.monotonic() > deadline:
                cause = f"supervisord {pid} of {self._stack_id} does not end"
                raise LabError(cause, f"socket {socket_of(self._directory)}", f"kill -9 {pid}")
            self._clock.sleep(0.05)

    def _call(self, method: str, *arguments: object) -> Any:  # noqa: ANN401 - XML-RPC answers anything
        seconds = ENDING_SECONDS if method in _ENDINGS else self._patience
        try:
            answer = ask(socket_of(self._directory), seconds, method, *arguments)
        except NotReady:
            self._patience = min(self._patience, IMPATIENT_SECONDS)
            raise
        self._patience = QUESTION_SECONDS
        return answer


def _to_status(info: Mapping[str, Any]) -> ProgramStatus:
    return ProgramStatus(info["name"], info["statename"], info["pid"], info["exitstatus"], info["spawnerr"], float(info["start"]))


def _exists(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
