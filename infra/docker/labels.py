"""The labels that the lab's containers, networks and volumes carry, and those of Docker Compose that they carry besides."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.stack.declaration import Stack

STACK_LABEL = "trending.stack"
COMPONENT_LABEL = "trending.component"
HASH_LABEL = "trending.config"
"""Hash of the declaration and the image that a container was made from, to see drift."""
PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"


def labels_of(stack: Stack, component: str, **others: str) -> dict[str, str]:
    """Return the labels of a component of the stack, with ``others`` besides."""
    return {STACK_LABEL: stack.stack_id, COMPONENT_LABEL: component, PROJECT_LABEL: stack.name, **others}
