"""A stack's volumes: finding and creating them, and reading their data without starting anything."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from docker.errors import NotFound

from infra.docker.labels import STACK_LABEL
from infra.docker.listing import is_copy
from infra.kafka.cluster_id import META, cluster_id_in, ways_past
from infra.stack.profiles import broker_name
from trending.errors import ConfigurationConflict, NotOurs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.volumes import Volume

    from infra.stack.declaration import Stack

CLUSTER_LABEL = "trending.cluster"
"""Label of a volume: the cluster id of its data, if it is known when the volume is created."""
KAFKA_DATA = "/var/lib/kafka/data"
KAFKA_META = f"{KAFKA_DATA}/{META}"


def find_volume(client: DockerClient, stack: Stack, volume: str) -> Volume | None:
    """Return the stack's volume of that name, or None; raises NotOurs for somebody else's."""
    name = f"{stack.name}_{volume}"
    try:
        found = client.volumes.get(name)
    except NotFound:
        return None
    if _labels(found).get(STACK_LABEL) != stack.stack_id:
        cause = f"a volume named {name} exists that this stack did not make; it is left alone"
        raise NotOurs(cause, name, "make up NAME=another PORT=19092 PAGE_PORT=8601")
    return found


def ensure_volume(client: DockerClient, stack: Stack, volume: str, labels: Mapping[str, str]) -> Volume:
    """Return the stack's volume of that name, creating it if needed; raises NotOurs for somebody else's."""
    found = find_volume(client, stack, volume)
    if found is not None:
        return found
    all_labels = {**labels, "com.docker.compose.volume": volume}
    if stack.cluster_id:
        all_labels[CLUSTER_LABEL] = stack.cluster_id
    return client.volumes.create(f"{stack.name}_{volume}", labels=all_labels)


def check_volumes(client: DockerClient, stack: Stack, *, recorded: bool) -> None:
    """Refuse volumes that somebody else made, and those of a stack of another size or profile than the declared one.

    The data of broker and ZooKeeper refer to each other. For a stack that is ``recorded``, another set of volumes means that one
    was lost. Raises NotOurs, ConfigurationConflict.
    """
    volumes = [name for service in stack.services for name in service.volumes]
    wanted = {f"{stack.name}_{name}" for name in volumes}
    marked = (str(each.name) for each in client.volumes.list(filters={"label": f"{STACK_LABEL}={stack.stack_id}"}))
    found = {name for name in marked if not is_copy(name, stack.stack_id)}
    for name in volumes:
        find_volume(client, stack, name)
    if not found or found == wanted:
        return
    evidence = f"there {sorted(found)}, asked for {sorted(wanted)}"
    if not recorded and (made_with := _made_with({name.removeprefix(f"{stack.name}_") for name in found})):
        cause = f"the stack {stack.name} has data that was made with {made_with}"
        raise ConfigurationConflict(cause, evidence, f"make up NAME={stack.name} {made_with}; or {ways_past(stack.name)}")
    if found - wanted:
        cause = f"the stack {stack.name} has data of services that were not asked for"
        remedy = f"make up with the PROFILE and BROKERS that it was made with; or {ways_past(stack.name)}"
        raise ConfigurationConflict(cause, evidence, remedy)
    cause = f"the stack {stack.name} has data and one of its volumes is missing"
    evidence = f"missing {sorted(wanted - found)}, there {sorted(found)}"
    raise ConfigurationConflict(cause, evidence, f"bring it back, or make down NAME={stack.name} VOLUMES=1")


def _made_with(volumes: set[str]) -> str:
    """Return the settings of a stack that would have exactly these volumes; empty if there is none."""
    of_zookeeper = {"zookeeper-data", "zookeeper-log"} & volumes
    brokers = len(volumes - of_zookeeper)
    if volumes - of_zookeeper != {f"{broker_name(number)}-data" for number in range(1, brokers + 1)} or len(of_zookeeper) == 1:
        return ""
    return f"PROFILE={'zookeeper' if of_zookeeper else 'kraft'} BROKERS={brokers}"


def cluster_label(volume: Volume) -> str:
    """Return the cluster id that the volume was created for; empty if it was not known then."""
    return _labels(volume).get(CLUSTER_LABEL, "")


def cluster_id_inside(container: Container) -> str | None:
    """Return the cluster id on a container's broker volume; the container need not have been started.

    Empty if it cannot be read; None for a volume without data.
    """
    meta = meta_in(container)
    if meta is not None:
        return cluster_id_in(meta)
    return "" if _holds_anything(container) else None


def meta_in(container: Container) -> str | None:
    """Return the ``meta.properties`` of a broker's container, running or not; None if there is none."""
    try:
        chunks, _stat = container.get_archive(KAFKA_META)
    except NotFound:
        return None
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        member = tar.extractfile(META)
        return member.read().decode("utf-8", "replace") if member is not None else ""


def _holds_anything(container: Container) -> bool:
    chunks, _stat = container.get_archive(KAFKA_DATA)
    beginning = b""
    for chunk in chunks:
        beginning += chunk
        if len(beginning) > tarfile.RECORDSIZE:
            return True
    with tarfile.open(fileobj=io.BytesIO(beginning)) as tar:
        return len(tar.getmembers()) > 1  # the first member is the directory itself


def _labels(volume: Volume) -> Mapping[str, str]:
    return volume.attrs.get("Labels") or {}
