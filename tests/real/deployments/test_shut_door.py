"""The lab's Prefect server against a hostile page and another user of the machine. FAULTS.md row 37."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from socket import create_connection
from typing import TYPE_CHECKING

import httpx
import pytest
from prefect.server.api.server import API_ROUTERS
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from infra.host.paths import CHECKOUT
from infra.host.processes import free_port
from infra.prefect_services.credentials import password_file, prefect_environment, services_directory
from infra.supervision.control_socket import socket_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from real.harness import RealStack
    from real.served import Served

EVIL = "http://evil.example"
PAGES = ({"Origin": EVIL}, {"Origin": EVIL, "Host": "evil.example"}, {"Host": "evil.example:4200"}, {})
"""What a hostile page sends; with the name rebound to 127.0.0.1, its Host is its own; another user sends what they like."""
OPEN = {("GET", "/health"), ("GET", "/ready")}
REFUSED = {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}
"""Prefect looks for a change's token before it looks for the secret, and answers 403 where the token is missing."""
NOBODY = 65534
OPEN_SECONDS = 90
_WRONG = ("", "Basic", "Basic eDp5", "Bearer x", "Basic /w==")


def routes() -> list[tuple[str, str]]:
    """Return method and path of every route of Prefect's API; of websockets, the method is ``WS``."""
    found = set()
    for router in API_ROUTERS:
        for route in router.routes:
            path = re.sub(r"\{[^}]*\}", str(uuid.uuid4()), getattr(route, "path", ""))
            for method in getattr(route, "methods", None) or {"WS"}:
                found.add((method, path))
    assert len(found) > 150
    return sorted(found)


def secret_of(served: Served) -> tuple[str, str]:
    """Return the name and the word of the server's password."""
    assert served.server.password is not None
    name, word = served.server.password.get_secret_value().split(":")
    return name, word


def socket_answers(api: str, path: str, host: str, *, protocol: bool) -> bool:
    """Whether a websocket goes on after what a hostile page says first, which calls the server ``host``."""
    port = httpx.URL(api).port or 0
    protocols = [Subprotocol("prefect")] if protocol else None
    address = f"ws://{host}:{port}/api{path}"
    try:
        with (
            create_connection(("127.0.0.1", port)) as rebound,
            connect(address, sock=rebound, subprotocols=protocols, origin=Origin(EVIL), proxy=None) as opened,
        ):
            opened.send('{"type": "auth", "token": null}')
            return "auth_success" in str(opened.recv(timeout=10))
    except (ConnectionClosed, InvalidHandshake, TimeoutError):
        return False


@pytest.mark.row(37, "E")
def test_row_37_no_route_but_health_answers_without_the_secret(served: Served) -> None:
    """Each route twice: with a token against forgery, so that it is the missing secret that is refused, and without."""
    answered, health = [], []
    with httpx.Client(base_url=served.url, trust_env=False, auth=secret_of(served)) as known:
        token = {"Prefect-Csrf-Client": "x", "Prefect-Csrf-Token": known.get("/csrf-token?client=x").json()["token"]}
    with httpx.Client(base_url=served.url, trust_env=False) as stranger:
        for method, path in routes():
            if method == "WS":
                for host in ("127.0.0.1", "evil.example"):
                    answered += [(method, path)] * socket_answers(served.url, path, host, protocol=True)
                    answered += [(method, path)] * socket_answers(served.url, path, host, protocol=False)
                continue
            for page in PAGES:
                body = {} if method in {"POST", "PUT", "PATCH"} else None
                reply = stranger.request(method, path, headers={**page, **token}, json=body)
                bare = stranger.request(method, path, headers=page, json=body)
                if (method, path) in OPEN:
                    health += [reply.status_code, bare.status_code]
                elif reply.status_code != httpx.codes.UNAUTHORIZED or bare.status_code not in REFUSED:
                    answered.append((method, path))
        for wrong in _WRONG:
            reply = stranger.post("/work_pools/filter", headers={**token, "Authorization": wrong}, json={})
            assert reply.status_code == httpx.codes.UNAUTHORIZED, wrong
    assert answered == []
    assert set(health) == {200}


@pytest.mark.row(37, "E")
def test_row_37_another_page_is_told_nothing_and_even_with_the_secret_a_change_wants_its_token(served: Served) -> None:
    port = httpx.URL(served.url).port
    with httpx.Client(base_url=served.url, trust_env=False, auth=secret_of(served)) as known:
        for origin in (EVIL, "http://localhost:1", "null", f"http://127.0.0.1.evil.example:{port}"):
            wanted = {
                "Origin": origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization",
            }
            assert "access-control-allow-origin" not in known.options("/work_pools/", headers=wanted).headers
            assert "access-control-allow-origin" not in known.get("/health", headers={"Origin": origin}).headers
        for origin in (f"http://127.0.0.1:{port}", f"http://localhost:{port}"):
            assert known.get("/health", headers={"Origin": origin}).headers["access-control-allow-origin"] == origin
        assert known.post("/work_pools/filter", json={}).status_code == httpx.codes.FORBIDDEN
        assert known.get("/admin/version").status_code == httpx.codes.OK


@contextmanager
def server_of_prefects_defaults(home: Path) -> Iterator[str]:
    """A server as Prefect starts it by itself: what the lab's was before."""
    port = free_port(4900, 1)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-services"]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment = {**plain, **prefect_environment(), "PREFECT_HOME": str(home)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            deadline = time.monotonic() + OPEN_SECONDS
            url = f"http://127.0.0.1:{port}/api"
            while True:
                try:
                    if httpx.get(f"{url}/health", trust_env=False).status_code == httpx.codes.OK:
                        break
                except httpx.TransportError:
                    assert time.monotonic() < deadline
                    assert server.poll() is None
                    time.sleep(0.2)
            yield url
        finally:
            server.terminate()


@pytest.mark.row(37, "E")
def test_row_37_what_is_refused_here_a_server_of_prefects_defaults_does(tmp_path: Path) -> None:
    """The attacks are real ones: each works where nothing was shut."""
    with server_of_prefects_defaults(tmp_path) as url, httpx.Client(base_url=url, trust_env=False) as stranger:
        made = stranger.post("/work_pools/", headers=PAGES[1], json={"name": "evil", "type": "process"})
        assert made.status_code == httpx.codes.CREATED
        assert stranger.get("/health", headers=PAGES[0]).headers["access-control-allow-origin"] == "*"
        assert socket_answers(url, "/events/out", "evil.example", protocol=True)


AS_ANOTHER = """
import json, socket, sys
told = {}
for path in sys.argv[2:]:
    try:
        if path.endswith(".sock"):
            with socket.socket(socket.AF_UNIX) as it:
                it.connect(path)
        else:
            open(path).close()
        told[path] = "open"
    except PermissionError:
        told[path] = "refused"
json.dump(told, sys.stdout)
"""


@pytest.mark.row(37, "E")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_row_37_another_user_reads_no_secret_and_reaches_no_supervisor(served: Served, stack: RealStack, real_home: Path) -> None:
    stack.up()
    here = services_directory()
    secrets = [password_file(), *(here / "programs").glob("*.environment"), *(stack.paths.run / "programs").glob("*")]
    sockets = [socket_of(here), socket_of(stack.paths.run)]
    assert len(secrets) > 3
    assert all(path.exists() for path in sockets)
    private = [
        path for path in (real_home, here / "programs", stack.paths.run / "programs") if path.stat().st_mode & 0o777 == 0o700
    ]
    for path in private:
        path.chmod(0o711)  # so that it is each file's own mode that is tried
    try:
        command = ["/usr/bin/python3", "-c", AS_ANOTHER, "x", *map(str, (*secrets, *sockets))]
        done = subprocess.run(
            command, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True, cwd="/", check=True
        )
    finally:
        for path in private:
            path.chmod(0o700)
    assert done.stdout.count("refused") == len(secrets) + len(sockets), done.stdout
    assert "open" not in done.stdout


def test_prefects_own_commands_go_on_working_as_the_readme_writes_them(served: Served) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=CHECKOUT, env=plain, capture_output=True, text=True, timeout=120, check=False)

    prefect = f'{sys.executable} -m prefect deployment run health-check/local -p \'settings={{"name": "nobody"}}\''
    asked = f"PREFECT_API_URL={served.url} {prefect}"
    line = f'PREFECT_API_AUTH_STRING="$(cat {password_file()})" {asked}'
    done = run("sh", "-c", line)
    assert done.returncode == 0, done.stdout + done.stderr
    assert run("sh", "-c", asked).returncode != 0
    done = run(sys.executable, "-m", "flows.commands.prefect_command", "deployment", "ls")
    assert done.returncode == 0, done.stderr
    assert "health-check/local" in done.stdout
    shown = run(sys.executable, "-m", "infra.prefect_services.credentials")
    assert served.server.password is not None
    assert shown.stdout.strip() == served.server.password.get_secret_value()
