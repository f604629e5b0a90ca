"""The local Prefect server: reused if it runs, otherwise started under a supervisord of its own, together with the worker."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from infra.console.crash_reports import run_reported
from infra.host.clock import Clock, SystemClock
from infra.host.environment import LOOPBACK
from infra.host.processes import end_processes, free_port, port_owner, require_ended, stack_processes
from infra.prefect_services.credentials import (
    PrefectServer,
    ensure_password,
    read_password,
    server_environment,
    server_secrets,
    services_directory,
    shut_prefects_home,
)
from infra.prefect_services.supervision import (
    server_idle,
    services_held,
    services_identity,
    services_supervisor,
    serving,
    worker_note,
)
from infra.prefect_services.versions import VERSION_NOTE, note_version, other_version
from infra.stack.declaration import Program
from infra.supervision.output_tail import tail
from trending.errors import NotReady
from trending.private_file import write_private

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.supervision.supervisor import Supervisor

DEFAULT_PORT = 4200
START_SECONDS = 90.0
END_SECONDS = 5.0
BUSY_SECONDS = 60.0
"""How long our server may listen without answering before another one replaces it."""
BUSY_PAUSE_SECONDS = 0.5
PROGRAM = "prefect-server"


RUN_HEARTBEAT_SECONDS = 30
"""A flow run's heartbeat interval, the shortest that Prefect allows. The automation marks a run that misses three as crashed."""


def answers(url: str, timeout: float = 2.0) -> bool:
    """Whether a Prefect API answers at ``url``, asked directly: loopback never goes through a proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/health", timeout=timeout) as reply:
            return bool(reply.status == 200)  # noqa: PLR2004 - HTTP's OK
    except (OSError, urllib.error.URLError, ValueError):
        return False


def current_server(users: Callable[[str], bool] = answers) -> PrefectServer | None:
    """Return the server that answers, the user's or ours, or None. Never starts one. ``users`` asks the user's own."""
    url = _users_url()
    if url:
        return PrefectServer(url, started=False) if users(url) else None
    return _recorded_server()


def ensure_server(
    clock: Clock | None = None, show: Callable[[str], object] | None = None, users: Callable[[str], bool] = answers
) -> PrefectServer:
    """Return a server that answers, starting a local one if need be.

    ``PREFECT_API_URL`` is the user's choice: if it is set and nothing answers there, that is an error, and no other server is
    started. ``users`` asks it. ``show`` gets a line before a start, which takes some seconds. Raises NotReady if no server
    answers in time.
    """
    clock = clock or SystemClock()
    wanted = _users_url()
    if wanted:
        if not users(wanted):
            cause = f"no Prefect server answers at {wanted}"
            raise NotReady(cause, "PREFECT_API_URL is set", "start that server, or unset PREFECT_API_URL")
        return PrefectServer(wanted, started=False)
    if recorded := _recorded_server():
        return recorded
    with services_held():
        # The previous holder may have started one; a second one would replace it under the same supervisord.
        url = _recorded_url()
        if url and (password := read_password()) and _wait_for_busy(url, clock, show):
            return PrefectServer(url, started=False, password=password)
        if show is not None:
            show("starting a Prefect server for this")
        return _start(clock)


def _users_url() -> str:
    """Return PREFECT_API_URL, unless it is our own server's, or empty: then it chooses nothing."""
    given = os.environ.get("PREFECT_API_URL", "").strip()
    return "" if given and _address(given) == _address(_recorded_url()) else given


def _address(url: str) -> tuple[str, int | None, str]:
    try:
        parts = urlsplit(url)
        host = "127.0.0.1" if parts.hostname in LOOPBACK else parts.hostname or ""
        return host, parts.port, parts.path.rstrip("/")
    except ValueError:
        return url, None, ""


def _recorded_url() -> str:
    try:
        return (services_directory() / "url").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""


def _recorded_server() -> PrefectServer | None:
    """Return the server that the lab started earlier, if it still answers and is still ours."""
    url, password = _recorded_url(), read_password()
    if not url or password is None:  # without one, the server was started by an earlier version, which left its door open
        return None
    return PrefectServer(url, started=False, password=password) if answers(url) and is_ours(url) else None


def _wait_for_busy(url: str, clock: Clock, show: Callable[[str], object] | None) -> bool:
    """Wait for our server, which listens but does not answer; returns whether it answered in the end.

    It is busy. Starting another one would take it away from the commands that use it.
    """
    deadline, shown = clock.monotonic() + BUSY_SECONDS, False
    while is_ours(url):
        if answers(url):
            return True
        if clock.monotonic() > deadline:
            break
        if show is not None and not shown:
            show(f"the Prefect server at {url} is busy: waiting for it")
            shown = True
        clock.sleep(BUSY_PAUSE_SECONDS)
    return False


def is_ours(url: str) -> bool:
    """Whether the process that listens there carries our mark. Another checkout may take the port at the same moment."""
    owner = port_owner(urlsplit(url).port or 0)
    if owner is None or owner.pid is None:
        return False
    return any(process.pid == owner.pid for process in stack_processes(services_identity()))


def _start(clock: Clock) -> PrefectServer:
    supervisor = services_supervisor()
    if not supervisor.require_reachable():
        _end_leftovers()
        worker_note().unlink(missing_ok=True)  # left by a worker that ended when the machine restarted
    supervisor.start()
    supervisor.remove(PROGRAM)  # ends a server that does not answer, to reuse its port: worker and bookmarks point there
    deadline = clock.monotonic() + START_SECONDS
    password = ensure_password()
    shut_prefects_home()
    while True:
        port = free_port(DEFAULT_PORT, 1)
        url = f"http://127.0.0.1:{port}/api"
        command = (sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port))
        supervisor.launch(Program(PROGRAM, command, server_environment(url), 20, url, server_secrets(password)))
        if _wait(supervisor, url, deadline, clock):
            note_version()
            write_private(services_directory() / "url", url)
            return PrefectServer(url, started=True, password=password)


def _wait(supervisor: Supervisor, url: str, deadline: float, clock: Clock) -> bool:
    """Wait until our server answers; returns False if somebody else's answers there. Raises NotReady."""
    while not answers(url):
        status = supervisor.status(PROGRAM)
        if clock.monotonic() > deadline or status is None or not (status.alive or status.state == "BACKOFF"):
            cause = "the local Prefect server did not start"
            log = supervisor.output / f"{PROGRAM}.err.log"
            raise NotReady(cause, f"{url}; {log}: {tail(log, 3)}", "make server-stop, then once more")
        clock.sleep(0.1)
    return is_ours(url)


def _end_leftovers() -> None:
    """End what carries the services' mark and no supervisord owns; raises LabError for what does not end."""
    survivors = end_processes(stack_processes(services_identity()), END_SECONDS)
    require_ended(survivors, "the Prefect server and its worker", "make server-stop once more")


def stop_idle_server() -> None:
    """Stop the server that the lab started, unless `make serve` or another command uses it."""
    with server_idle() as idle:
        if idle and not serving():
            stop_server()


def stop_other_version() -> None:
    """Stop our server if another Prefect runs it, unless `make serve` or a command uses it: an upgrade replaced its files."""
    if other_version():
        stop_idle_server()


def stop_server() -> bool:
    """Stop the server and worker that the lab started; returns whether there were any. Other servers are never touched."""
    with services_held():
        supervisor = services_supervisor()
        running = supervisor.lives()
        supervisor.shutdown()
        _end_leftovers()
        for left in ("url", VERSION_NOTE, "worker.drift"):
            (services_directory() / left).unlink(missing_ok=True)
    return running


def main() -> None:
    """``python -m infra.prefect_services.server stop`` stops the server that the lab started, if any."""
    if sys.argv[1:] != ["stop"]:
        sys.exit("usage: python -m infra.prefect_services.server stop")
    sys.stdout.write("stopped\n" if stop_server() else "none was running\n")


if __name__ == "__main__":
    run_reported(main, own_home=True)
