"""Whether a Docker engine answers, told without the SDK where nobody listens: importing it takes 0.1 s of every command."""

from __future__ import annotations

import json
import os
import shlex
import socket
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from trending.errors import EngineUnavailable

ENGINE_REMEDY = "start the engine (systemctl start docker), check DOCKER_HOST, or use RUNTIME=embedded"
DEFAULT_HOST = "unix:///var/run/docker.sock"
DEFAULT_CONTEXT = "default"
KNOCK_SECONDS = 5.0
_PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


class Address(NamedTuple):
    """Where an engine is asked. ``context`` is the Docker context that names it; empty for the default one and DOCKER_HOST."""

    host: str
    context: str = ""

    @property
    def variable(self) -> str:
        """The variable with its value, as a shell sets it, that leads to this engine from everywhere."""
        return f"DOCKER_CONTEXT={shlex.quote(self.context)}" if self.context else f"DOCKER_HOST={shlex.quote(self.host)}"


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


def nobody_listens() -> str:
    """Return the reason in one line where the engine's socket is known and nobody listens at it; otherwise an empty string."""
    address = plain_address()
    if address is None or not address.host.startswith("unix:"):
        return ""
    try:
        knock(address.host.removeprefix("unix://"), KNOCK_SECONDS)
    except OSError:
        return no_engine_at(*address)
    return ""


def no_engine_at(host: str, context: str = "") -> str:
    """Return the words for an engine that does not answer."""
    return f"no Docker engine answers at {host}" + (f" (Docker context {context})" if context else "")


def plain_address() -> Address | None:
    """Return where the engine is asked by plain HTTP, found as the SDK finds it: DOCKER_HOST, context, usual socket.

    None where only the SDK can connect (TLS, ssh, a proxy) or tell what is wrong (a context that is gone or cannot be read).
    """
    try:
        if host := os.environ.get("DOCKER_HOST"):
            return Address(host) if _plain(host) else None
        context = _current_context()
        if context in {"", DEFAULT_CONTEXT}:
            return Address(DEFAULT_HOST)
        key, directory = sha256(context.encode()).hexdigest(), _configuration().parent / "contexts"
        host = json.loads((directory / "meta" / key / "meta.json").read_bytes())["Endpoints"]["docker"]["Host"]
        host = host.removeprefix("http+")  # so the SDK writes a socket into a context
        return Address(host, context) if _plain(host) and not (directory / "tls" / key).exists() else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _current_context() -> str:
    if context := os.environ.get("DOCKER_CONTEXT"):
        return context
    try:
        named = json.loads(_configuration().read_bytes()).get("currentContext", "")
    except FileNotFoundError:
        if (_home() / ".dockercfg").exists():
            raise  # the SDK reads that one then
        return ""
    if not isinstance(named, str):
        raise TypeError(named)
    return named


def _configuration() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or _home() / ".docker") / "config.json"


def _home() -> Path:
    return Path(os.path.expanduser("~"))  # noqa: PTH111 - Path's fails for a user without a home


def _plain(host: str) -> bool:
    """Whether the address is a socket of this machine's, or one that is reached without TLS and without a proxy."""
    address = urlsplit(host)
    if address.scheme == "unix":
        return not address.netloc and bool(address.path)
    by_tls = os.environ.get("DOCKER_TLS_VERIFY") or os.environ.get("DOCKER_CERT_PATH")
    by_proxy = any(os.environ.get(name) for name in _PROXIES)
    where = address.hostname and address.port and address.path in {"", "/"}
    return address.scheme in {"tcp", "http"} and bool(where) and not by_tls and not by_proxy


def knock(path: str, seconds: float) -> None:
    """Raise OSError where nobody listens at a Unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knocking:
        knocking.settimeout(seconds)
        knocking.connect(path)
