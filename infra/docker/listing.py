"""What the engine has with a label, asked by plain HTTP.

It needs the standard library only: ``make clean`` runs it without an environment, and importing Docker's SDK would cost every
``make status`` 0.11 to 0.16 s.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

from infra.docker.presence import ENGINE_REMEDY, no_engine_at
from trending.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.docker.presence import Address

HTTP_OK = 200
LOOK = "look"
"""The component of a container that is only looked into: the engine chooses its name."""
_SERVICE = r"(kafka(-\d+)?|zookeeper)"


class Listed(NamedTuple):
    """A container, network or volume. Only a container has a state, in Docker's words."""

    name: str
    labels: Mapping[str, str]
    state: str = ""


def is_copy(name: str, stack_id: str, component: str = "") -> bool:
    """Whether a thing that carries a stack's mark has none of the names that the lab gives: then it is somebody's.

    ``docker commit`` copies a container's labels into the image, and whatever is started from that carries them too.
    """
    stack = re.escape(stack_id.rpartition("-")[0])
    before = "" if stack == "trending" else f"{stack}-"
    names = f"{before}{_SERVICE}|{stack}_({_SERVICE}-data|zookeeper-log|default)"
    return component != LOOK and re.fullmatch(names, name) is None


class Listing(NamedTuple):
    """Everything that carries the label that was asked for."""

    containers: tuple[Listed, ...] = ()
    networks: tuple[Listed, ...] = ()
    volumes: tuple[Listed, ...] = ()


def list_labelled(address: Address, label: str, seconds: float) -> Listing:
    """Return what the engine at ``address`` has with the label; each of its answers may take ``seconds``.

    Raises EngineUnavailable where it does not answer, or refuses.
    """
    connection = _connection(address.host, seconds)
    try:
        return listing_of(*(_ask(connection, path) for path in _paths(label)))
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:  # the last two: no engine's answer
        raise EngineUnavailable(no_engine_at(*address), str(error) or type(error).__name__, ENGINE_REMEDY) from error
    finally:
        connection.close()


def listing_of(containers: list[dict[str, Any]], networks: list[dict[str, Any]], volumes: dict[str, Any]) -> Listing:
    """Return the engine's three answers as one listing."""
    return Listing(
        tuple(Listed(each["Names"][0].lstrip("/"), each["Labels"] or {}, each["State"]) for each in containers),
        tuple(Listed(each["Name"], each["Labels"] or {}) for each in networks),
        tuple(Listed(each["Name"], each["Labels"] or {}) for each in volumes["Volumes"] or ()),
    )


def _paths(label: str) -> tuple[str, str, str]:
    filters = quote(json.dumps({"label": [label]}))
    return f"/containers/json?all=1&filters={filters}", f"/networks?filters={filters}", f"/volumes?filters={filters}"


def _connection(host: str, seconds: float) -> http.client.HTTPConnection:
    address = urlsplit(host)
    if address.scheme == "unix":
        return _SocketConnection(address.path, seconds)
    return http.client.HTTPConnection(address.hostname or "", address.port, timeout=seconds)


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _ask(connection: http.client.HTTPConnection, path: str) -> Any:  # noqa: ANN401 - JSON of the engine's
    connection.request("GET", path)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != HTTP_OK:
        cause = "the Docker engine refuses to list what it has"
        raise EngineUnavailable(cause, content.decode("utf-8", "replace").strip()[:400], "docker ps says more")
    return json.loads(content)
