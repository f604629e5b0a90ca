"""Rows 11 and 12: what Prefect costs. A health check against its bare probes; a run asked for until it runs, against defaults."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId, FlowRunFilterStartTime
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import temporary_settings

from benchmarks.children import Child
from benchmarks.contest import Sample, Unmeasurable
from benchmarks.kafka_tools import bench_directory
from benchmarks.running.own_server import OwnServer
from flows.commands.deployment import create_pool, deploy
from flows.runs.server import client_settings
from infra.host.paths import CHECKOUT
from infra.host.processes import free_port
from infra.operations.take_down import take_down
from infra.prefect_services.credentials import PrefectServer, client_environment, client_secrets, prefect_environment
from infra.prefect_services.server import ensure_server, stop_server
from infra.prefect_services.supervision import serving
from infra.prefect_services.worker import ensure_worker

if TYPE_CHECKING:
    from collections.abc import Sequence

CHECKED = "bench-check"
PORT = 29392
COMMAND_SECONDS = 300
RUN_SECONDS = 120.0
DEFAULT_POOL = "bench-defaults"
PROBES = "from infra.lab.assembly import open_lab; from infra.health.examination import examine; examine(open_lab('{name}'))"


def run_command(command: Sequence[str], **environment: str) -> float:
    """Return the seconds that a command takes; raises RuntimeError with its last words when it fails."""
    started = time.monotonic()
    done = subprocess.run(
        command,
        cwd=CHECKOUT,
        env={**os.environ, **prefect_environment(), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError((done.stdout + done.stderr)[-600:])
    return time.monotonic() - started


class OnAStack:
    """A participant whose work is done on a stack that is up; the stack is shared by all that need one."""

    name = ""
    _users = 0
    _server = OwnServer()

    def __init__(self) -> None:
        self.facts: dict[str, str] = {}

    def prepare(self) -> None:
        """Bring the stack up, unless the other one has."""
        OnAStack._server.start()
        if not OnAStack._users:
            take_away()
            chosen = ["--name", CHECKED, "--port", str(free_port(PORT, 11)), "--runtime", "embedded", "--page_port", "0"]
            run_command([sys.executable, "-m", "flows.start_up", *chosen])
        OnAStack._users += 1
        self.measure()

    def measure(self) -> Sample:
        """Do the work once."""
        raise NotImplementedError

    def close(self) -> None:
        """Take the stack down with the last of those who used it."""
        OnAStack._users -= OnAStack._users > 0
        if not OnAStack._users:
            take_away()
            OnAStack._server.stop()


def take_away() -> None:
    """Take the checked stack down with its data; fine where there is none."""
    take_down(CHECKED, volumes=True)


class HealthCheck(OnAStack):
    """The flow, as ``make health`` runs it, from the start of the command to its end."""

    name = "health-check flow"

    def measure(self) -> Sample:
        """Return the seconds of one check."""
        return Sample(run_command([sys.executable, "-m", "flows.health_check", "--name", CHECKED]))


class BareProbes(OnAStack):
    """The same probes by the same function, in a process of their own, without server, run, table and events."""

    name = "probes run bare"

    def measure(self) -> Sample:
        """Return the seconds of the process."""
        return Sample(run_command([sys.executable, "-c", PROBES.format(name=CHECKED)]))


class Asked:
    """``prefect deployment run`` of the health check until the run is running, on a worker of some kind."""

    name = ""
    deployment = ""

    def __init__(self) -> None:
        self.facts: dict[str, str] = {}
        self.server: PrefectServer | None = None

    def prepare(self) -> None:
        """Have server, worker and deployment there."""
        raise NotImplementedError

    def measure(self) -> Sample:
        """Return the seconds from the start of the command to the beginning of the run's own process."""
        if self.server is None:
            message = "there is no server"
            raise Unmeasurable(message)
        with temporary_settings(client_settings(self.server)), get_client(sync_client=True) as client:
            asked = time.time()
            run_command(
                [sys.executable, "-m", "prefect", "deployment", "run", self.deployment], **client_environment(self.server)
            )
            begun = began(client, self.deployment, asked)
        return Sample(begun - asked)

    def close(self) -> None:
        """End what was started for it."""
        raise NotImplementedError


def began(client: SyncPrefectClient, deployment: str, asked: float) -> float:
    """Wait for the run asked for at ``asked`` and return when it began, seconds since the epoch; raises TimeoutError."""
    running = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[client.read_deployment_by_name(deployment).id]),
        start_time=FlowRunFilterStartTime(is_null_=False),
    )
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        for run in client.read_flow_runs(flow_run_filter=running, sort=FlowRunSort.START_TIME_DESC, limit=20):
            ours = run.created is not None and run.created.timestamp() >= asked
            if ours and not run.auto_scheduled and run.start_time is not None:
                return run.start_time.timestamp()
        time.sleep(0.1)
    raise TimeoutError(deployment)


class OurWorker(Asked):
    """The worker of ``make serve``."""

    name = "make serve's worker"
    deployment = "health-check/local"

    def prepare(self) -> None:
        """Serve as ``make serve`` does."""
        if serving():
            message = "make serve is running: make serve-stop first"
            raise Unmeasurable(message)
        self.server = ensure_server()
        with temporary_settings(client_settings(self.server)):
            create_pool()
            deploy(client_environment(self.server))
        ensure_worker(self.server)
        self.measure()

    def close(self) -> None:
        """End worker and server."""
        if self.server is not None:
            stop_server()


class DefaultWorker(Asked):
    """A worker with Prefect's defaults, on a pool and a deployment of its own, of the same flow."""

    name = "Prefect's defaults"
    deployment = "health-check/defaults"

    def __init__(self) -> None:
        super().__init__()
        self._worker: Child | None = None

    def prepare(self) -> None:
        """Start the worker and deploy the flow to its pool."""
        self.server = ensure_server()
        url = {"PREFECT_API_URL": self.server.url, **client_secrets(self.server)}
        prefect = [sys.executable, "-m", "prefect", "--no-prompt"]
        run_command([*prefect, "work-pool", "create", DEFAULT_POOL, "--type", "process", "--overwrite"], **url)
        entrypoint = "flows/health_check.py:health_check"
        parameters = ["--params", '{"settings": {}}', "--prefect-file", os.devnull]
        run_command([*prefect, "deploy", entrypoint, "--name", "defaults", "--pool", DEFAULT_POOL, *parameters], **url)
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", DEFAULT_POOL, "--install-policy", "never"]
        self._worker = Child("default-worker", command, bench_directory(), {**prefect_environment(), **url})
        self.measure()

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            self._worker.end()
