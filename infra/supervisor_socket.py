"""Asking a supervisord over its Unix socket, and finding it where it does not answer."""

from __future__ import annotations

import socket
import xmlrpc.client
from typing import TYPE_CHECKING, Any

import psutil
from supervisor.xmlrpc import SupervisorTransport, UnixStreamHTTPConnection

from infra.processes import stack_processes
from trending.errors import NotReady

if TYPE_CHECKING:
    from pathlib import Path


class _Connection(UnixStreamHTTPConnection):  # type: ignore[misc]  # supervisor ships no types
    """Supervisor's own connection waits for ever."""

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
    """Return supervisord's answer; raises NotReady after ``seconds``, OSError where nobody listens, xmlrpc.client.Error."""
    try:
        with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=_transport(path, seconds)) as proxy:
            return getattr(proxy, method)(*arguments)
    except (TimeoutError, BlockingIOError) as error:  # the second where more wait for it than its socket has room for
        cause = "supervisord does not answer"
        raise NotReady(cause, f"{method} at {path}, {seconds:g} s", "make down ends it, then make up") from error


def supervisords(stack_id: str) -> list[psutil.Process]:
    """Return the living supervisord of the stack, known by mark and command: one, or none."""
    found = []
    for process in stack_processes(stack_id):
        try:
            if any("supervisor.supervisord" in word for word in process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found
