"""Whether ``make clean`` may delete the checkout's virtual environment and home: only when nothing runs from them.

It needs the standard library only, because it runs before the virtual environment is deleted, or where there is none.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from infra.console.crash_reports import run_reported
from infra.host.paths import CHECKOUT, StackPaths

MARK = "TRENDING_STACK_ID"
LABEL = "trending.stack"
ALIVE = frozenset({"running", "paused", "restarting"})
ENGINE_SECONDS = 5.0
DEFAULT_HOST = "unix:///var/run/docker.sock"
HTTP_OK = 200


class EngineSilentError(Exception):
    """Docker cannot be asked, and why."""


class Process(NamedTuple):
    """A process; ``marks`` are the stack ids in its environment. What is another user's can be read of its command alone."""

    pid: int
    command: list[str]
    marks: list[str]
    directory: str


def running_processes(home: Path, venv: Path) -> list[str]:
    """Return the processes that use what is to be deleted, but for this one and those that it was started by.

    They carry the mark of a stack of ``home``, were started from ``venv``, or have their working directory in one of the two: all
    programs of a checkout that was moved while they ran have, and their marks are the old place's.
    """
    own = _ancestors()
    return [
        f"pid {each.pid}: {' '.join(each.command)[:100]}"
        for each in _processes()
        if each.pid not in own and (_marked(each, home) or _lives_in(each, home) or _lives_in(each, venv))
    ]


def _marked(process: Process, home: Path) -> bool:
    return any(mark.endswith(suffix_of(home)) for mark in process.marks)


def _lives_in(process: Process, place: Path) -> bool:
    inside = f"{place}{os.sep}"
    return (
        process.directory == str(place) or process.directory.startswith(inside) or any(inside in word for word in process.command)
    )


def suffix_of(home: Path) -> str:
    """Return the end of the ids of all stacks of ``home``."""
    return StackPaths(home, "").stack_id


def _processes() -> list[Process]:
    proc = Path("/proc")
    return _of_proc(proc) if (proc / "self" / "environ").exists() else _of_ps()


def _of_proc(proc: Path) -> list[Process]:
    found = []
    for entry in proc.glob("[0-9]*"):
        command = [os.fsdecode(word) for word in _words(entry / "cmdline")]
        variables = [os.fsdecode(word) for word in _words(entry / "environ")]
        directory = ""
        with suppress(OSError):  # another user's
            directory = str(entry.joinpath("cwd").readlink())
        if command and os.sep in command[0]:  # make's own way to start it is relative: .venv/bin/python
            command[0] = os.path.abspath(os.path.join(directory, command[0]))  # noqa: PTH100, PTH118 - links stay
        marks = [each.partition("=")[2] for each in variables if each.startswith(f"{MARK}=")]
        found.append(Process(int(entry.name), command, marks, directory))
    return found


def _words(file: Path) -> list[bytes]:
    try:
        return [word for word in file.read_bytes().split(b"\0") if word]
    except OSError:  # it has ended, or is another user's
        return []


def _of_ps() -> list[Process]:
    # BSD's ps, as on macOS, appends the environment to the command.
    listed = subprocess.run(["ps", "axwwE", "-o", "pid=,command="], capture_output=True, check=True)
    found = []
    for line in listed.stdout.decode("utf-8", "replace").splitlines():
        pid, _space, rest = line.strip().partition(" ")
        words = rest.split()
        marks = [word.partition("=")[2] for word in words if word.startswith(f"{MARK}=")]
        found.append(Process(int(pid), [word for word in words if "=" not in word], marks, ""))
    return found


def _ancestors() -> set[int]:
    """Return this process and those that it was started by, which are make's and the shell's."""
    own, pid = set(), os.getpid()
    while pid > 1 and pid not in own:
        own.add(pid)
        pid = _parent(pid)
    return own


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # no Linux
        answer = subprocess.run(["ps", "-o", "ppid=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return int(answer.stdout.strip() or 0)


def docker_things(home: Path) -> tuple[list[str], list[str]]:
    """Return the containers of the home's stacks that run, and their volumes; raises EngineSilentError."""
    filters = quote(json.dumps({"label": [LABEL]}))
    containers = _ask(f"/containers/json?all=1&filters={filters}")
    volumes = _ask(f"/volumes?filters={filters}")["Volumes"] or []
    suffix = suffix_of(home)
    running = [
        f"container {each['Names'][0].lstrip('/')}, {each['State']}"
        for each in containers
        if each["Labels"].get(LABEL, "").endswith(suffix) and each["State"] in ALIVE
    ]
    return running, [each["Name"] for each in volumes if (each["Labels"] or {}).get(LABEL, "").endswith(suffix)]


def _ask(path: str) -> Any:  # noqa: ANN401 - JSON of the engine's
    host = _host()
    address = urlsplit(host)
    if address.scheme == "unix":
        connection = http.client.HTTPConnection("localhost", timeout=ENGINE_SECONDS)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(ENGINE_SECONDS)
    elif address.scheme in {"tcp", "http"} and not os.environ.get("DOCKER_TLS_VERIFY"):
        connection = http.client.HTTPConnection(address.hostname or "", address.port or 2375, timeout=ENGINE_SECONDS)
    else:
        reason = f"this asks no engine at {host}"
        raise EngineSilentError(reason)
    try:
        if address.scheme == "unix":
            connection.sock.connect(address.path)
        connection.request("GET", path)
        answer = connection.getresponse()
        content = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = f"no answer at {host}: {error}"
        raise EngineSilentError(reason) from error
    finally:
        connection.close()
    if answer.status != HTTP_OK:
        reason = f"{host} refuses: {content}"
        raise EngineSilentError(reason)
    return content


def _host() -> str:
    """Return the engine's address as Docker's own client finds it: variable, context, default."""
    if os.environ.get("DOCKER_HOST"):
        return os.environ["DOCKER_HOST"]
    directory = Path(os.environ.get("DOCKER_CONFIG") or Path("~").expanduser() / ".docker")
    try:
        current = json.loads((directory / "config.json").read_bytes()).get("currentContext", "")
    except (OSError, ValueError, AttributeError):
        current = ""
    context = os.environ.get("DOCKER_CONTEXT") or current
    if context in {"", "default"}:
        return DEFAULT_HOST
    try:
        from hashlib import sha256  # noqa: PLC0415 - nobody else needs it

        meta = directory / "contexts" / "meta" / sha256(context.encode()).hexdigest() / "meta.json"
        return str(json.loads(meta.read_bytes())["Endpoints"]["docker"]["Host"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"the Docker context {context} cannot be read: {error}"
        raise EngineSilentError(reason) from error


def stacks_in_docker(home: Path) -> list[str]:
    """Return the stacks of which Docker may have something: those of its runtime, and those whose state cannot be read.

    One that is wanted down may run all the same: a take-down that could not reach Docker has left it there.
    """
    found = []
    for paths in StackPaths.all(home):
        try:
            state = json.loads(paths.state.read_bytes())
            in_use = state["runtime"] != "embedded"
        except FileNotFoundError:
            in_use = False
        except (OSError, ValueError, KeyError, TypeError):
            in_use = True
        if in_use:
            found.append(f"{paths.name} ({paths.state})")
    return sorted(found)


def refusal(home: Path, venv: Path) -> list[str]:
    """Return why nothing may be deleted now, as lines; empty if it may. What could not be seen, and what stays, is printed."""
    running = running_processes(home, venv)
    try:
        containers, volumes = docker_things(home)
    except EngineSilentError as silence:
        containers, volumes = [], []
        sys.stdout.write(f"whether Docker has something of this checkout could not be seen ({silence})\n")
        running += [
            f"perhaps the stack {name}: its state says Docker, which could not be asked" for name in stacks_in_docker(home)
        ]
    if running or containers:
        return [*running, *containers]
    if volumes:
        sys.stdout.write(f"these volumes with data stay: {', '.join(volumes)}; make up adopts them\n")
    return []


def main() -> None:
    """``python -m infra.commands.clean VENV``: exit with 1 and the reasons if something runs."""
    home, venv = (CHECKOUT / ".trending").resolve(), Path(os.path.abspath(sys.argv[1]))  # noqa: PTH100 - a link stays one
    reasons = refusal(home, venv)
    if reasons:
        sys.stderr.write("error: nothing was deleted, because this runs:\n")
        sys.stderr.writelines(f"  {reason}\n" for reason in reasons)
        sys.stderr.write(
            "  next: make down (NAME=… for another stack) and make serve-stop end what is the lab's; for Docker, start it,"
            " or delete the state file that is named if Docker is gone for good\n"
        )
        sys.exit(1)


if __name__ == "__main__":
    run_reported(main)
