"""Whether ``make clean`` may delete the checkout's virtual environment and home: only when nothing runs from them.

It needs the standard library only, because it runs before the virtual environment is deleted, or where there is none.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, NoReturn

from infra.commands.relocation import PATH_FILE
from infra.console.crash_reports import run_reported
from infra.docker.listing import is_copy, list_labelled
from infra.docker.presence import plain_address
from infra.host.paths import CHECKOUT, StackPaths, lives_elsewhere
from infra.stack.belongings import linked_in_home, strange_in_home
from trending.errors import EngineUnavailable

MARK = "TRENDING_STACK_ID"
NAME = "TRENDING_STACK_NAME"
HOME = "TRENDING_STACK_HOME"
LABEL = "trending.stack"
ALIVE = frozenset({"running", "paused", "restarting"})
ENGINE_SECONDS = 5.0


class Process(NamedTuple):
    """A process; ``marks`` are the stack ids in its environment, ``stack`` and ``home`` whose it says that it is.

    What is another user's can be read of its command alone.
    """

    pid: int
    command: list[str]
    marks: list[str]
    directory: str
    stack: str = ""
    home: str = ""


def running_processes(home: Path, venv: Path) -> list[Process]:
    """Return the processes that use what is to be deleted, but for this one and those that it was started by.

    They carry the mark of a stack of ``home``, were started from ``venv`` or name it, as set-up does, or work in one of the two:
    all programs of a checkout that was moved while they ran do, and their marks are the old place's.
    """
    own = _ancestors()
    return [
        each
        for each in _processes()
        if each.pid not in own and (_marked(each, home) or _lives_in(each, home) or _lives_in(each, venv))
    ]


def _marked(process: Process, home: Path) -> bool:
    return any(mark.endswith(suffix_of(home)) for mark in process.marks)


def _lives_in(process: Process, place: Path) -> bool:
    inside = f"{place}{os.sep}"
    # A word alone is the place in the set-up: python3 -m venv .venv.
    named = any(inside in word or os.path.join(process.directory, word) == str(place) for word in process.command)  # noqa: PTH118
    return process.directory == str(place) or process.directory.startswith(inside) or named


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
        marks, names, homes = (
            [each.partition("=")[2] for each in variables if each.startswith(f"{name}=")] for name in (MARK, NAME, HOME)
        )
        home = "".join(homes[:1])
        if lives_elsewhere(int(entry.name), home):
            continue
        found.append(Process(int(entry.name), command, marks, directory, "".join(names[:1]), home))
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
    """Return the containers of the home's stacks that run, and their volumes; raises EngineUnavailable."""
    address = plain_address()
    if address is None:
        cause = "Docker's context or DOCKER_HOST has no address that can be asked without Docker's own client"
        raise EngineUnavailable(cause)
    listing = list_labelled(address, LABEL, ENGINE_SECONDS)
    suffix = suffix_of(home)
    containers, volumes = (
        [each for each in kind if (mark := each.labels.get(LABEL, "")).endswith(suffix) and not is_copy(each.name, mark)]
        for kind in (listing.containers, listing.volumes)
    )
    running = [f"container {each.name}, {each.state}" for each in containers if each.state in ALIVE]
    return running, [each.name for each in volumes]


def stacks_in_docker(home: Path) -> dict[str, str]:
    """Return the stacks of which Docker may have something: those of its runtime, and those whose state cannot be read.

    A stack's name with its state file → the variable that leads to its engine, empty where it is not known. One that is wanted
    down may run all the same: a take-down that could not reach Docker has left it there.
    """
    found = {}
    for paths in StackPaths.all(home):
        try:
            state = json.loads(paths.state.read_bytes())
            in_use, made_at = state["runtime"] != "embedded", str(state.get("engine", ""))
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            in_use, made_at = True, ""
        if in_use:
            found[f"{paths.name} ({paths.state})"] = made_at
    return found


def stacks_elsewhere(home: Path) -> list[str]:
    """Return the stacks that are in another engine than the one that this shell asks."""
    address = plain_address()
    here = address.variable if address else ""
    return [
        f"perhaps the stack {name}: it is in the Docker engine of {made_at}, and this shell asks that of {here}"
        for name, made_at in stacks_in_docker(home).items()
        if made_at not in {"", here}
    ]


def kept_elsewhere(home: Path) -> list[str]:
    """Return what stacks have made outside of the home, a line a stack: after the deletion no command knows of it."""
    lines = []
    for paths in StackPaths.all(home):
        try:
            state = json.loads(paths.state.read_bytes())
            url = state.get("settings", {}).get("serving", {}).get("store_url", "")
            things = [
                *state.get("checkpoints_made", ()),
                *(f"the topic {topic}" for topic in state.get("topics_made", {})),
                *([f"a schema in {url}"] if url.startswith("postgresql") else ()),
            ]
        except (OSError, ValueError, AttributeError):
            continue
        if things:
            lines.append(f"this stays of the stack {paths.name}, to be deleted by hand: {', '.join(things)}")
    return lines


def refusal(home: Path, venv: Path) -> list[str]:
    """Return why nothing may be deleted now, as lines; empty if it may. What could not be seen, and what stays, is printed."""
    running = [f"pid {each.pid}: {' '.join(each.command)[:100]}" for each in running_processes(home, venv)]
    try:
        containers, volumes = docker_things(home)
        running += stacks_elsewhere(home)
    except EngineUnavailable as error:
        containers, volumes = [], []
        sys.stdout.write(f"whether Docker has something of this checkout could not be seen ({error.cause})\n")
        running += [
            f"perhaps the stack {name}: its state says Docker, which could not be asked" for name in stacks_in_docker(home)
        ]
    if running or containers:
        return [*running, *containers]
    if volumes:
        sys.stdout.write(f"these volumes with data stay: {', '.join(volumes)}; make up adopts them\n")
    return []


def left_by_a_move(home: Path, venv: Path) -> list[str]:
    """Return the commands that end what ran while this checkout was at another place, which is gone."""
    gone = {(each.stack, each.home) for each in running_processes(home, venv) if each.home and not Path(each.home).is_dir()}
    return [
        f"make down NAME={name.replace('_', '-')} LEFT_BY={shlex.quote(place.replace('$', '$$'))}" for name, place in sorted(gone)
    ]


def reason_to_keep(venv: Path) -> str:
    """Return why a directory may not be deleted as the virtual environment; empty if the set-up made it, or there is none.

    The set-up's path file names the checkout. After a move it names a place that is gone, and a copy's that of the original.
    """
    if venv == CHECKOUT / ".venv" or not os.path.lexists(venv):
        return ""
    if venv.is_symlink() or not (venv / "pyvenv.cfg").is_file():
        return f"{venv} is no virtual environment"
    files = sorted(venv.glob(f"lib/python3*/site-packages/{PATH_FILE}"))
    places = {Path(file.read_text(encoding="utf-8").partition("\n")[0]) for file in files}
    if not places:
        return f"{venv} is a virtual environment that this lab's set-up did not make"
    others = [place for place in places if place != CHECKOUT and place.is_dir()]
    return f"{venv} is the virtual environment of the checkout {others[0]}" if others else ""


def _refuse_for(kept: list[Path]) -> NoReturn:
    sys.stderr.write("error: nothing was deleted, because the lab did not make this, or it lies behind a link:\n")
    sys.stderr.writelines(f"  {place}{f' leads to {os.path.realpath(place)}' if place.is_symlink() else ''}\n" for place in kept)
    sys.stderr.write("  next: move it away, or delete it by hand, then make clean\n")
    sys.exit(1)


def main() -> None:
    """``python -m infra.commands.clean VENV``: exit with 1 and the reasons if something runs."""
    home, venv = (CHECKOUT / ".trending").resolve(), Path(os.path.abspath(sys.argv[1]))  # noqa: PTH100 - a link stays one
    if why := reason_to_keep(venv):
        sys.stderr.write(
            f"error: VENV={sys.argv[1]} is not deleted, and nothing else was: {why}\n"
            "  next: make clean deletes what make made in this checkout; what else is to go, delete by hand\n"
        )
        sys.exit(1)
    if kept := [*linked_in_home(CHECKOUT / ".trending"), *strange_in_home(home)]:
        _refuse_for(kept)
    reasons = refusal(home, venv)
    if reasons:
        sys.stderr.write("error: nothing was deleted, because this runs:\n")
        sys.stderr.writelines(f"  {reason}\n" for reason in reasons)
        for way in left_by_a_move(home, venv):
            sys.stderr.write(f"  next: {way} ends what ran when this checkout was moved\n")
        sys.stderr.write(
            "  next: make down (with NAME=… for another stack) and make serve-stop end what the lab has started. If Docker could"
            " not be asked, start it; if it is gone for good, delete the state file that is named\n"
        )
        sys.exit(1)
    sys.stdout.writelines(f"{line}\n" for line in kept_elsewhere(home))


if __name__ == "__main__":
    run_reported(main)
