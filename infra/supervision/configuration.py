"""supervisord's configuration: its own, a section for each program, and the environment that they inherit."""

from __future__ import annotations

import json
import re
import shlex
import sys
from typing import TYPE_CHECKING

from infra.host.environment import built_environment
from infra.host.marks import mark_variables
from infra.host.paths import BUDGET_FILE, require_usable_path
from infra.host.processes import COMPONENT_VARIABLE
from infra.supervision.budget import NAME as BUDGET
from infra.supervision.control_socket import CONFIGURATION, DIRECTORY, place_socket
from infra.supervision.private_files import write_environment
from trending.errors import ConfigurationConflict, DamagedFile, InvalidInput
from trending.private_file import write_private

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from infra.stack.declaration import Program

LOG_BYTES = "10MB"
FINAL_EXIT_CODES = ",".join(str(error.exit_code) for error in (InvalidInput, ConfigurationConflict, DamagedFile))
"""Exit codes after which a restart would only fail again. Any other, including 0, is unexpected: programs run for ever."""
_TOO_MUCH = re.compile(r"""["'\r\n]|\s[;#]""")
"""What a value in the configuration cannot contain: quotes have no escape, and comments begin even within quotes."""
_COMMENT = re.compile(r"(?<=\s)(?=[;#])")
PROGRAMS_BELOW = "; programs\n"
"""Sections of programs follow. supervisord could include them from files, but takes the path to those for a glob pattern."""
_INCLUDE = re.compile(r"^\[include\]\nfiles=.*\n", re.MULTILINE)
"""How an earlier version did, whose supervisord may still run."""


def write_configuration(directory: Path, stack_id: str) -> Path:
    """Write supervisord's own configuration and an empty directory for its programs; returns the configuration's path.

    The configuration records the socket's path. Raises InvalidInput for a directory whose path no configuration can contain.
    """
    require_usable_path(directory)
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
    if text := _put_together(directory):
        write_private(directory / CONFIGURATION, text)


def forget_program(directory: Path, name: str) -> None:
    """Delete a program's declaration."""
    for suffix in ("conf", "environment"):
        (programs(directory) / f"{name}.{suffix}").unlink(missing_ok=True)
    _shorten(directory)


def _put_together(directory: Path) -> str:
    """Return supervisord's configuration with the sections of the programs that there are; empty if it has none."""
    try:
        text = (directory / CONFIGURATION).read_text(encoding="utf-8", errors="replace")  # a damaged one is no reason to stop
        own, _marker, _programs = text.partition(PROGRAMS_BELOW)
    except FileNotFoundError:
        return ""
    sections = [each.read_text(encoding="utf-8") for each in sorted(programs(directory).iterdir()) if each.suffix == ".conf"]
    return "".join([_INCLUDE.sub("", own), PROGRAMS_BELOW, *sections])


def _shorten(directory: Path) -> None:
    """Take what is not declared any more out of the configuration, in place: on a full disk too a stack can be taken down.

    Supervisord's own section, which others may be reading at that moment, stands before that and stays as it is.
    """
    if text := _put_together(directory):
        with (directory / CONFIGURATION).open("r+", encoding="utf-8") as file:
            file.write(text)
            file.truncate()


def forget_programs(directory: Path) -> None:
    """Delete all declarations: they may contain secrets and are written again when needed."""
    for leftover in programs(directory).iterdir() if programs(directory).is_dir() else ():
        leftover.unlink(missing_ok=True)
    _shorten(directory)


def clean_environment(stack_id: str) -> Mapping[str, str]:
    """Return the environment of a supervisord, which its programs inherit: the one that the lab builds, and the mark."""
    return {**built_environment(), **mark_variables(stack_id)}


def _escape(value: str) -> str:
    return value.replace("%", "%%")


def _command(words: Iterable[str]) -> str:
    """Return a command line as supervisord splits it again, by shlex.

    It expands % first, and before that takes a ; or # after a space for the beginning of a comment, in quotes too: so the quotes
    are closed and opened again between the two.
    """
    return _escape(" ".join(_COMMENT.sub("''", shlex.quote(word)) for word in words))


def _render(directory: Path, socket: Path, stack_id: str) -> str:
    # supervisord is started in its directory, and relative paths are relative to that: no setting of its own can hold every path.
    return f"""{DIRECTORY}{json.dumps(str(directory))}
[supervisord]
identifier={stack_id}
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
command={_command([sys.executable, "-m", "infra.supervision.budget", str(directory / BUDGET_FILE)])}
events=PROCESS_STATE_EXITED,PROCESS_STATE_BACKOFF,TICK_5
environment={COMPONENT_VARIABLE}="{BUDGET}"
stderr_logfile=logs/budget.err.log

{PROGRAMS_BELOW}"""


def _section(program: Program, command: tuple[str, ...], environment: Mapping[str, str]) -> str:
    pairs = ",".join(f'{name}="{_escape(value)}"' for name, value in environment.items())
    return f"""[program:{program.name}]
command={_command(command)}
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
