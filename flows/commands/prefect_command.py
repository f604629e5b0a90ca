"""One command of Prefect's own on the server that the lab uses: ``python -m flows.commands.prefect_command deployment ls``."""

from __future__ import annotations

import os
import sys

from flows.runs.users_server import users_server_answers
from infra.console.crash_reports import run_reported
from infra.host.environment import keep_loopback_direct
from infra.prefect_services.credentials import client_environment
from infra.prefect_services.server import current_server
from trending.errors import NotReady

_TERMINALS = ("TERM", "COLUMNS", "NO_COLOR")


def main() -> None:
    """Become the command, with the server's address and password in its environment."""
    keep_loopback_direct()
    server = current_server(users_server_answers)
    if server is None:
        cause = "no Prefect server answers"
        raise NotReady(cause, os.environ.get("PREFECT_API_URL", "the lab has started none"), "make serve")
    shown = {name: os.environ[name] for name in _TERMINALS if name in os.environ}
    command = [sys.executable, "-m", "prefect", *sys.argv[1:]]
    os.execve(command[0], command, {**client_environment(server), **shown})  # noqa: S606 - Prefect's own command line


if __name__ == "__main__":
    run_reported(main, own_home=True)
