"""The containers, networks and volumes that carry a stack's label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.docker.labels import COMPONENT_LABEL, HOME_LABEL, NAME_LABEL, STACK_LABEL, USER_LABEL
from infra.docker.presence import nobody_listens
from infra.host.marks import Mark
from infra.stack.profiles import STOP_SECONDS
from trending.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker import DockerClient


@dataclass(frozen=True)
class MarkedContainer:
    """A container: the component that it runs, its name, and Docker's word for its state."""

    component: str
    name: str
    state: str


@dataclass(frozen=True)
class DockerMarks:
    """Everything that carries the mark. ``silence`` says why the engine could not be asked; it is empty if it was."""

    containers: tuple[MarkedContainer, ...] = ()
    networks: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    silence: str = ""


@dataclass(frozen=True)
class Forgotten:
    """Everything of Docker's that no state file leads to: mark → names with their kind."""

    things: dict[Mark, list[str]]
    volumes: dict[Mark, list[str]]
    silence: str = ""


def forgotten_marks(seconds: int) -> Forgotten:
    """Return what the engine has of stacks that no state file leads to; each of its answers may take ``seconds``."""
    if silence := nobody_listens():
        return Forgotten({}, {}, silence)
    from docker.errors import DockerException  # noqa: PLC0415 - not before somebody listens

    from infra.docker.engine import engine  # noqa: PLC0415 - it imports the SDK

    marked: dict[str, str | list[str] | bool] = {"label": [STACK_LABEL, HOME_LABEL]}
    things: dict[Mark, list[str]] = {}
    volumes: dict[Mark, list[str]] = {}
    try:
        with engine(seconds) as client:
            for container in client.containers.list(all=True, filters=marked, ignore_removed=True):
                things.setdefault(_mark(container.labels), []).append(f"container {container.name}, {container.status}")
            for network in client.networks.list(filters=marked):
                things.setdefault(_mark(network.attrs.get("Labels") or {}), []).append(f"network {network.name}")
            for volume in client.volumes.list(filters=marked):
                volumes.setdefault(_mark(volume.attrs.get("Labels") or {}), []).append(f"volume {volume.name}")
    except (EngineUnavailable, DockerException, OSError) as error:
        return Forgotten({}, {}, str(error))
    return Forgotten(_forgotten(things), _forgotten(volumes))


def _forgotten(found: dict[Mark, list[str]]) -> dict[Mark, list[str]]:
    return {mark: sorted(names) for mark, names in found.items() if mark.forgotten}


def _mark(labels: Mapping[str, str]) -> Mark:
    return Mark(*(labels.get(each, "") for each in (STACK_LABEL, NAME_LABEL, USER_LABEL, HOME_LABEL)))


def remove_marked(client: DockerClient, stack_id: str, *, volumes: bool) -> None:
    """Remove every container and network that carries the stack's label; with ``volumes`` the volumes as well."""
    from infra.docker.containers import remove_container  # noqa: PLC0415 - it imports the SDK

    marked: dict[str, str | list[str] | bool] = {"label": f"{STACK_LABEL}={stack_id}"}
    for container in client.containers.list(all=True, filters=marked):
        remove_container(container, STOP_SECONDS)
    for network in client.networks.list(filters=marked):
        network.remove()
    if volumes:
        for volume in client.volumes.list(filters=marked):
            volume.remove()


def docker_marks(stack_id: str, seconds: int) -> DockerMarks:
    """Return what the engine has of the stack; each of its answers may take ``seconds``."""
    if silence := nobody_listens():
        return DockerMarks(silence=silence)
    from docker.errors import DockerException  # noqa: PLC0415 - not before somebody listens

    from infra.docker.engine import engine  # noqa: PLC0415 - it imports the SDK

    marked: dict[str, str | list[str] | bool] = {"label": f"{STACK_LABEL}={stack_id}"}
    try:
        with engine(seconds) as client:
            containers = client.containers.list(all=True, filters=marked, ignore_removed=True)
            return DockerMarks(
                tuple(
                    MarkedContainer(each.labels.get(COMPONENT_LABEL, ""), str(each.name), str(each.status)) for each in containers
                ),
                tuple(sorted(str(each.name) for each in client.networks.list(filters=marked))),
                tuple(sorted(str(each.name) for each in client.volumes.list(filters=marked))),
            )
    except EngineUnavailable as error:
        return DockerMarks(silence=error.cause)
    except (DockerException, OSError) as error:
        return DockerMarks(silence=str(error))
