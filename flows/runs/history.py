"""The last runs on a stack, as Prefect keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.client.schemas.sorting import FlowRunSort

from flows.runs.artifacts import as_evidence
from trending.report.defence.evidence import FlowRun

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun as Run

LOOKED_AT = 100
KEPT = 12


def runs_of(stack: str) -> tuple[FlowRun, ...] | None:
    """Return the last runs on the stack in the order in which they began, or None if the server could not be asked."""
    answers: list[list[Run]] = []
    with as_evidence("the list of runs"), get_client(sync_client=True) as client:
        named = FlowRunFilter(name=FlowRunFilterName(like_=f" {stack}"))
        answers.append(client.read_flow_runs(flow_run_filter=named, sort=FlowRunSort.START_TIME_DESC, limit=LOOKED_AT))
    if not answers:
        return None
    kept = [run for run in answers[0] if run.name.endswith(f" {stack}") and run.start_time is not None][:KEPT]
    return tuple(_shown(run, run.name.removesuffix(f" {stack}")) for run in reversed(kept))


def _shown(run: Run, flow: str) -> FlowRun:
    began = run.start_time.timestamp() if run.start_time else 0.0
    took = None if run.end_time is None else round(run.total_run_time.total_seconds(), 3)
    return FlowRun(name=run.name, flow=flow, state=run.state_name or "", started=round(began, 3), seconds=took)
