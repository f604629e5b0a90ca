"""The Docker engine: connecting to it, whether it is a stack's own, pulling images with progress, recognising its errors."""

from __future__ import annotations

import os
import re
import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import docker
from docker.context import ContextAPI
from docker.context.config import get_current_context_name
from docker.errors import APIError, DockerException, ImageNotFound
from docker.utils import parse_host
from requests.exceptions import RequestException

from infra.docker.labels import STACK_LABEL
from infra.docker.presence import DEFAULT_CONTEXT, ENGINE_REMEDY, Address, knock, no_engine_at
from infra.kafka.diagnosis import diagnose
from trending.errors import EngineUnavailable, ImageUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docker import DockerClient

    from infra.host.paths import StackPaths
    from infra.stack.declaration import Stack

CONTEXT_REMEDY = "docker context ls lists them; docker context use default, unset DOCKER_CONTEXT, or RUNTIME=embedded"
QUESTION_SECONDS = 5
"""How long the engine may take to answer a question. It answers within milliseconds; one that does not is frozen."""
ACT_SECONDS = 60
"""How long it may take to do something: a container that is made on a slow disk takes several seconds."""
IMAGE_REMEDY = "check its name and tag; for the usual images, make images builds local stand-ins"
CREDENTIALS_REMEDY = "repair the credential helper, or take credsStore and credHelpers out of Docker's config.json"


@contextmanager
def engine(seconds: int = QUESTION_SECONDS) -> Iterator[DockerClient]:
    """Yield a client of the engine that the user's Docker context names; each answer may take ``seconds``.

    Its first answer may not take longer than a question's, so a frozen engine is found before anything is begun.
    Use it within one task: clients are neither thread-safe nor serialisable. Raises EngineUnavailable, also where it falls
    silent later.
    """
    client = _opened(min(seconds, QUESTION_SECONDS))
    client.api.timeout = seconds
    try:
        yield client
    except APIError as error:
        raise refused(error) from error
    except RequestException as error:
        raise unavailable(error) from error
    finally:
        client.close()


def _opened(seconds: int) -> DockerClient:
    """Return a client of an engine that has answered."""
    host = tried_host()
    try:
        _knock(host, seconds)
        client = docker.from_env(timeout=seconds)
    except Exception as error:  # the SDK makes any error of a configuration that it does not expect: AttributeError, KeyError
        raise unavailable(error) from error
    try:
        client.ping()
    except (DockerException, OSError) as error:
        client.close()
        raise unavailable(error) from error
    return client


def _knock(host: str, seconds: float) -> None:
    """Raise OSError if nobody listens at the Unix socket: the SDK would leave its socket open when it cannot connect."""
    address = str(parse_host(host))
    if address.startswith("http+unix://"):
        knock(address.removeprefix("http+unix://"), seconds)


def unavailable(error: Exception) -> EngineUnavailable:
    """Return the error for an engine that does not answer, naming the host that was tried and the context that names it."""
    evidence = str(error)[:300] or type(error).__name__
    return EngineUnavailable(no_engine_at(tried_host(), current_context()), evidence, ENGINE_REMEDY)


def refused(error: APIError) -> EngineUnavailable:
    """Return the error for a request that the engine refuses, diagnosed where its text is known."""
    message = str(error.explanation or error)[:400]
    diagnosis = diagnose(message)
    cause = "the Docker engine refuses" + (f": {diagnosis.cause}" if diagnosis else "")
    return EngineUnavailable(cause, message, diagnosis.remedy if diagnosis else "make status")


def current_context() -> str:
    """Return the Docker context that chooses the engine; empty for the default one, or where DOCKER_HOST chooses."""
    if os.environ.get("DOCKER_HOST"):
        return ""
    name = os.environ.get("DOCKER_CONTEXT") or str(get_current_context_name() or "")
    return "" if name == DEFAULT_CONTEXT else name


def tried_host() -> str:
    """Return the address that ``from_env`` dials: DOCKER_HOST, or the current Docker context's.

    Raises EngineUnavailable for a context that is gone: the SDK would go to the default engine without a word.
    """
    if host := os.environ.get("DOCKER_HOST"):
        return host
    name = current_context()
    chosen = "DOCKER_CONTEXT names it" if os.environ.get("DOCKER_CONTEXT") else "Docker's config.json names it"
    try:
        context = ContextAPI.get_context(name or DEFAULT_CONTEXT)
        host = str(getattr(context, "Host", None) or "")  # None for a context that is gone, whatever its type says
    except Exception as error:  # the SDK raises even a plain Exception for a file that it cannot read
        cause = f"the Docker context {name} cannot be read"
        raise EngineUnavailable(cause, f"{chosen}; {error}", CONTEXT_REMEDY) from error
    if not host:
        cause = f"there is no Docker context {name}"
        raise EngineUnavailable(cause, chosen, CONTEXT_REMEDY)
    return host.removeprefix("http+")  # so the SDK writes a socket into a context


def engine_variable() -> str:
    """Return the variable with its value, as a shell sets it, that leads to this engine from everywhere."""
    return Address(tried_host(), current_context()).variable


def require_engine_of(client: DockerClient, stack: Stack, made_at: str) -> None:
    """Raise EngineUnavailable where the stack was made in another engine and this one has nothing of it.

    ``made_at`` is the variable that leads there. One engine may be reached in several ways, so what it has decides.
    """
    here = engine_variable()
    if made_at in {"", here} or _has_anything(client, stack.stack_id):
        return
    cause = f"the stack {stack.name} is in the Docker engine of {made_at}, and this shell asks that of {here}"
    raise EngineUnavailable(cause, "this one has nothing of the stack", ENGINE_REMEDY)


def _has_anything(client: DockerClient, stack_id: str) -> bool:
    marked: dict[str, Any] = {"label": f"{STACK_LABEL}={stack_id}"}
    return bool(client.volumes.list(filters=marked) or client.containers.list(all=True, filters=marked))


def ways_to_engine(paths: StackPaths, made_at: str) -> str:
    """Return the next command for a stack whose engine does not answer, or is not the one that was asked."""
    state = shlex.quote(str(paths.state))
    forget = f"mv {state} {shlex.quote(f'{paths.state}.forgotten')} forgets the stack and deletes nothing"
    return (
        f"start the engine of {made_at}, or set that variable, then once more; if it is gone for good, {forget}, and then"
        f" make down NAME={paths.name} ends what runs outside Docker"
    )


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
    except (DockerException, OSError, RuntimeError) as error:  # RuntimeError: a credential helper that fails
        raise ImageUnavailable(*_no_image(image, str(error))) from error


def _no_image(image: str, reason: str) -> tuple[str, str, str]:
    remedy = CREDENTIALS_REMEDY if of_credentials(reason) else IMAGE_REMEDY
    return f"the image {image} is neither here nor to be had", reason[:400], remedy


def of_credentials(reason: str) -> bool:
    """Whether the SDK failed on the credential helper that Docker's config.json names, of which only the text tells."""
    return "redentials store error" in reason or "docker-credential-" in reason


def taken_port(error: APIError) -> int | None:
    """Return the port that the engine could not publish. The error is a plain 500 that only its text identifies."""
    text = str(error)
    if "port is already allocated" not in text and "address already in use" not in text:
        return None
    match = re.search(r"(?:127\.0\.0\.1|0\.0\.0\.0):(\d+)", text)
    return int(match.group(1)) if match else 0
