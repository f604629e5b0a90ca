"""One container as an observation, its secret files, its removal; the private network that a stack's containers share."""

from __future__ import annotations

import io
import tarfile
import time
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from docker.errors import APIError, NotFound
from docker.types import Mount

from infra.docker.labels import STACK_LABEL, labels_of
from infra.stack.runtime import Observation, ServiceState
from trending.errors import ConfigurationConflict, NotOurs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.networks import Network

    from infra.stack.declaration import Service, Stack

CLEAN_EXITS = frozenset({0, 143})
"""Exit codes of a container that ended by itself, or by SIGTERM, which a JVM reports as 128 + 15."""
PLACE = PurePosixPath("/mnt/shared/config")
"""Where apache/kafka looks for a server.properties, which it completes with the variables; secret files lie there.

Variables would be shown by ``docker inspect``, and a mounted directory of this machine's would belong to another user, or not be
there at all where the engine is elsewhere.
"""
_USERS = "/etc/passwd"
_PRIVATE = 0o600
"""Its user may write too: the image copies a file with its mode, and then appends to the copy."""


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


def secret_mount() -> Mount:
    """Return the mount of a volume without name, which goes with its container."""
    return Mount(target=str(PLACE), source=None, type="volume")


def put_files(container: Container, files: Mapping[str, bytes]) -> None:
    """Put files (name → content) into a container that was created with ``secret_mount``, readable for its user only."""
    user, group = _ids(container)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in files.items():
            file = tarfile.TarInfo(name)
            file.size, file.mode, file.uid, file.gid = len(content), _PRIVATE, user, group
            tar.addfile(file, io.BytesIO(content))
    if not container.put_archive(str(PLACE), archive.getvalue()):
        cause = f"the engine does not take the configuration of {container.name}"
        raise ConfigurationConflict(cause, str(PLACE), "make status")


def _ids(container: Container) -> tuple[int, int]:
    """Return the user and group that the image runs as; a name is looked up in the image."""
    user, _colon, _group = str(container.attrs["Config"]["User"]).partition(":")
    if user in {"", "0", "root"}:
        return 0, 0
    for line in _users(container):
        name, _password, number, group, *_rest = line.split(":")
        if user in {name, number}:
            return int(number), int(group)
    if user.isdecimal():
        return int(user), 0
    cause = f"the image of {container.name} runs as {user}, whom it does not know"
    raise ConfigurationConflict(cause, f"no {user} in {_USERS}", "make up with another KAFKA_IMAGE, or without SECURE=1")


def _users(container: Container) -> list[str]:
    try:
        chunks, _stat = container.get_archive(_USERS)
    except NotFound:
        return []
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        member = tar.extractfile(PurePosixPath(_USERS).name)
        return member.read().decode("utf-8", "replace").splitlines() if member is not None else []
