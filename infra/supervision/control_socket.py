"""supervisord's Unix socket: its path, calls over it, and finding the process when it does not answer."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import tempfile
import xmlrpc.client
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from supervisor.xmlrpc import SupervisorTransport, UnixStreamHTTPConnection

from infra.host.processes import stack_processes
from trending.errors import NotReady, PrerequisiteMissing

CONFIGURATION = "supervisord.conf"
DIRECTORY = "; directory: "
"""Begins the configuration's first line, which says in JSON whose it is; a comment, since a value could not hold every path."""
SOCKET = "supervisor.sock"
PATH_BYTES = 107
"""A Unix socket's path has at most 108 bytes including the closing zero (unix(7))."""
WHILE_BOUND = ".4194304"
"""supervisord first binds the path with its pid appended, which has at most seven digits (proc(5), pid_max)."""
_NO_VALUE = re.compile(r"[\r\n]|\s[;#]")
"""What a value in supervisord's configuration cannot contain: line ends, and the beginning of a comment."""


def socket_of(directory: Path) -> Path:
    """Return the socket of the supervisord of ``directory``: the one that its configuration names, or a new one's.

    It does not depend on the caller's environment, so every shell finds the same supervisord. A configuration that was copied
    from another directory names the original's socket and is ignored; so is a path in a directory that others may enter, and a
    configuration that was damaged, since a take-down needs none.
    """
    inside = directory / SOCKET
    try:
        text = (directory / CONFIGURATION).read_text(encoding="utf-8")
        of = _directory(text)
    except (FileNotFoundError, ValueError):  # the second for no UTF-8, or no JSON in its first line
        return inside
    recorded = Path(_value(text, "file") or inside)
    if of != str(directory) or not (recorded == inside or _private(recorded.parent)):
        return inside
    return recorded


def _directory(text: str) -> str:
    first = text.partition("\n")[0]
    # The second is how an earlier version wrote it, whose supervisord may still run.
    return str(json.loads(first.removeprefix(DIRECTORY))) if first.startswith(DIRECTORY) else _value(text, "directory")


def _value(text: str, name: str) -> str:
    found = re.search(rf"^{name}=(.+)$", text, re.MULTILINE)
    return found[1].replace("%%", "%") if found else ""


def place_socket(directory: Path) -> Path:
    """Return the path for the socket of a new supervisord of ``directory``.

    It lies in the directory itself if the kernel and the file system allow that, otherwise in a private directory below
    XDG_RUNTIME_DIR or /tmp. The configuration records it.
    """
    inside = directory / SOCKET
    if _usable(inside) and _holds_sockets(directory):
        return inside
    recorded = socket_of(directory)
    if recorded != inside:
        return recorded
    places = [Path(place) for place in (os.environ.get("XDG_RUNTIME_DIR"), "/tmp") if place]  # noqa: S108 - mkdtemp's own below
    for place in places:
        if _usable(place / "trending-12345678" / SOCKET) and os.access(place, os.W_OK):
            return Path(tempfile.mkdtemp(prefix="trending-", dir=place)) / SOCKET
    cause = "there is no place for supervisord's socket"
    evidence = (
        f"{inside} has over {PATH_BYTES - len(WHILE_BOUND)} bytes, and none of {[str(place) for place in places]} can be written"
    )
    raise PrerequisiteMissing(cause, evidence, "make /tmp writable, or put the checkout in a shorter path")


def release_socket(directory: Path) -> None:
    """Delete the socket of a supervisord that has ended, and the directory that was made for it."""
    path = socket_of(directory)
    with suppress(OSError):  # deleted with the user's session, or not empty
        path.unlink(missing_ok=True)
        if path.parent != directory and path.parent.name.startswith("trending-"):
            path.parent.rmdir()


def _usable(path: Path) -> bool:
    return len(os.fsencode(path)) + len(WHILE_BOUND) <= PATH_BYTES and not _NO_VALUE.search(str(path))


def _holds_sockets(directory: Path) -> bool:
    """Whether a socket can be bound and linked there, as supervisord does; some shared folders and WSL2's drives cannot."""
    probe = directory / f".s{os.getpid()}"
    linked = probe.with_name(f"{probe.name}l")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        try:
            listener.bind(str(probe))
            os.link(probe, linked)
        except OSError:
            return False
        finally:
            for path in (probe, linked):
                with suppress(OSError):
                    path.unlink(missing_ok=True)
    return True


def _private(directory: Path) -> bool:
    try:
        found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) == 0o700  # noqa: PLR2004


class _Connection(UnixStreamHTTPConnection):  # type: ignore[misc]  # supervisor ships no types
    """A connection with a time limit; supervisor's own waits for ever."""

    socketfile: str

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.socketfile)


def _transport(path: Path, seconds: float) -> SupervisorTransport:
    def connect() -> _Connection:
        connection = _Connection("localhost", timeout=seconds)
        connection.socketfile = str(path)
        return connection

    transport = SupervisorTransport(None, None, f"unix://{path}")
    transport._get_connection = connect  # noqa: SLF001 - its constructor puts one here that waits for ever
    return transport


def ask(path: Path, seconds: float, method: str, *arguments: object) -> Any:  # noqa: ANN401 - XML-RPC answers anything
    """Return supervisord's answer; raises NotReady after ``seconds`` or if nobody listens, and xmlrpc.client.Error."""
    try:
        with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=_transport(path, seconds)) as proxy:
            return getattr(proxy, method)(*arguments)
    except (TimeoutError, BlockingIOError) as error:  # the second if the socket's queue is full
        cause = "supervisord does not answer"
        raise NotReady(cause, f"{method} at {path}, {seconds:g} s", "make down ends it, then make up") from error
    except OSError as error:
        cause = "no supervisord listens"
        raise NotReady(cause, f"{method} at {path}: {error.strerror or error}", "make status") from error


def supervisords(stack_id: str) -> list[psutil.Process]:
    """Return the stack's living supervisord, at most one, recognised by mark and command."""
    found = []
    for process in stack_processes(stack_id):
        try:
            if any("supervisor.supervisord" in word for word in process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found
