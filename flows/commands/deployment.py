"""What `make serve` puts on a Prefect server: work pool, deployments, automations. Plain functions, because no run exists yet."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import yaml
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType, Worker, WorkerStatus
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectAlreadyExists
from prefect.types import SecretDict

from infra.host.paths import CHECKOUT
from infra.prefect_services.supervision import WORKER
from infra.prefect_services.worker import POOL, worker_output, worker_status
from infra.supervision.output_tail import tail
from trending.errors import LabError, NotReady

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic import SecretStr

    from infra.host.clock import Clock
    from infra.supervision.supervisor import ProgramStatus

DEPLOY_SECONDS = 180
WORKER_SECONDS = 120.0
SCHEDULE_SECONDS = 30.0
"""The server plans the runs of a new deployment every 5 s."""
LATE_SECONDS = 5.0
"""Oldest planned time that counts: older runs were never started and say nothing about the scheduler."""
OUTPUT_LINES = 5
SCHEDULED = "health-check/local"
"""The deployment with a schedule."""
AUTOMATIONS = CHECKOUT / "automations.yaml"
ALERT = "trending-alert"
"""Name of the automation that sends alerts, and of the block that it sends them with."""
_ALERT_ACTION = "send-notification"


def create_pool() -> bool:
    """Create the work pool of local processes; returns whether it was created."""
    with get_client(sync_client=True) as client:
        try:
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        except ObjectAlreadyExists:
            return False
    return True


def paused_parts() -> list[str]:
    """Return what of the work pool is paused, and the command that resumes it: runs would wait there for ever."""
    with get_client(sync_client=True) as client:
        pool = client.read_work_pool(POOL)
        queues = client.read_work_queues(work_pool_name=POOL)
    paused = [f"the work pool {POOL} is paused: prefect work-pool resume {POOL}"] if pool.is_paused else []
    waiting = [queue.name for queue in queues if queue.is_paused]
    return paused + [f"its queue {name} is paused: prefect work-queue resume {name} --pool {POOL}" for name in waiting]


def deploy(environment: Mapping[str, str]) -> list[str]:
    """Deploy everything in prefect.yaml and return its lines; raises LabError with Prefect's message if that fails."""
    command = [
        sys.executable,
        "-m",
        "prefect",
        "--no-prompt",
        "deploy",
        "--all",
        "--prefect-file",
        str(CHECKOUT / "prefect.yaml"),
    ]
    done = subprocess.run(
        command,
        cwd=CHECKOUT,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEPLOY_SECONDS,
        check=False,
    )
    if done.returncode:
        cause = "the deployments could not be created"
        raise LabError(cause, (done.stdout + done.stderr).strip()[-800:], "make serve once more, or prefect deploy --all")
    return [line for line in done.stdout.splitlines() if "successfully created" in line]


def wait_for_worker(clock: Clock) -> None:
    """Wait until the running worker has reported to the server; raises NotReady after 120 s, or at once if it has given up.

    The server shows a worker as online for a while after its death, so only a heartbeat of the living process counts.
    """
    deadline = clock.monotonic() + WORKER_SECONDS
    old = _beats()
    while not _reports(status := worker_status(), old):
        given_up = status is not None and status.state in {"FATAL", "STOPPED"}
        if given_up or clock.monotonic() > deadline:
            cause = f"the worker {WORKER} " + ("died" if given_up else f"did not report within {WORKER_SECONDS:.0f} s")
            state = status.state.lower() if status else "not there"
            evidence = f"work pool {POOL}, {state}; {worker_output()}: {tail(worker_output(), OUTPUT_LINES)}"
            raise NotReady(cause, evidence, "make serve-stop, then make serve")
        clock.sleep(0.2)


def _reports(status: ProgramStatus | None, old: set[dt.datetime | None]) -> bool:
    """Whether the running process has reported: its heartbeat is newer than its start, or not among the ``old`` ones."""
    if status is None or not status.alive:
        return False
    return any(beat is not None and (beat.timestamp() >= status.started or beat not in old) for beat in _beats())


def _beats() -> set[dt.datetime | None]:
    return {each.last_heartbeat_time for each in _workers() if each.name == WORKER and each.status is WorkerStatus.ONLINE}


def wait_for_schedule(clock: Clock) -> dt.datetime:
    """Return when the scheduled health check runs next; raises NotReady if the server plans none."""
    deadline = clock.monotonic() + SCHEDULE_SECONDS
    while (planned := _next_planned()) is None:
        if clock.monotonic() > deadline:
            cause = f"the server planned no run of {SCHEDULED} within {SCHEDULE_SECONDS:.0f} s"
            evidence = "its schedule is active; the server's scheduler does not run, or fails"
            raise NotReady(cause, evidence, "read server/logs/prefect-server.err.log in the lab's home, or your own server's log")
        clock.sleep(0.5)
    return planned


def _next_planned() -> dt.datetime | None:
    recent = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=LATE_SECONDS)
    waiting = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(SCHEDULED)
        runs = client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
            flow_run_filter=FlowRunFilter(state=waiting, expected_start_time=FlowRunFilterExpectedStartTime(after_=recent)),
            sort=FlowRunSort.EXPECTED_START_TIME_ASC,
        )
    return next((run.expected_start_time for run in runs if run.auto_scheduled), None)


def _workers() -> list[Worker]:
    with get_client(sync_client=True) as client:
        return client.read_workers_for_work_pool(POOL)


def apply_automations(alert_url: SecretStr | None, path: Path = AUTOMATIONS) -> list[str]:
    """Create or update the automations of the file by name and return their names.

    Those that notify need an address: without ``alert_url`` they are left out, unless a block exists from earlier.
    """
    block = _alert_block(alert_url)
    declared: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["automations"]
    applied = []
    with get_client(sync_client=True) as client:
        for each in declared:
            if _notifies(each):
                if block is None:
                    continue
                for action in each["actions"]:
                    action["block_document_id"] = block
            automation = AutomationCore.model_validate(each)
            existing = client.read_automations_by_name(automation.name)
            if existing:
                client.update_automation(existing[0].id, automation)
            else:
                client.create_automation(automation)
            applied.append(automation.name)
    return applied


def _notifies(automation: dict[str, Any]) -> bool:
    return any(action["type"] == _ALERT_ACTION for action in automation["actions"])


def _alert_block(url: SecretStr | None) -> str | None:
    """Return the id of the block that sends alerts: one made for ``url``, else the existing one, else None."""
    if url is None:
        with get_client(sync_client=True) as client:
            documents = client.read_block_documents_by_type("custom-webhook")
        return next((str(document.id) for document in documents if document.name == ALERT), None)
    webhook = CustomWebhookNotificationBlock(
        name=ALERT,
        url="{{address}}",  # substituted: an address such as Slack's is a secret
        json_data={"title": "{{subject}}", "text": "{{body}}"},
        secrets=SecretDict({"address": url.get_secret_value()}),
    )
    return str(webhook.save(ALERT, overwrite=True))
