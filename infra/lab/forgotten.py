"""Stacks that no state file leads to, as of checkouts that were moved or deleted: listed wherever one looks, ended when named."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from infra.console.reporting import say
from infra.docker.marks import marked_things, remove_marked
from infra.docker.presence import engine_answers
from infra.host.marks import Mark, forgotten_processes, require_homeless
from infra.host.paths import StackPaths, lab_home
from infra.host.processes import end_processes, require_ended, stack_processes
from infra.lab.remains import LOOK_SECONDS, SUPERVISORD
from infra.supervision.control_socket import supervisords
from trending.text import for_make

if TYPE_CHECKING:
    from infra.docker.marks import MarkedThings

PROGRAMS_SECONDS = 60.0
"""supervisord ends its programs in order, the broker last."""
END_SECONDS = 5.0
RUN, DATA = "run", "data"
"""Of a stack's directory, as StackPaths has them."""


def forgotten_lines(stack: str, seen: MarkedThings | None = None) -> list[str]:
    """Return a line for each stack but ``stack`` that no state file leads to: whose it is, what is there, what to do next.

    ``seen`` is what Docker was just seen to have; where it is None, Docker is asked.
    """
    docker = (seen or marked_things(LOOK_SECONDS)).forgotten()
    found: dict[Mark, list[str]] = {}
    for mark, component, pid in forgotten_processes():
        found.setdefault(mark, []).append(f"{component or SUPERVISORD} (process pid {pid})")
    for things in (docker.things, docker.volumes):
        for mark, names in things.items():
            found.setdefault(mark, []).extend(names)
    own = StackPaths.of(stack).stack_id
    return [_line(mark, names, data=mark in docker.volumes) for mark, names in sorted(found.items()) if mark.stack_id != own]


def _line(mark: Mark, things: list[str], *, data: bool) -> str:
    what = f"{mark.called}: {', '.join(things)}"
    if mark.home == str(lab_home()) and not mark.homeless:
        return f"of this checkout, without a state file: {what}; make status NAME={mark.called} says what can be done"
    end = f"make down NAME={mark.called} LEFT_BY={for_make(mark.home)} ends it"
    keeps = ", with VOLUMES=1 it deletes the data too" if data else ""
    return f"of a checkout that was moved or deleted ({mark.home}, user {mark.user}): {what}; {end}{keeps}"


def take_down_homeless(name: str, home: str, *, volumes: bool) -> bool:
    """End what carries the mark of a stack whose home is gone; its data in Docker goes only with ``volumes``.

    Returns whether there was anything. Raises InvalidInput if that home is there.
    """
    ids = require_homeless(name, home)
    processes = _processes(ids)
    places = _data_of(processes)
    end_processes([each for stack_id in ids for each in supervisords(stack_id)], PROGRAMS_SECONDS)
    require_ended(end_processes(_processes(ids), END_SECONDS), name, "make down once more")
    silence = engine_answers() or ""
    removed = [] if silence else _remove(ids, volumes=volumes)
    but = f"; what Docker has of it could not be seen ({silence})" if silence else ""
    things = [*(f"process {process.pid}" for process in processes), *removed]
    say(f"of {name} of {home}, {', '.join(things) or 'nothing'} was there{' and is gone' if things else ''}{but}")
    for place in places:
        say(f"its data in files stays in {place}, and make down NAME={name} VOLUMES=1 deletes it in that checkout")
    return bool(things)


def _data_of(processes: list[psutil.Process]) -> list[Path]:
    """Return where the data in files of these programs lies now: they work beside it, wherever their checkout was moved to."""
    found = set()
    for process in processes:
        with suppress(psutil.Error, OSError):
            place = Path(process.cwd())
            if place.name == RUN and (place.parent / DATA).is_dir():
                found.add(place.parent / DATA)
    return sorted(found)


def _processes(ids: tuple[str, ...]) -> list[psutil.Process]:
    return [process for stack_id in ids for process in stack_processes(stack_id)]


def _remove(ids: tuple[str, ...], *, volumes: bool) -> list[str]:
    from infra.docker.engine import engine  # noqa: PLC0415 - it imports the SDK

    docker = marked_things(LOOK_SECONDS).forgotten()
    found = [*docker.things.items(), *(docker.volumes.items() if volumes else ())]
    with engine() as client:
        for stack_id in ids:
            remove_marked(client, stack_id, volumes=volumes)
    return [name for mark, names in found if mark.stack_id in ids for name in names]
