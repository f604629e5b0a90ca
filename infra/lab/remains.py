"""The remains of a stack: everything on this machine that carries its mark, with or without a state file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from infra.docker.marks import DockerMarks, docker_marks
from infra.host.processes import COMPONENT_VARIABLE, stack_processes

if TYPE_CHECKING:
    from infra.host.paths import StackPaths

SUPERVISORD = "supervisord"
"""The one process of a stack that is not a component: it carries only the stack's id."""
NETWORK = "network"
"""A network's kind, and in place of a component, which it has none of."""
CONTAINER = "container"
VOLUME = "volume "
"""How a place of data begins that is a volume."""
DOCKER_KINDS = frozenset({CONTAINER, NETWORK})
"""The kinds of things that are Docker's."""
LOOK_SECONDS = 5
"""How long the engine may take to list a stack's parts: a frozen one must not hold up an embedded stack."""


@dataclass(frozen=True)
class Remnant:
    """One process, container or network of a stack. ``alive`` tells whether it runs."""

    component: str
    kind: str
    detail: str
    alive: bool

    def __str__(self) -> str:
        return f"{self.component} ({self.kind} {self.detail})"


@dataclass(frozen=True)
class Remains:
    """Everything that exists of a stack. ``data`` are the places of its data; ``docker`` is what Docker has of it."""

    things: tuple[Remnant, ...]
    data: tuple[str, ...]
    docker: DockerMarks

    @property
    def unseen(self) -> str:
        """Why Docker could not be asked; empty where it was."""
        return self.docker.silence

    @property
    def running(self) -> frozenset[str]:
        """Names of the services and programs that run."""
        return frozenset(thing.component for thing in self.things if thing.alive)

    def __bool__(self) -> bool:
        return bool(self.things or self.data)

    def words(self) -> str:
        """Return the remains in one line."""
        return ", ".join([*map(str, self.things), *self.data])

    def next_commands(self, stack: str) -> str:
        """Return the commands that the user can run next."""
        down = words_of_down(stack, data=True)
        return down if SUPERVISORD in self.running else f"make up NAME={stack} adopts it, {down}"


def words_of_down(stack: str, *, data: bool) -> str:
    """Return the command that ends what runs of a stack, and with ``data`` the one that deletes its data."""
    return f"make down NAME={stack} ends what runs{', with VOLUMES=1 it deletes the data too' if data else ''}"


def words_of_copy(stack: str, copy: str) -> str:
    """Return the words for what carries a stack's mark in Docker under a name that the lab does not give."""
    why = "since it has a name that the lab does not give and so is somebody's"
    return f"left alone, {why}, though it carries the mark of {stack}: {copy}"


def remains_of(paths: StackPaths, seen: DockerMarks | None = None) -> Remains:
    """Return what the machine has of the stack; the Docker engine has 5 s to answer.

    ``seen`` is what Docker was just seen to have of it; where it is None, Docker is asked.
    """
    marks = docker_marks(paths.stack_id, LOOK_SECONDS) if seen is None else seen
    containers = tuple(
        Remnant(each.component, CONTAINER, f"{each.name}, {each.state}", each.state in {"running", "paused", "restarting"})
        for each in marks.containers
    )
    networks = tuple(Remnant(NETWORK, NETWORK, name, alive=False) for name in marks.networks)
    files = tuple(sorted(map(str, paths.data.iterdir()))) if paths.data.is_dir() else ()
    volumes = tuple(f"{VOLUME}{name}" for name in marks.volumes)
    return Remains((*marked_processes(paths.stack_id), *containers, *networks), (*files, *volumes), marks)


def marked_processes(stack_id: str) -> list[Remnant]:
    """Return the living processes that carry the stack's mark."""
    remnants = []
    for process in stack_processes(stack_id):
        try:
            component = process.environ().get(COMPONENT_VARIABLE, SUPERVISORD)
        except psutil.Error:  # it has ended meanwhile
            continue
        remnants.append(Remnant(component, "process", f"pid {process.pid}", alive=True))
    return remnants
