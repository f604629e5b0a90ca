"""The lab's worker: a supervised program that serves the local Prefect server or the user's own."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from infra.host.environment import docker_variables
from infra.host.paths import lab_home, short_hash
from infra.prefect_services.credentials import PrefectServer, client_secrets, prefect_environment
from infra.prefect_services.server import RUN_HEARTBEAT_SECONDS
from infra.prefect_services.supervision import WORKER, note_serving, services_held, services_supervisor, worker_note
from infra.stack.declaration import Program
from trending.private_file import write_private

if TYPE_CHECKING:
    from infra.supervision.supervisor import ProgramStatus

POOL = "trending"
WORKER_MODULE = "flows.runs.worker"
"""Prefect's worker with a first step; by name, since this room knows no Prefect."""
RUNS_AT_ONCE = 5
STOP_SECONDS = 40
"""Stop time: the worker passes SIGTERM on to its runs, which need time for their undo."""


def ensure_worker(server: PrefectServer) -> bool:
    """Start the lab's worker for ``server`` unless it runs; returns whether it was started. It does not wait for the worker."""
    credentials = client_secrets(server)
    drift = short_hash(json.dumps([server.url, credentials, docker_variables()], sort_keys=True))
    note = worker_note()
    with services_held():
        supervisor = services_supervisor()
        supervisor.start()
        status = supervisor.status(WORKER)
        if status is not None and status.alive and note.exists() and note.read_text(encoding="utf-8") == drift:
            return False
        note_serving()
        worker = ("worker", "start", "--pool", POOL, "--type", "process", "--name", WORKER, "--limit", str(RUNS_AT_ONCE))
        command = (sys.executable, "-m", WORKER_MODULE, *worker, "--install-policy", "never")
        supervisor.launch(Program(WORKER, command, worker_environment(server), STOP_SECONDS, drift, credentials))
        write_private(note, drift)
    return True


def worker_environment(server: PrefectServer) -> dict[str, str]:
    """Return the worker's environment, which its flow runs inherit: the server, the lab's home, quick polling."""
    own_programs = str(Path(sys.executable).parent)
    return {
        **prefect_environment(),
        **docker_variables(),
        # The deployments' command is `python`; this makes it the virtual environment's.
        "PATH": os.pathsep.join([own_programs, *filter(None, [os.environ.get("PATH")])]),
        "PREFECT_API_URL": server.url,
        "PREFECT_WORKER_QUERY_SECONDS": "0.5",
        "PREFECT_WORKER_HEARTBEAT_SECONDS": "10",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(RUN_HEARTBEAT_SECONDS),
        "TRENDING_HOME": str(lab_home()),
    }


def worker_status() -> ProgramStatus | None:
    """Return supervisord's status of the lab's worker, or None if there is none."""
    return services_supervisor().status(WORKER)


def worker_output() -> Path:
    """Return the worker's error output, which says why it fails."""
    return services_supervisor().output / f"{WORKER}.err.log"
