"""The lab's worker as a program: it ends the runs that the worker before it left behind, then becomes Prefect's worker."""

from __future__ import annotations

import os
import runpy
import sys
from uuid import UUID

import psutil
from httpx import HTTPError
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import StateType, WorkerStatus
from prefect.exceptions import PrefectException
from prefect.states import Cancelled, Crashed

from infra.prefect_services.server import is_ours
from infra.prefect_services.supervision import WORKER
from infra.prefect_services.worker import POOL

RUN_VARIABLE = "PREFECT__FLOW_RUN_ID"
"""The variable by which Prefect's worker tells a process which run it executes."""
MESSAGE = "The worker ended, and this run's process with it. Run the deployment again."
_UNFINISHED = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]


def end_runs_left_behind() -> list[str]:
    """End the pool's unfinished runs that no process executes, and return their names.

    They become cancelled where that was asked for, else crashed.
    Such a run holds the only slot of its deployment: Prefect gives the slot back when its lease ends, which is after 300 s, and
    never if the server was restarted meanwhile, which forgets its leases. If another worker serves the pool nothing is marked:
    it may be about to start a process.
    """
    left = []
    with get_client(sync_client=True) as client:
        workers = client.read_workers_for_work_pool(POOL)
        if any(each.name != WORKER and each.status is WorkerStatus.ONLINE for each in workers):
            return []
        state = FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNFINISHED))
        runs = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=state),
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL])),
        )
        executed = _executed()
        for run in runs:
            if run.id not in executed:
                end = Cancelled if run.state_type is StateType.CANCELLING else Crashed
                client.set_flow_run_state(run.id, end(message=MESSAGE))
                left.append(run.name)
    return left


def _executed() -> set[UUID]:
    """Return the ids of the runs that a living process executes."""
    found = set()
    for process in psutil.process_iter():
        try:
            found.add(UUID(process.environ()[RUN_VARIABLE]))
        except (psutil.Error, KeyError, ValueError):
            continue
    return found


def _say(line: str) -> None:
    """Write a line to the worker's error output, beside Prefect's own."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def main() -> None:
    """Settle what was left behind on the lab's own server, then serve the pool until a signal ends this process.

    On a server of the user's own, workers of other machines may have the same name: its leases decide there.
    """
    if is_ours(os.environ["PREFECT_API_URL"]):
        try:
            for name in end_runs_left_behind():
                _say(f"ended {name}, which no process executes any more")
        except (HTTPError, PrefectException) as error:
            # The worker below asks the same server again and again, and says what is wrong if it stays so.
            _say(f"runs left behind were not looked for: {type(error).__name__}: {error}")
    # In this process, since supervisord knows it by its pid and the imports took 2 s.
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
