"""Runs a flow from a terminal, on the Prefect server that answers or on one started for it."""

from __future__ import annotations

import atexit
import sys
from functools import partial
from typing import TYPE_CHECKING

from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, PREFECT_HOME, temporary_settings

from infra.host.crash_reports import at_exit
from infra.prefect_services.server import (
    RUN_HEARTBEAT_SECONDS,
    PrefectServer,
    ensure_server,
    prefect_environment,
    stop_idle_server,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def with_server(run: Callable[[], object], *, leave: bool = True, run_heartbeat: int | None = RUN_HEARTBEAT_SECONDS) -> None:
    """Run a flow against a Prefect server that answers, started here if need be.

    With ``leave`` a server started here keeps running for the stacks that are up, and ``make down`` stops it with the last of
    them. Otherwise it is stopped at exit, unless ``make serve`` uses it by then. Exit handlers run in reverse order of their
    registration, so Prefect has sent its last logs and events before.
    ``run_heartbeat`` is the interval of the run's heartbeats in seconds. None saves a short run up to a second: Prefect 3.8.8
    sleeps through its last heartbeat at the end of every run.
    """
    server = ensure_server(show=print_line)
    if server.started and not leave:
        atexit.register(partial(at_exit, stop_idle_server))
    run_on(server, run, run_heartbeat)


def print_line(line: str) -> None:
    """Print one line at once; no flow run exists yet that could log it."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def run_on(server: PrefectServer, run: Callable[[], object], run_heartbeat: int | None = RUN_HEARTBEAT_SECONDS) -> None:
    """Run a flow against this server, with Prefect's home in the checkout."""
    home = prefect_environment()["PREFECT_HOME"]
    with temporary_settings({PREFECT_API_URL: server.url, PREFECT_HOME: home, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: run_heartbeat}):
        run()
