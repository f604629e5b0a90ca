"""The labels that the lab's containers, networks and volumes carry, and those of Docker Compose that they carry besides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.host.marks import mark_of

if TYPE_CHECKING:
    from infra.stack.declaration import Stack

STACK_LABEL = "trending.stack"
COMPONENT_LABEL = "trending.component"
NAME_LABEL = "trending.name"
USER_LABEL = "trending.user"
HOME_LABEL = "trending.home"
"""For people, and to tell a stack whose checkout was moved or deleted; the id alone decides whose something is."""
HASH_LABEL = "trending.config"
"""Hash of the declaration and the image that a container was made from, to see drift."""
PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"


def labels_of(stack: Stack, component: str, **others: str) -> dict[str, str]:
    """Return the labels of a component of the stack, with ``others`` besides."""
    mark = mark_of(stack.stack_id, stack.name)
    plain = {NAME_LABEL: mark.name, USER_LABEL: mark.user, HOME_LABEL: mark.home}
    return {STACK_LABEL: stack.stack_id, COMPONENT_LABEL: component, PROJECT_LABEL: stack.name, **plain, **others}
