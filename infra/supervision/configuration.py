"""supervisord's configuration: its own, a section for each program, and the environment that they inherit."""

from __future__ import annotations

import re
import shlex
import sys
from typing import TYPE_CHECKING

from infra.host.environment import built_environment
from infra.host.paths import BUDGET_FILE
from infra.host.processes import COMPONENT_VARIABLE, STACK_VARIABLE
from infra.supervision.control_socket import CONFIGURATION, place_socket
from infra.supervision.private_files import write_environment, write_private
from trending.errors import ConfigurationConflict, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from infra.stack.declaration import Program

LOG_BYTES = "10MB"
FINAL_EXIT_CODES = f"{InvalidInput.exit_code},{ConfigurationConflict.exit_code}"
"""Exit codes after which a restart would only fail again. Any other, including 0, is unexpected: programs run for ever."""
_TOO_MUCH = re.compile(r"""["'\r\n]|\s[;#]""")
"""What a value in the configuration cannot contain: quotes have no escape, and comments begin even within quotes."""


def write_configuration(directory: Path, stack_id: str) -> Path:
    """Write supervisord's own configuration and an empty directory for its programs; returns the configuration's path.

    The configuration records the socket's path.
    """
    programs(directory).mkdir(mode=0o700, exist_ok=True)
    programs(directory).chmod(0o700)
    forget_programs(directory)
    path = directory / CONFIGURATION
    write_private(path, _render(directory, place_socket(directory), stack_id))
    return path


def programs(directory: Path) -> Path:
    """Return the directory of the programs' declarations."""
    return directory / "programs"


def write_program(directory: Path, program: Program) -> None:
    """Write the section of a program. Its secrets, and values that a section cannot contain, go to a file beside it."""
    environment = {**program.environment, COMPONENT_VARIABLE: program.name, "TRENDING_DRIFT": program.drift_hash}
    beside = {**{name: value for name, value in environment.items() if _TOO_MUCH.search(value)}, **program.secrets}
    command = program.command
    if beside:
        file = programs(directory) / f"{program.name}.environment"
        write_environment(file, beside)
        command = (sys.executable, "-m", "infra.supervision.private_files", str(file), *command)
    shown = {name: value for name, value in environment.items() if name not in beside}
    write_private(programs(directory) / f"{program.name}.conf", _section(program, command, shown))


def forget_program(directory: Path, name: str) -> None:
    """Delete a program's declaration."""
    for suffix in ("conf", "environment"):
        (programs(directory) / f"{name}.{suffix}").unlink(missing_ok=True)


def forget_programs(directory: Path) -> None:
    """Delete all declarations: they may contain secrets and are written again when needed."""
    for leftover in programs(directory).glob("*"):
        leftover.unlink(missing_ok=True)


def clean_environment(stack_id: str) -> Mapping[str, str]:
    """Return the environment of a supervisord, which its programs inherit: the one that the lab builds, and the mark."""
    return {**built_environment(), STACK_VARIABLE: stack_id}


def _escape(value: str) -> str:
    return value.replace("%", "%%")


def _render(directory: Path, socket: Path, stack_id: str) -> str:
    return f"""[supervisord]
identifier={stack_id}
directory={_escape(str(directory))}
logfile=supervisord.log
logfile_maxbytes={LOG_BYTES}
logfile_backups=1
pidfile=supervisord.pid
childlogdir=logs
umask=077

[unix_http_server]
file={_escape(str(socket))}
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[eventlistener:budget]
command={_escape(shlex.join([sys.executable, "-m", "infra.supervision.budget", str(directory / BUDGET_FILE)]))}
events=PROCESS_STATE_EXITED,PROCESS_STATE_BACKOFF
environment={COMPONENT_VARIABLE}="budget"
stderr_logfile=logs/budget.err.log

[include]
files=programs/*.conf
"""


def _section(program: Program, command: tuple[str, ...], environment: Mapping[str, str]) -> str:
    pairs = ",".join(f'{name}="{_escape(value)}"' for name, value in environment.items())
    return f"""[program:{program.name}]
command={_escape(shlex.join(command))}
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
