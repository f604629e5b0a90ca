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
"""Stands for the component of a network, which has none."""
LOOK_SECONDS = 5
"""How long the engine may take to list a stack's parts: a frozen one must not hold up an embedded stack."""


@dataclass(frozen=True)
class Remnant:
    """One process, container or network of a stack. ``alive`` tells whether it runs."""

    component: str
    kind: str
    detail: str
    alive: bool


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
        things = [f"{thing.component} ({thing.kind} {thing.detail})" for thing in self.things]
        return ", ".join([*things, *self.data])

    def next_commands(self, stack: str) -> str:
        """Return the commands that the user can run next."""
        down = f"make down NAME={stack} ends what runs, with VOLUMES=1 it deletes the data too"
        return down if SUPERVISORD in self.running else f"make up NAME={stack} adopts it, {down}"


def remains_of(paths: StackPaths) -> Remains:
    """Return what the machine has of the stack; the Docker engine has 5 s to answer."""
    marks = docker_marks(paths.stack_id, LOOK_SECONDS)
    containers = tuple(
        Remnant(each.component, "container", f"{each.name}, {each.state}", each.state in {"running", "paused", "restarting"})
        for each in marks.containers
    )
    networks = tuple(Remnant(NETWORK, "network", name, alive=False) for name in marks.networks)
    files = tuple(sorted(map(str, paths.data.iterdir()))) if paths.data.is_dir() else ()
    volumes = tuple(f"volume {name}" for name in marks.volumes)
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
