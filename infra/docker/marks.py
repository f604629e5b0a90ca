"""The containers, networks and volumes that carry a stack's label."""

from __future__ import annotations

from dataclasses import dataclass

from infra.docker.labels import COMPONENT_LABEL, STACK_LABEL
from infra.docker.presence import nobody_listens
from trending.errors import EngineUnavailable


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
