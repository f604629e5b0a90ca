"""A Docker engine on a Unix socket that the real SDK talks to: it answers what it was told to, and may fall silent."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingUnixStreamServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VERSION = {"Version": "29.1.0", "ApiVersion": "1.52", "MinAPIVersion": "1.44", "Os": "linux", "Arch": "amd64"}


class FakeEngine:
    """Answers by the last words of a request's path; ``silent`` holds the words it does not answer to, ``*`` for all."""

    def __init__(self, path: Path) -> None:
        self.host = f"unix://{path}"
        self.answers: dict[str, tuple[int, Any]] = {"/version": (200, VERSION), "/_ping": (200, "OK")}
        self.silent: set[str] = set()
        self.asked: list[str] = []
        self.queries: list[str] = []
        self.bodies: list[tuple[str, Any]] = []
        self._over = threading.Event()
        self._server = _Server(str(path), _handler(self._answer, self.bodies))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        """End the threads and the socket."""
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, path: str, query: str) -> tuple[int, Any]:
        self.asked.append(path)
        self.queries.append(query)
        if any(words == "*" or path.endswith(words) for words in self.silent):
            self._over.wait()
        nothing = (404, {"message": "no such thing"})
        return next((answer for words, answer in self.answers.items() if path.endswith(words)), nothing)


class _Server(ThreadingUnixStreamServer):
    daemon_threads = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that gave up waiting has gone."""


def _handler(answer: Callable[[str, str], tuple[int, Any]], bodies: list[tuple[str, Any]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path, _mark, query = self.path.partition("?")
            if sent:
                bodies.append((path, json.loads(sent)))
            status, body = answer(path, query)
            data = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 - the standard library's names

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing."""

    return Handler
