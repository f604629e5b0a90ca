"""The containers, networks and volumes that carry a stack's label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.docker.labels import COMPONENT_LABEL, HOME_LABEL, NAME_LABEL, STACK_LABEL, USER_LABEL
from infra.docker.listing import Listing, list_labelled, listing_of
from infra.docker.presence import plain_address
from infra.host.marks import Mark
from infra.stack.profiles import STOP_SECONDS
from trending.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from docker import DockerClient

    from infra.docker.listing import Listed


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


@dataclass(frozen=True)
class MarkedThings:
    """Everything of all stacks, asked once. ``silence`` says why the engine could not be asked; it is empty if it was."""

    listing: Listing
    silence: str = ""

    def of(self, stack_id: str) -> DockerMarks:
        """Return what is there of one stack."""
        containers, networks, volumes = (
            sorted(each for each in kind if each.labels.get(STACK_LABEL) == stack_id) for kind in self.listing
        )
        marked = tuple(MarkedContainer(each.labels.get(COMPONENT_LABEL, ""), each.name, each.state) for each in containers)
        return DockerMarks(marked, tuple(each.name for each in networks), tuple(each.name for each in volumes), self.silence)

    def forgotten(self) -> Forgotten:
        """Return what is there of stacks that no state file leads to."""
        containers = [(each, f"container {each.name}, {each.state}") for each in self.listing.containers]
        networks = [(each, f"network {each.name}") for each in self.listing.networks]
        volumes = [(each, f"volume {each.name}") for each in self.listing.volumes]
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
