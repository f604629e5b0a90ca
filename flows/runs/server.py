"""Runs a flow from a terminal, on the Prefect server that answers or on one started for it."""

from __future__ import annotations

import atexit
import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, PREFECT_HOME, temporary_settings

from infra.host.crash_reports import at_exit
from infra.host.interruptions import finished_despite_signals
from infra.host.reporting import write_line
from infra.prefect_services.server import (
    RUN_HEARTBEAT_SECONDS,
    PrefectServer,
    ensure_server,
    prefect_environment,
    stop_idle_server,
)
from trending.errors import UndoAbandoned

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
    server = ensure_server(show=write_line)  # no flow run exists yet that could log it
    if server.started and not leave:
        stop_at_exit(stop_idle_server)
    run_on(server, run, run_heartbeat)


def stop_at_exit(stop: Callable[[], object]) -> None:
    """Have the server stopped at exit, although signals arrive meanwhile."""
    atexit.register(partial(_stop, stop))


def _stop(stop: Callable[[], object]) -> None:
    try:
        with finished_despite_signals():
            at_exit(stop)
    except UndoAbandoned:
        write_line("abandoned: the Prefect server may be left; make server-stop ends it", sys.stderr)
        os._exit(UndoAbandoned.exit_code)  # atexit would print a traceback and go on


def run_on(server: PrefectServer, run: Callable[[], object], run_heartbeat: int | None = RUN_HEARTBEAT_SECONDS) -> None:
    """Run a flow against this server, with Prefect's home in the checkout."""
    home = prefect_environment()["PREFECT_HOME"]
    with temporary_settings({PREFECT_API_URL: server.url, PREFECT_HOME: home, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: run_heartbeat}):
        run()
