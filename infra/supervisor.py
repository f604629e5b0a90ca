"""One supervisord a stack: it owns the long-running programs, so that they outlive flow run, worker and Prefect server.

supervisord is used as a library of the operating system's kind: started detached, configured by files, asked over XML-RPC on a
Unix socket. https://supervisord.org/configuration.html and https://supervisord.org/api.html are the source of every name here.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import xmlrpc.client
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
from supervisor.xmlrpc import Faults, SupervisorTransport

from infra.budget import BUDGET_FILE
from infra.clock import Clock, SystemClock
from infra.processes import COMPONENT_VARIABLE, STACK_VARIABLE
from trending.errors import ConfigurationConflict, InvalidInput, LabError, NotReady

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from infra.stack import Program

START_SECONDS = 20.0
STOPPING_SECONDS = 60.0
"""Longer than any program's own stop time, after which supervisord kills it."""
LOG_BYTES = "10MB"
FINAL_EXIT_CODES = f"{InvalidInput.exit_code},{ConfigurationConflict.exit_code}"
"""Exits after which a restart could only fail again; any other one, 0 included, is unexpected of a program that runs for ever."""


@dataclass(frozen=True)
class ProgramStatus:
    """What supervisord says of a program. ``state`` is its word: RUNNING, STARTING, BACKOFF, FATAL, EXITED, STOPPED."""

    name: str
    state: str
    pid: int
    exit_code: int
    error: str
    started: float

    @property
    def alive(self) -> bool:
        """Whether a process of it runs or is about to."""
        return self.state in {"RUNNING", "STARTING"}


class Supervisor:
    """The supervisord of one directory: started on demand, given programs one by one, shut down at the end."""

    def __init__(self, directory: Path, socket: Path, stack_id: str, clock: Clock | None = None) -> None:
        self._directory = directory
        self._socket = socket
        self._stack_id = stack_id
        self._clock = clock or SystemClock()

    @property
    def _configuration(self) -> Path:
        return self._directory / "supervisord.conf"

    @property
    def logs(self) -> Path:
        """Where the programs' output goes."""
        return self._directory / "logs"

    def running(self) -> bool:
        """Whether the supervisord answers."""
        try:
            self._call("supervisor.getState")
        except (OSError, xmlrpc.client.Error):
            return False
        return True

    def start(self) -> bool:
        """Start the supervisord unless it runs; returns whether it was started. Raises NotReady when it does not answer."""
        if self.running():
            return False
        self.logs.mkdir(parents=True, exist_ok=True)
        programs = self._directory / "programs"
        programs.mkdir(exist_ok=True)
        for leftover in programs.glob("*.conf"):
            leftover.unlink()
        self._socket.unlink(missing_ok=True)
        self._configuration.write_text(self._render(), encoding="utf-8")
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._configuration)]
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
        """Declare the program (anew, if it was declared before) and start it without waiting for it."""
        self.remove(program.name)
        (self._directory / "programs" / f"{program.name}.conf").write_text(self._section(program), encoding="utf-8")
        self._call("supervisor.reloadConfig")
        self._call("supervisor.addProcessGroup", program.name)
        self._call("supervisor.startProcess", program.name, False)  # noqa: FBT003 - XML-RPC has no keywords

    def stop(self, name: str) -> None:
        """Stop a program and wait for its end; a program that does not run, or is not known, is fine."""
        try:
            self._call("supervisor.stopProcess", name)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in {Faults.NOT_RUNNING, Faults.BAD_NAME}:
                raise
        # A program that somebody else is stopping is "not running" for supervisord, and still there.
        deadline = self._clock.monotonic() + STOPPING_SECONDS
        while (status := self.status(name)) is not None and status.state == "STOPPING":
            if self._clock.monotonic() > deadline:
                cause = f"the program {name} does not end"
                raise LabError(cause, f"pid {status.pid}, {STOPPING_SECONDS:.0f} s", "make down")
            self._clock.sleep(0.05)

    def remove(self, name: str) -> None:
        """Stop a program and forget it."""
        if self.status(name) is None:
            return
        self.stop(name)
        self._call("supervisor.removeProcessGroup", name)
        (self._directory / "programs" / f"{name}.conf").unlink(missing_ok=True)
        self._call("supervisor.reloadConfig")

    def status(self, name: str) -> ProgramStatus | None:
        """Return what is known of a program, or None where it is not declared or no supervisord answers."""
        try:
            info = self._call("supervisor.getProcessInfo", name)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode in {Faults.BAD_NAME, Faults.SHUTDOWN_STATE}:
                return None
            raise
        except OSError:
            return None
        return _to_status(info)

    def shutdown(self) -> None:
        """Shut supervisord down with everything it still runs; nothing happens where none answers."""
        if not self.running():
            return
        pid = int(self._call("supervisor.getPID"))
        self._call("supervisor.shutdown")
        deadline = self._clock.monotonic() + 60
        while self.running() or _exists(pid):
            if self._clock.monotonic() > deadline:
                cause = f"supervisord {pid} of {self._stack_id} does not end"
                raise LabError(cause, f"socket {self._socket}", f"kill -9 {pid}")
            self._clock.sleep(0.05)

    def _call(self, method: str, *arguments: object) -> Any:  # noqa: ANN401 - XML-RPC answers anything
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport) as proxy:
            return getattr(proxy, method)(*arguments)

    def _render(self) -> str:
        return f"""[supervisord]
identifier={self._stack_id}
directory={_escape(str(self._directory))}
logfile=supervisord.log
logfile_maxbytes={LOG_BYTES}
logfile_backups=1
pidfile=supervisord.pid
childlogdir=logs
umask=077

[unix_http_server]
file={_escape(str(self._socket))}
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[eventlistener:budget]
command={_escape(shlex.join([sys.executable, "-m", "infra.budget", str(self._directory / BUDGET_FILE)]))}
events=PROCESS_STATE_EXITED,PROCESS_STATE_BACKOFF
environment={COMPONENT_VARIABLE}="budget"
stderr_logfile=logs/budget.err.log

[include]
files=programs/*.conf
"""

    def _section(self, program: Program) -> str:
        environment = {**program.environment, COMPONENT_VARIABLE: program.name, "TRENDING_DRIFT": program.drift_hash}
        pairs = ",".join(f'{name}="{_escape(value)}"' for name, value in environment.items())
        return f"""[program:{program.name}]
command={_escape(shlex.join(program.command))}
environment={pairs}
autostart=false
autorestart=unexpected
exitcodes={FINAL_EXIT_CODES}
startsecs=1
startretries=3
stopsignal=TERM
stopwaitsecs={program.stop_seconds}
stopasgroup=false
killasgroup=true
stdout_logfile=logs/{program.name}.out.log
stderr_logfile=logs/{program.name}.err.log
stdout_logfile_maxbytes={LOG_BYTES}
stderr_logfile_maxbytes={LOG_BYTES}
stdout_logfile_backups=2
stderr_logfile_backups=2
"""


def clean_environment(stack_id: str) -> Mapping[str, str]:
    """Return the environment of programs: ours without Prefect's and the settings' variables, UTF-8, marked with the stack."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "TRENDING_"))}
    return {**kept, "LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1", STACK_VARIABLE: stack_id}


def _escape(value: str) -> str:
    return value.replace("%", "%%")


def _to_status(info: Mapping[str, Any]) -> ProgramStatus:
    return ProgramStatus(info["name"], info["statename"], info["pid"], info["exitstatus"], info["spawnerr"], float(info["start"]))


def _exists(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
