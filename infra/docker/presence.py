"""Whether a Docker engine answers, told without the SDK where nobody listens: importing it takes 0.1 s of every command."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from trending.errors import EngineUnavailable

ENGINE_REMEDY = "start the engine (systemctl start docker), check DOCKER_HOST, or use RUNTIME=embedded"
DEFAULT_HOST = "unix:///var/run/docker.sock"
KNOCK_SECONDS = 5.0


def engine_answers() -> str | None:
    """Return None when an engine answers, otherwise the reason in one line."""
    if silence := nobody_listens():
        return silence
    from infra.docker.engine import engine  # noqa: PLC0415 - it imports the SDK

    try:
        with engine():
            return None
    except EngineUnavailable as error:
        return error.cause


def require_engine() -> str:
    """Return that the engine answers, for a health check; raises EngineUnavailable otherwise."""
    silence = engine_answers()
    if silence is not None:
        raise EngineUnavailable(silence, "", ENGINE_REMEDY)
    return "answers"


def nobody_listens() -> str:
    """Return the reason in one line where the engine's socket is known and nobody listens at it; otherwise an empty string."""
    host = host_without_context()
    if not host.startswith("unix:///"):
        return ""
    try:
        knock(host.removeprefix("unix://"), KNOCK_SECONDS)
    except OSError:
        return no_engine_at(host)
    return ""


def no_engine_at(host: str) -> str:
    """Return the words for an engine that does not answer."""
    return f"no Docker engine answers at {host}"


def host_without_context() -> str:
    """Return the address that is dialled, where no Docker context can have a say in it; empty where one can."""
    if host := os.environ.get("DOCKER_HOST"):
        return host
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path's fails for a user without a home
    files = (Path(os.environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json", home / ".dockercfg")
    return "" if os.environ.get("DOCKER_CONTEXT") or any(file.exists() for file in files) else DEFAULT_HOST


def knock(path: str, seconds: float) -> None:
    """Raise OSError where nobody listens at a Unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knocking:
        knocking.settimeout(seconds)
        knocking.connect(path)
