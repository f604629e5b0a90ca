"""A stack that Docker Compose would have brought up."""

from __future__ import annotations

from infra.docker.compose_stack import ComposeService, ComposeStack
from infra.stack.declaration import ServiceKind
from infra.stack.runtime import Observation, ServiceState


def composed(state: ServiceState = ServiceState.RUNNING, health: str = "healthy") -> ComposeStack:
    """Return one broker on port 9092, and a container that is neither broker nor ZooKeeper."""
    kafka = ComposeService("kafka", ServiceKind.KAFKA, (9092,), Observation("kafka", state, "kafka, pid 4711"), health)
    other = ComposeService("ui", None, (8080,), Observation("ui", ServiceState.RUNNING, "ui, pid 4712"), "")
    return ComposeStack("lab", (kafka, other))
