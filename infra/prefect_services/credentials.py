"""What the lab's own Prefect server lets nobody in without, and what Prefect's processes are told by environment.

``python -m infra.prefect_services.credentials`` prints the password.
"""

from __future__ import annotations

import os
import secrets
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from infra.console.crash_reports import run_reported
from infra.host.environment import built_environment, proxies
from infra.host.paths import lab_home
from trending.errors import NotReady
from trending.private_file import write_private

KEPT_SECONDS = 2 * 24 * 3600
"""Flow runs with their logs and artifacts, and events, are deleted when they are older."""
USER = "trending"
"""Prefect's basic authentication wants a name before the password; the UI asks for both as one word."""
_CLIENTS = ("PREFECT_API_", "PREFECT_CLIENT_", "PREFECT_CLOUD_")
"""What a user sets for a server of their own: key, password, headers, certificates, retries."""


@dataclass(frozen=True)
class PrefectServer:
    """A server that answers. ``started`` says whether this call started it; the lab's own one has a password."""

    url: str
    started: bool
    password: SecretStr | None = field(default=None, compare=False)


def services_directory() -> Path:
    """Return the directory with the configuration and output of server and worker."""
    return lab_home() / "server"


def password_file() -> Path:
    """Return the file of the password of the lab's own server. Only its owner may read it."""
    return services_directory() / "password"


def read_password() -> SecretStr | None:
    """Return the password of the lab's own server, or None if none was made, or others can read it."""
    path = password_file()
    try:
        found = path.stat()
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    private = found.st_uid == os.geteuid() and not stat.S_IMODE(found.st_mode) & 0o077
    return SecretStr(text) if private and text else None


def ensure_password() -> SecretStr:
    """Return the password, made now if there is none. It outlives the server, so that browsers stay logged in."""
    known = read_password()
    if known is None:
        known = SecretStr(f"{USER}:{secrets.token_urlsafe(24)}")
        services_directory().mkdir(parents=True, exist_ok=True)
        write_private(password_file(), known.get_secret_value())
    return known


def prefect_environment() -> dict[str, str]:
    """Return the environment of every Prefect process of the lab: Prefect's home in the checkout, no telemetry."""
    return {
        "PREFECT_HOME": os.environ.get("PREFECT_HOME") or str(lab_home() / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }


def shut_prefects_home() -> None:
    """Make the lab's own Prefect home, in which blocks lie encrypted beside their key, its user's alone; a user's own stays."""
    place = lab_home() / "prefect"
    if Path(prefect_environment()["PREFECT_HOME"]).resolve() == place:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.chmod(0o700)


def server_environment(url: str) -> dict[str, str]:
    """Return the environment of the server at ``url``: its UI calls that server, its database stays small, its door is shut."""
    port = urlsplit(url).port
    return {
        **prefect_environment(),
        "PREFECT_UI_API_URL": url,  # by default the UI calls port 4200, even when it is served from another one
        # The newer UI of 3.8.8 contacts Amplitude for session replay even with analytics switched off.
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(KEPT_SECONDS),
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": f"PT{KEPT_SECONDS}S",  # ISO 8601, the only accepted format
        # By default any page may ask, and nothing is asked of it: record 81.
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port},http://localhost:{port}",
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
    }


def server_secrets(password: SecretStr) -> dict[str, str]:
    """Return the server's secret variables. Its alerts go out by the user's proxies, whose addresses may contain a password."""
    return {**proxies(), "PREFECT_SERVER_API_AUTH_STRING": password.get_secret_value()}


def client_secrets(server: PrefectServer) -> dict[str, str]:
    """Return the secret variables of a client of this server: the lab's password, or what the user set for their own server."""
    if server.password is not None:
        return {**proxies(), "PREFECT_API_AUTH_STRING": server.password.get_secret_value()}
    theirs = {name: value for name, value in os.environ.items() if name.startswith(_CLIENTS) and name != "PREFECT_API_URL"}
    return {**proxies(), **theirs}


def client_environment(server: PrefectServer) -> dict[str, str]:
    """Return the whole environment of a Prefect command that talks to this server."""
    return {**built_environment(), **prefect_environment(), "PREFECT_API_URL": server.url, **client_secrets(server)}


def main() -> None:
    """Print the password, which is what ``make serve-password`` was asked for."""
    password = read_password()
    if password is None:
        cause = "there is no password yet"
        raise NotReady(cause, str(password_file()), "make serve, which starts the lab's Prefect server")
    sys.stdout.write(password.get_secret_value() + "\n")


if __name__ == "__main__":
    run_reported(main)
