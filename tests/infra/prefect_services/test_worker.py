"""The worker's declaration, under a supervisor of pretend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.supervisor import FakeSupervisor
from fakes.world import World

from infra.host.paths import StackPaths, lab_home
from infra.prefect_services import server as prefect_server
from infra.prefect_services.credentials import PrefectServer
from infra.prefect_services.server import ensure_server, stop_server
from infra.prefect_services.supervision import serving, worker_note
from infra.prefect_services.worker import ensure_worker, worker_status

if TYPE_CHECKING:
    from pathlib import Path

    from infra.stack.declaration import Program

SERVER = PrefectServer("http://127.0.0.1:1/api", started=False)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A supervisor of pretend in place of the server's own."""
    made = World()
    paths = StackPaths(lab_home(), "prefect-server")
    monkeypatch.setattr("infra.prefect_services.supervision.Supervisor", lambda *_: FakeSupervisor(made, paths))
    return made


def test_the_worker_is_started_once_for_each_server_and_has_the_labs_home(
    world: World, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "somebody:secret")
    assert not serving()
    assert worker_status() is None
    assert ensure_worker(SERVER)
    assert serving()
    program: Program = world.programs["prefect-worker"]
    assert program.environment["TRENDING_HOME"] == str(home)
    assert program.environment["PREFECT_API_URL"] == SERVER.url
    assert program.secrets == {"PREFECT_API_AUTH_STRING": "somebody:secret"}
    assert not any("secret" in text for text in (*program.command, *program.environment.values()))
    assert not ensure_worker(SERVER)
    assert ensure_worker(PrefectServer("http://127.0.0.1:2/api", started=False))


def test_a_supervisord_that_does_not_answer_is_no_reason_to_take_the_server_from_those_it_serves(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ensure_worker(SERVER)
    monkeypatch.setattr(FakeSupervisor, "status", lambda _self, _name: None)
    assert serving()
    assert stop_server()
    assert not serving()


def test_a_server_started_after_the_machine_was_does_not_serve_because_one_did_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ensure_worker(SERVER)
    world.supervised = False
    world.programs.clear()
    monkeypatch.setattr(prefect_server, "answers", lambda _url: True)
    monkeypatch.setattr(prefect_server, "is_ours", lambda _url: True)
    assert ensure_server().started
    assert not serving()


def test_a_rotated_key_asks_for_another_worker_and_a_stopped_server_leaves_nothing_of_the_old_one(
    world: World, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_KEY", "pnu_old")
    assert ensure_worker(SERVER)
    monkeypatch.setenv("PREFECT_API_KEY", "pnu_new")
    assert ensure_worker(SERVER)
    assert world.programs["prefect-worker"].secrets == {"PREFECT_API_KEY": "pnu_new"}
    assert not ensure_worker(SERVER)
    marker = home / "server" / "worker.drift"
    assert worker_note() == marker
    assert "pnu" not in marker.read_text()
    stop_server()
    assert not marker.exists()
