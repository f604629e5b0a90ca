"""A Prefect server of the user's own, of pretend: asked as Prefect's client asks. Row 36."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_KEY,
    PREFECT_CLIENT_CUSTOM_HEADERS,
    temporary_settings,
)
from pydantic import SecretStr

from flows.commands import prefect_command
from flows.runs.server import client_settings
from flows.runs.users_server import users_server_answers
from infra.host.paths import CHECKOUT
from infra.prefect_services.credentials import PrefectServer
from trending.errors import NotReady

if TYPE_CHECKING:
    from collections.abc import Iterator

WANTED = "Basic " + base64.b64encode(b"me:word").decode()


class Handler(BaseHTTPRequestHandler):
    """An API below /api behind a proxy that wants a header of its own; everything else is the UI's page."""

    def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        if self.path.startswith("/none"):
            self._answer(404, b"{}")
        elif not self.path.startswith("/api/"):
            self._answer(200, b"<html>", "text/html")
        elif self.headers.get("X-Proxy") != "word":
            self._answer(403, b"{}")
        elif self.path == "/api/health":
            self._answer(200, b"true")
        else:
            self._answer(404, b"{}")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        known = self.headers.get("Authorization") == WANTED
        self._answer(200 if known else 401, b"[]" if known else b"{}")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    """The address of such a server, without the path."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.row(36)
def test_the_users_headers_and_credentials_go_with_the_question(address: str) -> None:
    with temporary_settings({PREFECT_CLIENT_CUSTOM_HEADERS: {"X-Proxy": "word"}, PREFECT_API_AUTH_STRING: "me:word"}):
        assert users_server_answers(f"{address}/api")


@pytest.mark.row(36)
@pytest.mark.parametrize("headers", [{}, {"X-Proxy": "word"}])
def test_refused_credentials_are_told_at_once_and_never_shown(address: str, headers: dict[str, str]) -> None:
    with (
        temporary_settings({PREFECT_CLIENT_CUSTOM_HEADERS: headers, PREFECT_API_AUTH_STRING: "me:wrong"}),
        pytest.raises(NotReady, match="refuses the credentials") as caught,
    ):
        users_server_answers(f"{address}/api")
    assert "PREFECT_API_AUTH_STRING" in caught.value.next_command
    assert "wrong" not in str(caught.value)


@pytest.mark.row(36)
@pytest.mark.parametrize("path", ["", "/", "/none"])
def test_an_address_without_api_gets_the_right_advice(address: str, path: str) -> None:
    with pytest.raises(NotReady, match="no Prefect API at") as caught:
        users_server_answers(address + path)
    assert caught.value.next_command == f"export PREFECT_API_URL={address}{path.rstrip('/')}/api"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/api", "nonsense", "http://[", "http://127.0.0.1:99999/api"])
def test_nobody_there_is_no_answer(url: str) -> None:
    assert not users_server_answers(url)


@pytest.mark.row(36)
def test_the_labs_own_server_is_asked_with_its_password_and_nothing_of_the_users() -> None:
    ours = PrefectServer("http://127.0.0.1:4711/api", started=False, password=SecretStr("trending:word"))
    with (
        temporary_settings({PREFECT_CLIENT_CUSTOM_HEADERS: {"Authorization": "x"}, PREFECT_API_KEY: "pnu_x"}),
        temporary_settings(client_settings(ours)),
    ):
        assert PREFECT_CLIENT_CUSTOM_HEADERS.value() == {}
        assert PREFECT_API_KEY.value() is None
        assert PREFECT_API_AUTH_STRING.value() == "trending:word"


def test_a_command_of_prefects_gets_address_and_password_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = PrefectServer("http://127.0.0.1:4711/api", started=False, password=SecretStr("trending:word"))
    become: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(prefect_command, "current_server", lambda _users: ours)
    monkeypatch.setattr("os.execve", lambda _path, command, environment: become.append((command, environment)))
    monkeypatch.setattr("sys.argv", ["it", "deployment", "ls"])
    prefect_command.main()
    ((command, environment),) = become
    assert command[1:] == ["-m", "prefect", "deployment", "ls"]
    assert environment["PREFECT_API_AUTH_STRING"] == "trending:word"
    assert environment["PREFECT_API_URL"] == ours.url


def test_without_a_server_a_command_of_prefects_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefect_command, "current_server", lambda _users: None)
    with pytest.raises(NotReady, match="make serve"):
        prefect_command.main()


@pytest.mark.row(36)
def test_make_passes_on_nothing_for_another_python_or_another_prefect() -> None:
    exported = {
        "PYTHONHOME": "/nowhere",
        "PYTHONWARNINGS": "error",
        "PREFECT_LOGGING_LEVEL": "NOSUCH",
        "PREFECT_PROFILE": "nosuch",
        "SSL_CERT_FILE": "/no.pem",
        "PREFECT_API_KEY": "pnu_x",
    }
    done = subprocess.run(
        ["make", "--no-print-directory", "--eval", "shown:\n\t@env", "shown"],
        cwd=CHECKOUT,
        env={**os.environ, **exported},
        capture_output=True,
        text=True,
        check=True,
    )
    names = {line.partition("=")[0] for line in done.stdout.splitlines()}
    assert set(exported) & names == {"PREFECT_API_KEY"}
    assert {"PREFECT_HOME", "PREFECT_SERVER_ANALYTICS_ENABLED"} <= names
