"""Runs that a worker left behind, on Prefect's own test server: they end, and give their deployment's only slot back."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from httpx import ConnectError
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelling, Pending, Running

from flows.runs import worker
from infra.prefect_services.worker import POOL

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("engine")


@flow
def check() -> None:
    """Do nothing."""


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[SyncPrefectClient]:
    """A client of the server, on which the lab's pool is one that no other test has used."""
    with get_client(sync_client=True) as client:
        pool = client.create_work_pool(WorkPoolCreate(name=f"{POOL}-{uuid4()}", type="process"))
        monkeypatch.setattr(worker, "POOL", pool.name)
        yield client


@pytest.fixture
def deployment(client: SyncPrefectClient) -> UUID:
    """A deployment of the pool that runs one at a time."""
    return client.create_deployment(
        client.create_flow(check),
        "local",
        work_pool_name=worker.POOL,
        concurrency_limit=1,
        concurrency_options={"collision_strategy": "ENQUEUE"},
    )


def begun(client: SyncPrefectClient, deployment: UUID, *states: object) -> UUID:
    run = client.create_flow_run_from_deployment(deployment).id
    for state in states:
        client.set_flow_run_state(run, state)  # type: ignore[arg-type]
    return run


def ended(client: SyncPrefectClient, run: UUID) -> tuple[StateType | None, str | None]:
    seen = client.read_flow_run(run)
    return seen.state_type, seen.state and seen.state.message


def test_a_run_left_in_any_unfinished_state_ends_and_gives_the_slot_back(client: SyncPrefectClient, deployment: UUID) -> None:
    for states, end in (
        ([Pending()], StateType.CRASHED),
        ([Pending(), Running()], StateType.CRASHED),
        ([Pending(), Running(), Cancelling()], StateType.CANCELLED),
    ):
        run = begun(client, deployment, *states)
        waiting = client.read_flow_run(begun(client, deployment, Pending()))
        assert waiting.state_name == "AwaitingConcurrencySlot", "the slot is taken"
        assert worker.end_runs_left_behind() == [client.read_flow_run(run).name]
        assert ended(client, run) == (end, worker.MESSAGE)
        assert client.read_flow_run(waiting.id).state_type is StateType.SCHEDULED, "what waits is no run left behind"


def test_a_run_that_a_process_executes_is_left_alone(client: SyncPrefectClient, deployment: UUID) -> None:
    run = begun(client, deployment, Pending(), Running())
    environment = {**os.environ, worker.RUN_VARIABLE: str(run)}
    with ExitStack() as stack:
        process = subprocess.Popen([sys.executable, "-c", "input()"], env=environment, stdin=subprocess.PIPE)
        stack.enter_context(process)
        assert worker.end_runs_left_behind() == []
        assert ended(client, run)[0] is StateType.RUNNING
        process.communicate(b"\n")
    assert worker.end_runs_left_behind() == [client.read_flow_run(run).name]


def test_nothing_is_ended_while_another_worker_serves_the_pool(client: SyncPrefectClient, deployment: UUID) -> None:
    run = begun(client, deployment, Pending())
    client.send_worker_heartbeat(worker.POOL, "by-hand", heartbeat_interval_seconds=30)
    assert worker.end_runs_left_behind() == []
    assert ended(client, run)[0] is StateType.PENDING


@pytest.mark.parametrize("ours", [True, False])
def test_only_the_labs_own_server_is_asked_and_one_that_does_not_answer_keeps_no_worker_from_its_start(
    *, ours: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def refused() -> list[str]:
        asked.append("server")
        raise ConnectError("refused")

    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    monkeypatch.setattr(worker, "is_ours", lambda _url: ours)
    monkeypatch.setattr(worker, "end_runs_left_behind", refused)
    monkeypatch.setattr("runpy.run_module", lambda name, **_how: asked.append(name))
    worker.main()
    assert asked == (["server", "prefect"] if ours else ["prefect"])
    assert capsys.readouterr().err == ("runs left behind were not looked for: ConnectError: refused\n" if ours else "")
