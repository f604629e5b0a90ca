"""What `make serve` puts on a server: pool, automations and deployments, on Prefect's own test server."""

from __future__ import annotations

import datetime as dt
import importlib
import os
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from fakes.clock import FakeClock
from prefect import Flow
from prefect.client.schemas.objects import Worker, WorkerStatus
from pydantic import SecretStr

from flows.commands import deployment, serve
from infra.forms.parameters import ServeForm
from infra.host.paths import CHECKOUT
from infra.prefect_services.credentials import PrefectServer, password_file
from infra.prefect_services.supervision import WORKER
from infra.prefect_services.worker import POOL, worker_output
from infra.supervision.supervisor import ProgramStatus
from trending.errors import LabError, NotReady

FLOWS = (
    "start-up",
    "tear-down",
    "health-check",
    "smoke-test",
    "audit",
    "demo",
    "rehearse",
    "game-day",
    "report",
    "produce",
    "rate",
    "trend",
)


def declared() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((CHECKOUT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    return found


def flow_of(entry: dict[str, Any]) -> Flow[..., Any]:
    path, _colon, name = entry["entrypoint"].partition(":")
    flow = getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), name)
    assert isinstance(flow, Flow)
    return flow


def test_every_deployment_has_a_flow_a_description_tags_and_parameters_that_it_accepts() -> None:
    entries = declared()
    assert tuple(flow_of(entry).name for entry in entries) == FLOWS
    for entry in entries:
        assert entry["name"] == "local"
        assert entry["description"]
        assert entry["tags"]
        assert flow_of(entry).validate_parameters(entry["parameters"])
        assert all("name" not in schedule for schedule in entry["schedules"])


def test_only_the_health_check_is_scheduled_and_what_changes_a_stack_runs_one_at_a_time() -> None:
    entries = {flow_of(entry).name: entry for entry in declared()}
    assert [name for name, entry in entries.items() if entry["schedules"]] == ["health-check"]
    assert entries["health-check"]["schedules"][0]["interval"] == 300
    for name in ("start-up", "health-check", "audit", "demo", "game-day", "report"):
        assert entries[name]["concurrency_limit"]["limit"] == 1
    assert "concurrency_limit" not in entries["tear-down"], "nothing may keep a take-down waiting"


def test_every_flow_that_is_deployed_is_watched_for_zombies() -> None:
    automations = yaml.safe_load(deployment.AUTOMATIONS.read_text(encoding="utf-8"))["automations"]
    zombies = next(each for each in automations if each["name"] == "trending-zombies")
    assert set(FLOWS) <= set(zombies["trigger"]["match_related"]["prefect.resource.name"])


BORN = 1_700_000_000.0


def beat(seconds: float, status: WorkerStatus = WorkerStatus.ONLINE, name: str = WORKER) -> Worker:
    when = dt.datetime.fromtimestamp(BORN + seconds, dt.UTC)
    return Worker.model_construct(name=name, status=status, last_heartbeat_time=when)


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> list[ProgramStatus]:
    """What supervisord says of the worker, the last again and again; it was started at BORN."""
    states = [ProgramStatus(WORKER, "RUNNING", 4711, 0, "", BORN)]
    monkeypatch.setattr(deployment, "worker_status", lambda: states.pop(0) if len(states) > 1 else states[0])
    return states


def test_a_worker_that_never_reports_is_told(monkeypatch: pytest.MonkeyPatch, process: list[ProgramStatus]) -> None:
    monkeypatch.setattr(deployment, "_workers", list)
    with pytest.raises(NotReady, match=f"the worker {WORKER} did not report within 120 s"):
        deployment.wait_for_worker(FakeClock())


def test_a_worker_counts_only_when_it_is_online(monkeypatch: pytest.MonkeyPatch, process: list[ProgramStatus]) -> None:
    seen = iter([WorkerStatus.OFFLINE, WorkerStatus.OFFLINE, WorkerStatus.OFFLINE, WorkerStatus.ONLINE])
    clock = FakeClock()
    monkeypatch.setattr(deployment, "_workers", lambda: [beat(2, next(seen)), beat(2, name="x")])
    deployment.wait_for_worker(clock)
    assert clock.naps == 2


def test_a_worker_of_an_earlier_life_does_not_count_though_the_server_shows_it_online(
    monkeypatch: pytest.MonkeyPatch, process: list[ProgramStatus]
) -> None:
    monkeypatch.setattr(deployment, "_workers", lambda: [beat(-20)])
    with pytest.raises(NotReady, match="did not report within 120 s"):
        deployment.wait_for_worker(FakeClock())
    beats = iter([beat(-20), beat(-20), beat(3)])
    monkeypatch.setattr(deployment, "_workers", lambda: [next(beats)])
    clock = FakeClock()
    deployment.wait_for_worker(clock)
    assert clock.naps == 1


def test_the_servers_clock_may_be_behind(monkeypatch: pytest.MonkeyPatch, process: list[ProgramStatus]) -> None:
    beats = iter([beat(-3600), beat(-3600), beat(-3590)])
    monkeypatch.setattr(deployment, "_workers", lambda: [next(beats)])
    deployment.wait_for_worker(FakeClock())


@pytest.mark.parametrize("state", ["FATAL", "STOPPED"])
def test_a_worker_that_gave_up_is_told_at_once_with_its_last_words(
    state: str, monkeypatch: pytest.MonkeyPatch, process: list[ProgramStatus]
) -> None:
    worker_output().parent.mkdir(parents=True)
    worker_output().write_text("Unauthorized\n", encoding="utf-8")
    process[0] = ProgramStatus(WORKER, state, 0, 1, "exited too quickly", BORN)
    monkeypatch.setattr(deployment, "_workers", lambda: [beat(-20)])
    clock = FakeClock()
    with pytest.raises(NotReady, match=f"the worker {WORKER} died") as caught:
        deployment.wait_for_worker(clock)
    assert clock.naps == 0
    assert "Unauthorized" in caught.value.evidence


@pytest.mark.thorough
def test_a_server_that_refuses_the_deployments_is_told_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LabError, match="the deployments could not be created") as caught:
        deployment.deploy({**os.environ, "PREFECT_API_URL": "http://127.0.0.1:1/api", "PREFECT_CLIENT_MAX_RETRIES": "0"})
    assert "connect" in caught.value.evidence.lower()


def test_serve_tells_what_it_did_and_where_the_ui_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    server = PrefectServer("http://127.0.0.1:4711/api", started=True, password=SecretStr("trending:word"))
    given: list[SecretStr | None] = []
    monkeypatch.setattr(serve, "ensure_server", lambda **_how: server)
    monkeypatch.setattr(serve, "create_pool", lambda: False)
    monkeypatch.setattr(serve, "paused_parts", lambda: ["the work pool is paused: resume it"])
    monkeypatch.setattr(serve, "deploy", lambda environment: [environment["PREFECT_API_URL"]] * 7)
    monkeypatch.setattr(serve, "apply_automations", lambda url: given.append(url) or ["trending-zombies"])
    monkeypatch.setattr(serve, "ensure_worker", lambda _server: True)
    monkeypatch.setattr(serve, "wait_for_worker", lambda _clock: None)
    monkeypatch.setattr(serve, "wait_for_schedule", lambda _clock: dt.datetime.now(dt.UTC))
    serve.main(ServeForm(alert_url=SecretStr("http://127.0.0.1:1/?secret")))
    said = capsys.readouterr().out
    assert "[!!] the work pool is paused: resume it; until then every run waits" in said
    assert "word" not in said.replace("password", ""), "the file is named, and what is in it never printed"
    assert f'PREFECT_API_AUTH_STRING="$(cat {password_file()})" PREFECT_API_URL={server.url}' in said
    assert "make serve-password shows it" in said
    assert "[ok] 7 deployments" in said
    assert "UI: http://127.0.0.1:4711/deployments" in said
    assert "nobody is alerted" in said
    assert "[ok] the next scheduled health check is at " in said
    assert "secret" not in said
    assert given[0] is not None
    assert given[0].get_secret_value().endswith("?secret")


@pytest.mark.parametrize(
    ("pool", "queues", "expected"),
    [
        (False, {"default": False}, []),
        (True, {"default": False}, ["the work pool local-processes is paused: prefect work-pool resume local-processes"]),
        (False, {"default": True}, ["its queue default is paused: prefect work-queue resume default --pool local-processes"]),
    ],
)
def test_a_paused_pool_is_told_with_the_command_that_resumes_it(
    *, pool: bool, queues: dict[str, bool], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = SimpleNamespace(
        read_work_pool=lambda _name: SimpleNamespace(is_paused=pool),
        read_work_queues=lambda **_pool: [SimpleNamespace(name=name, is_paused=paused) for name, paused in queues.items()],
    )
    monkeypatch.setattr(deployment, "get_client", lambda **_how: nullcontext(client))
    assert deployment.paused_parts() == [line.replace("local-processes", POOL) for line in expected]
