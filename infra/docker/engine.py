"""The Docker engine: connecting to it, pulling images with progress and clear errors, recognising its errors."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import docker
from docker.context import ContextAPI
from docker.errors import APIError, DockerException, ImageNotFound
from docker.utils import parse_host

from infra.docker.presence import ENGINE_REMEDY, knock, no_engine_at
from trending.errors import EngineUnavailable, ImageUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docker import DockerClient

ENGINE_SECONDS = 60


@contextmanager
def engine(seconds: int = ENGINE_SECONDS) -> Iterator[DockerClient]:
    """Yield a client of the engine that the user's Docker context names; each answer may take ``seconds``.

    Use it within one task: clients are neither thread-safe nor serialisable. Raises EngineUnavailable.
    """
    try:
        _knock(tried_host(), seconds)
        client = docker.from_env(timeout=seconds)
    except (DockerException, OSError) as error:
        raise unavailable(error) from error
    try:
        client.ping()
    except (DockerException, OSError) as error:
        client.close()
        raise unavailable(error) from error
    try:
        yield client
    finally:
        client.close()


def _knock(host: str, seconds: float) -> None:
    """Raise OSError if nobody listens at the Unix socket: the SDK would leave its socket open when it cannot connect."""
    address = str(parse_host(host))
    if address.startswith("http+unix://"):
        knock(address.removeprefix("http+unix://"), seconds)


def unavailable(error: Exception) -> EngineUnavailable:
    """Return the error for an engine that does not answer, naming the host that was tried."""
    return EngineUnavailable(no_engine_at(tried_host()), str(error)[:300], ENGINE_REMEDY)


def tried_host() -> str:
    """Return the address that ``from_env`` dials: DOCKER_HOST, or the current Docker context's."""
    return os.environ.get("DOCKER_HOST") or str(ContextAPI.get_current_context().Host)


def describe_engine(client: DockerClient) -> str:
    """Return the engine that answers: its name, version and address."""
    info = client.version()
    return f"Docker {info.get('Version')} ({info.get('Os')}/{info.get('Arch')}) at {tried_host()}"


def has_image(client: DockerClient, image: str) -> bool:
    """Whether the image is on this machine."""
    try:
        client.images.get(image)
    except ImageNotFound:
        return False
    return True


def pull(client: DockerClient, image: str, show: Callable[[str], None]) -> None:
    """Pull an image, showing progress; raises ImageUnavailable, also for errors that only the progress stream shows."""
    layers: set[str] = set()
    done: set[str] = set()
    try:
        for event in client.api.pull(image, stream=True, decode=True):
            if "error" in event:
                raise ImageUnavailable(*_no_image(image, str(event["error"])))
            if layer := event.get("id"):
                layers.add(layer)
                if event.get("status") in {"Pull complete", "Already exists"}:
                    done.add(layer)
                    show(f"{image}: {len(done)} of {len(layers)} layers")
    except (APIError, OSError) as error:
        raise ImageUnavailable(*_no_image(image, str(error))) from error


def _no_image(image: str, reason: str) -> tuple[str, str, str]:
    return f"the image {image} is neither here nor to be had", reason[:400], "make images builds local stand-ins"


def taken_port(error: APIError) -> int | None:
    """Return the port that the engine could not publish. The error is a plain 500 that only its text identifies."""
    text = str(error)
    if "port is already allocated" not in text and "address already in use" not in text:
        return None
    match = re.search(r"(?:127\.0\.0\.1|0\.0\.0\.0):(\d+)", text)
    return int(match.group(1)) if match else 0
