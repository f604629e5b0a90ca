"""The containers, networks and volumes that carry a stack's label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.docker.labels import COMPONENT_LABEL, HOME_LABEL, NAME_LABEL, STACK_LABEL, USER_LABEL
from infra.docker.listing import Listing, is_copy, list_labelled, listing_of
from infra.docker.presence import plain_address
from infra.host.marks import Mark
from infra.stack.profiles import STOP_SECONDS
from trending.errors import EngineUnavailable, NotOurs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from docker import DockerClient
    from docker.models.volumes import Volume

    from infra.docker.listing import Listed


KINDS = ("container", "network", "volume")


@dataclass(frozen=True)
class MarkedContainer:
    """A container: the component that it runs, its name, and Docker's word for its state."""

    component: str
    name: str
    state: str


@dataclass(frozen=True)
class DockerMarks:
    """Everything that carries the mark. ``silence`` says why the engine could not be asked; it is empty if it was.

    ``copies`` carry it under names that the lab does not give: they are somebody's.
    """

    containers: tuple[MarkedContainer, ...] = ()
    networks: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    silence: str = ""
    copies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Forgotten:
    """Everything of Docker's that no state file leads to: mark → names with their kind."""

    things: dict[Mark, list[str]]
    volumes: dict[Mark, list[str]]


@dataclass(frozen=True)
class MarkedThings:
    """Everything of all stacks, asked once. ``silence`` says why the engine could not be asked; it is empty if it was."""

    listing: Listing
    silence: str = ""

    def of(self, stack_id: str) -> DockerMarks:
        """Return what is there of one stack."""
        marked = [sorted(each for each in kind if each.labels.get(STACK_LABEL) == stack_id) for kind in self.listing]
        containers, networks, volumes = ([each for each in kind if not _is_copy(each)] for kind in marked)
        copies = [f"{kind} {each.name}" for kind, found in zip(KINDS, marked, strict=True) for each in found if _is_copy(each)]
        return DockerMarks(
            tuple(MarkedContainer(each.labels.get(COMPONENT_LABEL, ""), each.name, each.state) for each in containers),
            tuple(each.name for each in networks),
            tuple(each.name for each in volumes),
            self.silence,
            tuple(copies),
        )

    def forgotten(self) -> Forgotten:
        """Return what is there of stacks that no state file leads to."""
        ours = [[each for each in kind if not _is_copy(each)] for kind in self.listing]
        containers = [(each, f"container {each.name}, {each.state}") for each in ours[0]]
        networks = [(each, f"network {each.name}") for each in ours[1]]
        volumes = [(each, f"volume {each.name}") for each in ours[2]]
        return Forgotten(_forgotten([*containers, *networks]), _forgotten(volumes))


def marked_things(seconds: int) -> MarkedThings:
    """Return what the engine has of all stacks, of other checkouts too; each of its answers may take ``seconds``."""
    address = plain_address()
    try:
        return MarkedThings(list_labelled(address, STACK_LABEL, seconds) if address else _list_by_sdk(seconds))
    except EngineUnavailable as error:
        return MarkedThings(Listing(), error.cause)


def _list_by_sdk(seconds: int) -> Listing:
    from docker.errors import DockerException  # noqa: PLC0415 - it imports the SDK

    from infra.docker.engine import engine, unavailable  # noqa: PLC0415 - the same

    marked: dict[str, str | list[str] | bool] = {"label": [STACK_LABEL]}
    try:
        with engine(seconds) as client:
            api = client.api
            return listing_of(api.containers(all=True, filters=marked), api.networks(filters=marked), api.volumes(filters=marked))
    except (DockerException, OSError) as error:
        raise unavailable(error) from error


def docker_marks(stack_id: str, seconds: int) -> DockerMarks:
    """Return what the engine has of the stack; each of its answers may take ``seconds``."""
    return marked_things(seconds).of(stack_id)


def _forgotten(things: Iterable[tuple[Listed, str]]) -> dict[Mark, list[str]]:
    found: dict[Mark, list[str]] = {}
    for thing, words in things:
        found.setdefault(_mark(thing.labels), []).append(words)
    return {mark: sorted(names) for mark, names in found.items() if mark.forgotten}


def _mark(labels: Mapping[str, str]) -> Mark:
    return Mark(*(labels.get(each, "") for each in (STACK_LABEL, NAME_LABEL, USER_LABEL, HOME_LABEL)))


def _is_copy(thing: Listed) -> bool:
    return is_copy(thing.name, thing.labels.get(STACK_LABEL, ""), thing.labels.get(COMPONENT_LABEL, ""))


def remove_marked(client: DockerClient, stack_id: str, *, volumes: bool) -> None:
    """Remove every container and network that carries the stack's label; with ``volumes`` the volumes as well.

    What carries it under a name that the lab does not give is left alone. Raises NotOurs where somebody's container uses one of
    the volumes, and none of them was touched, or is attached to a network, when all else is gone.
    """
    from infra.docker.containers import remove_container  # noqa: PLC0415 - it imports the SDK

    marked: dict[str, str | list[str] | bool] = {"label": f"{STACK_LABEL}={stack_id}"}
    for container in client.containers.list(all=True, filters=marked):
        if not is_copy(container.name or "", stack_id, container.labels.get(COMPONENT_LABEL, "")):
            remove_container(container, STOP_SECONDS)
    attached: dict[str, list[str]] = {}
    for network in client.networks.list(filters=marked):
        if is_copy(name := network.name or "", stack_id):
            continue
        if theirs := [each.name or "" for each in client.containers.list(filters={"network": name})]:
            attached[name] = theirs
        else:
            network.remove()
    if volumes:
        _remove_volumes(client, [each for each in client.volumes.list(filters=marked) if not is_copy(each.name or "", stack_id)])
    for name, theirs in attached.items():
        cause = f"the network {name} stays: a container that the lab did not make is attached to it"
        raise NotOurs(cause, ", ".join(theirs), f"docker network disconnect {name} {theirs[0]}, then make down once more")


def _remove_volumes(client: DockerClient, volumes: Iterable[Volume]) -> None:
    for volume in volumes:
        if theirs := [each.name or "" for each in client.containers.list(all=True, filters={"volume": volume.name or ""})]:
            cause = f"no volume was deleted: a container that the lab did not make uses {volume.name}"
            raise NotOurs(
                cause, ", ".join(theirs), f"make down keeps the data; without {theirs[0]} make down VOLUMES=1 deletes it"
            )
    for volume in volumes:
        volume.remove()
