"""A stack's private network: found by name and mark, made where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.docker.labels import STACK_LABEL, labels_of
from trending.errors import NotOurs

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.networks import Network

    from infra.stack.declaration import Stack


def ensure_network(client: DockerClient, stack: Stack) -> Network:
    """Return the stack's network, made if there is none; raises NotOurs for somebody else's."""
    name = stack.network
    for network in client.networks.list(names=[name]):
        if network.name == name:
            if (network.attrs.get("Labels") or {}).get(STACK_LABEL) != stack.stack_id:
                cause = f"a network named {name} exists that this stack did not make; it is left alone"
                raise NotOurs(cause, network.short_id, "make up NAME=another")
            return network
    labels = labels_of(stack, "network", **{"com.docker.compose.network": "default"})
    return client.networks.create(name, driver="bridge", labels=labels, check_duplicate=True)
