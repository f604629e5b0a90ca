"""One container as an observation, and its removal; the private network that a stack's containers share."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

from docker.errors import APIError, NotFound

from infra.docker.labels import STACK_LABEL, labels_of
from infra.stack.runtime import Observation, ServiceState
from trending.errors import NotOurs

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.networks import Network

    from infra.stack.declaration import Service, Stack

CLEAN_EXITS = frozenset({0, 143})
"""Exit codes of a container that ended by itself, or by SIGTERM, which a JVM reports as 128 + 15."""


def find_container(client: DockerClient, stack: Stack, service: Service) -> Container | None:
    """Return the stack's container of the service, or None; raises NotOurs for somebody else's of that name."""
    name = stack.qualified(service.name)
    try:
        container = client.containers.get(name)
    except NotFound:
        return None
    if container.labels.get(STACK_LABEL) != stack.stack_id:
        cause = f"a container named {name} exists that this stack did not make; it is left alone"
        owner = container.labels.get(STACK_LABEL, "nobody's label")
        evidence = f"{container.short_id}, image {container.attrs['Config']['Image']}, {owner}"
        raise NotOurs(cause, evidence, f"docker rename {name} {name}-old, or make up NAME=another PORT=19092")
    return container


def our_container(client: DockerClient, stack: Stack, service: Service) -> Container | None:
    """Return the stack's container of the service, or None where there is none or somebody else's."""
    try:
        return find_container(client, stack, service)
    except NotOurs:
        return None


def observe_container(client: DockerClient, container: Container, service: str, *, drifted: bool = False) -> Observation:
    """Return a container as an observation of ``service``."""
    state = container.attrs["State"]
    if state["Status"] == "created":
        return Observation(service, ServiceState.ABSENT, "created and never started", drifted=drifted)
    if state["Running"] and not state["Restarting"]:
        paused = bool(state["Paused"])
        where = f"{container.name}, paused" if paused else f"{container.name}, pid {state['Pid']}"
        started = datetime.fromisoformat(state["StartedAt"]).timestamp()
        return Observation(service, ServiceState.RUNNING, where, drifted=drifted, started_at=started, frozen=paused)
    code, memory = int(state["ExitCode"]), bool(state["OOMKilled"]) or memory_event(client, container)
    ended = ServiceState.STOPPED if code in CLEAN_EXITS else ServiceState.EXITED
    detail = f"{container.name}, exit code {code}, restarted {container.attrs['RestartCount']} times"
    return Observation(service, ended, detail, code, memory, drifted, comes_back=bool(state["Restarting"]))


def remove_container(container: Container, stop_seconds: int) -> None:
    """Stop a container cleanly and remove it; succeeds if somebody else is removing it already."""
    try:
        if container.status == "paused":
            container.unpause()
        if container.status in {"running", "restarting", "paused"}:
            container.stop(timeout=stop_seconds)
        container.remove(v=True, force=True)
    except NotFound:
        return
    except APIError as error:
        if error.status_code != 409:  # noqa: PLR2004 - HTTP's Conflict: somebody else is removing it
            raise


def memory_event(client: DockerClient, container: Container) -> bool:
    """Whether the kernel's OOM killer hit a process in the container; for a child process, only the event shows it."""
    since = int(time.time()) - 3600
    filters = {"container": container.id, "event": "oom"}
    events = client.events(since=since, until=int(time.time()) + 1, filters=filters, decode=True)
    return any(True for _event in events)


def ensure_network(client: DockerClient, stack: Stack) -> Network:
    """Return the stack's network, found by name and mark, made if there is none; raises NotOurs for somebody else's."""
    name = stack.network
    for network in client.networks.list(names=[name]):
        if network.name == name:
            if (network.attrs.get("Labels") or {}).get(STACK_LABEL) != stack.stack_id:
                cause = f"a network named {name} exists that this stack did not make; it is left alone"
                raise NotOurs(cause, network.short_id, "make up NAME=another")
            return network
    labels = labels_of(stack, "network", **{"com.docker.compose.network": "default"})
    return client.networks.create(name, driver="bridge", labels=labels, check_duplicate=True)
