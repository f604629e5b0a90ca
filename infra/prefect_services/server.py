"""The local Prefect server: reused where it is, otherwise started under a supervisord of its own, which has the worker too."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator  # noqa: TC003 - the context manager's annotation is evaluated
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from infra.host.clock import Clock, SystemClock
from infra.host.paths import lab_home, short_hash
from infra.host.processes import end_processes, free_port, port_owner, stack_processes
from infra.stack.declaration import Program
from infra.supervision.output_tail import tail
from infra.supervision.private_files import write_private
from infra.supervision.supervisor import Supervisor
from trending.errors import NotReady, StackBusy

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_PORT = 4200
START_SECONDS = 90.0
END_SECONDS = 5.0
BUSY_SECONDS = 60.0
"""How long a server of ours that listens may take to answer before another takes its place."""
BUSY_PAUSE_SECONDS = 0.5
HELD_SECONDS = 2 * START_SECONDS + BUSY_SECONDS
"""How long a command waits for another that starts or stops the server."""
PROGRAM = "prefect-server"
WORKER = "prefect-worker"


@dataclass(frozen=True)
class PrefectServer:
    """A server that answers. ``started`` tells whether this call started it."""

    url: str
    started: bool


RUN_HEARTBEAT_SECONDS = 30
"""A flow run gives a sign of life this often, Prefect's shortest: the automation marks crashed who misses three."""
KEPT_SECONDS = 2 * 24 * 3600
"""Flow runs, their logs and artifacts, and events are deleted when they are older."""


def prefect_environment() -> dict[str, str]:
    """Return the environment that every Prefect process of the lab shares: its home in the checkout, nothing reported."""
    return {
        "PREFECT_HOME": os.environ.get("PREFECT_HOME") or str(lab_home() / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }


def server_environment(url: str) -> dict[str, str]:
    """Return the environment of the server at ``url``: its UI asks that server, its database stays small."""
    return {
        **prefect_environment(),
        "PREFECT_UI_API_URL": url,  # by default the UI asks port 4200, whatever port it came from
        # The newer UI of 3.8.8 asks Amplitude's host for its session replay even where analytics are off.
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(KEPT_SECONDS),
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": f"PT{KEPT_SECONDS}S",  # ISO 8601, the only form it takes
    }


def answers(url: str, timeout: float = 2.0) -> bool:
    """Whether a Prefect API answers at ``url``."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=timeout) as reply:  # noqa: S310 - our own http address
            return bool(reply.status == 200)  # noqa: PLR2004 - HTTP's OK
    except (OSError, urllib.error.URLError, ValueError):
        return False


def current_server() -> PrefectServer | None:
    """Return the server that answers, the user's or ours, or None; starts nothing."""
    url = os.environ.get("PREFECT_API_URL")
    if url:
        return PrefectServer(url, started=False) if answers(url) else None
    return _recorded_server()


def ensure_server(clock: Clock | None = None, show: Callable[[str], None] | None = None) -> PrefectServer:
    """Return a server that answers, starting a local one if need be.

    ``PREFECT_API_URL`` is the user's word: when it is set and nothing answers there, that is an error and not a reason to start
    another. ``show`` is told before one is started, which takes some seconds. Raises NotReady when no server answers in time.
    """
    clock = clock or SystemClock()
    wanted = os.environ.get("PREFECT_API_URL")
    if wanted:
        if not answers(wanted) and not _wait_for_busy(wanted, clock, show):
            cause = f"no Prefect server answers at {wanted}"
            raise NotReady(cause, "PREFECT_API_URL is set", "start that server, or unset PREFECT_API_URL")
        return PrefectServer(wanted, started=False)
    if recorded := _recorded_server():
        return recorded
    with services_held():
        # Whoever held it may have started one meanwhile; a second would take the first one's place under its supervisord.
        url = _recorded_url()
        if url and _wait_for_busy(url, clock, show):
            return PrefectServer(url, started=False)
        if show is not None:
            show("starting a Prefect server for this")
        return _start(clock)


def services_directory() -> Path:
    """Return where server and worker have their configuration and logs."""
    return lab_home() / "server"


def services_supervisor() -> Supervisor:
    """Return the supervisord of Prefect's server and worker: none of a stack's, so that a take-down can't end who runs it."""
    return Supervisor(services_directory(), _identity(), "make server-stop")


def _identity() -> str:
    return f"{PROGRAM}-{short_hash(str(lab_home()), 8)}"


@contextmanager
def services_held() -> Iterator[None]:
    """Hold what starts and stops server and worker; raises StackBusy when another command does for too long."""
    path = services_directory() / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=HELD_SECONDS)
    try:
        lock.acquire()
    except Timeout as error:
        cause = f"another command has been starting or stopping the Prefect server for {HELD_SECONDS:.0f} s"
        raise StackBusy(cause, str(path), "make server-stop, then once more") from error
    try:
        yield
    finally:
        lock.release()


def _recorded_url() -> str:
    try:
        return (services_directory() / "url").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""


def _recorded_server() -> PrefectServer | None:
    """Return the server that the lab started earlier, where it still answers and is still ours."""
    url = _recorded_url()
    return PrefectServer(url, started=False) if url and answers(url) and is_ours(url) else None


def _wait_for_busy(url: str, clock: Clock, show: Callable[[str], None] | None) -> bool:
    """Wait for a server of ours that listens and does not answer; returns whether it did.

    It is busy, and whoever works with it would lose it to another one's start.
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
    """Whether the process that listens there carries our mark: another checkout may take a port at the same moment."""
    owner = port_owner(urlsplit(url).port or 0)
    if owner is None or owner.pid is None:
        return False
    return any(process.pid == owner.pid for process in stack_processes(_identity()))


def _start(clock: Clock) -> PrefectServer:
    supervisor = services_supervisor()
    if not supervisor.require_reachable():
        end_processes(stack_processes(_identity()), END_SECONDS)
        worker_note().unlink(missing_ok=True)  # of a worker that a restart of the machine has ended
    supervisor.start()
    supervisor.remove(PROGRAM)  # one that does not answer gives its port back: the worker and bookmarks know no other
    deadline = clock.monotonic() + START_SECONDS
    while True:
        port = free_port(DEFAULT_PORT, 1)
        url = f"http://127.0.0.1:{port}/api"
        command = (sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port))
        supervisor.launch(Program(PROGRAM, command, server_environment(url), 20, url))
        if _wait(supervisor, url, deadline, clock):
            write_private(services_directory() / "url", url)
            return PrefectServer(url, started=True)


def _wait(supervisor: Supervisor, url: str, deadline: float, clock: Clock) -> bool:
    """Wait until our server answers; returns False when somebody else's answers there. Raises NotReady."""
    while not answers(url):
        status = supervisor.status(PROGRAM)
        if clock.monotonic() > deadline or status is None or not (status.alive or status.state == "BACKOFF"):
            cause = "the local Prefect server did not start"
            log = supervisor.output / f"{PROGRAM}.err.log"
            raise NotReady(cause, f"{url}; {log}: {tail(log, 3)}", "make server-stop, then once more")
        clock.sleep(0.1)
    return is_ours(url)


def serving() -> bool:
    """Whether a worker was asked for: then the server is not a single command's to stop.

    By the note of it and not by asking supervisord, whose silence on a busy machine had a take-down stop a server that served.
    """
    return worker_note().exists()


def note_serving() -> None:
    """Note that somebody is about to be served; a note that says more is left as it is."""
    if not worker_note().exists():
        worker_note().parent.mkdir(parents=True, exist_ok=True)
        write_private(worker_note(), "")


def worker_note() -> Path:
    """Return where it is noted what the worker was started for, from its start until server and worker are stopped."""
    return services_directory() / "worker.drift"


def stop_idle_server() -> None:
    """Stop the server that the lab started, unless somebody is served by it."""
    if not serving():
        stop_server()


def stop_server() -> bool:
    """Stop server and worker that the lab started; returns whether there was any. Someone else's server is never touched."""
    with services_held():
        supervisor = services_supervisor()
        running = supervisor.lives()
        supervisor.shutdown()
        end_processes(stack_processes(_identity()), END_SECONDS)
        for left in ("url", "worker.drift"):
            (services_directory() / left).unlink(missing_ok=True)
    return running


def main() -> None:
    """``python -m infra.prefect_services.server stop`` stops the server that the lab started, if any."""
    if sys.argv[1:] != ["stop"]:
        sys.exit("usage: python -m infra.prefect_services.server stop")
    sys.stdout.write("stopped\n" if stop_server() else "none was running\n")


if __name__ == "__main__":
    main()
