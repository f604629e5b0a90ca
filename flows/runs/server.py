"""Runs a flow from a terminal, on the Prefect server that answers or on one started for it."""

from __future__ import annotations

import atexit
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_KEY,
    PREFECT_API_URL,
    PREFECT_CLIENT_CSRF_SUPPORT_ENABLED,
    PREFECT_CLIENT_CUSTOM_HEADERS,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_HOME,
    temporary_settings,
)

from flows.runs.users_server import users_server_answers
from infra.console.crash_reports import at_exit
from infra.console.impatience import done_at_exit
from infra.console.interruptions import finished_despite_signals
from infra.console.reporting import write_line
from infra.prefect_services.credentials import PrefectServer, prefect_environment
from infra.prefect_services.server import RUN_HEARTBEAT_SECONDS, ensure_server, stop_idle_server, stop_other_version
from infra.prefect_services.supervision import server_used
from trending.errors import UndoAbandoned

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect.settings.legacy import Setting


def with_server(run: Callable[[], object], *, leave: bool = True, run_heartbeat: int | None = RUN_HEARTBEAT_SECONDS) -> None:
    """Run a flow against a Prefect server that answers, started here if need be.

    With ``leave`` a server started here keeps running for the stacks that are up, and ``make down`` stops it with the last of
    them. Otherwise it is stopped at exit, unless ``make serve`` uses it by then. Exit handlers run in reverse order of their
    registration, so Prefect has sent its last logs and events before.
    ``run_heartbeat`` is the interval of the run's heartbeats in seconds. None saves a short run up to a second: Prefect 3.9.1
    sleeps through its last heartbeat at the end of every run.
    """
    stop_other_version()
    with server_used():  # from before it is looked for: a take-down of another stack would stop it
        server = ensure_server(show=write_line, users=users_server_answers)  # no flow run exists yet that could log it
        if server.started and not leave:
            stop_at_exit(stop_idle_server)
        run_on(server, run, run_heartbeat)


def stop_at_exit(stop: Callable[[], object]) -> None:
    """Have the server stopped at exit, although signals arrive meanwhile."""
    atexit.register(done_at_exit(partial(_stop, stop)))


def _stop(stop: Callable[[], object]) -> None:
    try:
        with finished_despite_signals():
            at_exit(stop)
    except UndoAbandoned:
        write_line("abandoned: the Prefect server may be left; make server-stop ends it", sys.stderr)
        os._exit(UndoAbandoned.exit_code)  # atexit would print a traceback and go on


def run_on(server: PrefectServer, run: Callable[[], object], run_heartbeat: int | None = RUN_HEARTBEAT_SECONDS) -> None:
    """Run a flow against this server, with Prefect's home in the checkout."""
    with temporary_settings({**client_settings(server), PREFECT_FLOWS_HEARTBEAT_FREQUENCY: run_heartbeat}):
        run()


def client_settings(server: PrefectServer) -> dict[Setting, Any]:
    """Return Prefect's settings for a client of this server in this process.

    To the lab's own server it goes with the lab's password, whatever the user has set for another one.
    """
    settings: dict[Setting, Any] = {PREFECT_API_URL: server.url, PREFECT_HOME: prefect_environment()["PREFECT_HOME"]}
    if server.password is not None:
        settings |= {
            PREFECT_API_AUTH_STRING: server.password.get_secret_value(),
            PREFECT_API_KEY: None,
            PREFECT_CLIENT_CUSTOM_HEADERS: "{}",  # as text: Prefect merges a dictionary with the one that is set
            PREFECT_CLIENT_CSRF_SUPPORT_ENABLED: True,
        }
    return settings
