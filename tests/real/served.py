"""Working a Prefect server and worker as the UI does: by its API."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName, LogFilter, LogFilterFlowRunId
from prefect.settings import temporary_settings
from prefect.states import Cancelling

from flows.runs.server import client_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from prefect.client.schemas.objects import FlowRun
    from real.harness import RealStack

    from infra.prefect_services.credentials import PrefectServer

POLL_SECONDS = 0.5


@dataclass
class Served:
    """A server with a worker behind it, everything deployed."""

    server: PrefectServer
    client: SyncPrefectClient

    @property
    def url(self) -> str:
        """The API's address."""
        return self.server.url

    def start(self, deployment: str, settings: dict[str, Any]) -> UUID:
        """Ask for a run of a deployment; returns its id at once."""
        found = self.client.read_deployment_by_name(deployment)
        return self.client.create_flow_run_from_deployment(found.id, parameters={"settings": settings}).id

    def run(self, deployment: str, settings: dict[str, Any], seconds: float = 240) -> FlowRun:
        """Run a deployment to its end."""
        return self.wait(self.start(deployment, settings), seconds)

    def wait(self, run: UUID, seconds: float = 240, *states: str) -> FlowRun:
        """Wait until a run has one of the states by name, or any final one."""
        deadline = time.monotonic() + seconds
        while True:
            seen = self.client.read_flow_run(run)
            assert seen.state is not None
            if (seen.state.name in states) if states else seen.state.is_final():
                return seen
            assert time.monotonic() < deadline, f"{seen.name} is {seen.state.name} after {seconds} s: {seen.state.message}"
            time.sleep(POLL_SECONDS)

    def cancel(self, run: UUID) -> None:
        """Cancel a run as the UI's button does."""
        self.client.set_flow_run_state(run, Cancelling())

    def runs(self, name: str) -> list[FlowRun]:
        """Return the runs of that name."""
        return self.client.read_flow_runs(flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=[name])))

    def story(self, run: FlowRun) -> str:
        """Return the run's final state, its message and its log, to say why it ended otherwise than expected."""
        logs = self.client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id])), limit=200)
        lines = [f"{each.timestamp:%H:%M:%S} {each.message}" for each in logs]
        return "\n".join([f"{run.name} is {run.state_name}: {run.state and run.state.message}", *lines])

    def artifacts(self, key: str) -> list[dict[str, Any]]:
        """Return the artifacts of a key, newest first."""
        reply = self.client._client.post(
            "/artifacts/filter", json={"artifacts": {"key": {"any_": [key]}}, "sort": "CREATED_DESC"}
        )
        reply.raise_for_status()
        found: list[dict[str, Any]] = reply.json()
        return found

    def events(self, name: str, resource: str = "") -> list[dict[str, Any]]:
        """Return the events of a name, those of one resource where it is given."""
        wanted: dict[str, Any] = {"event": {"name": [name]}}
        if resource:
            wanted["resource"] = {"id": [resource]}
        reply = self.client._client.post("/events/filter", json={"filter": wanted, "limit": 50})
        reply.raise_for_status()
        found: list[dict[str, Any]] = reply.json()["events"]
        return found


def serving(server: PrefectServer) -> Iterator[Served]:
    """Yield the hands on the server."""
    with temporary_settings(client_settings(server)), get_client(sync_client=True) as client:
        yield Served(server, client)


def form(stack: RealStack, **more: Any) -> dict[str, Any]:
    """Return the start-up form's sections for a stack of the suite."""
    return {
        "stack": {
            "name": stack.name,
            "port": stack.port,
            "zookeeper_port": stack.port + 5,
            "runtime": stack.runtime,
            "profile": stack.profile,
            "heap_mb": 256,
        },
        "producer": {"rate": 20, **more},
        "stream": {"trigger_seconds": 2},
        "page": {"page_port": stack.page_port},
    }
