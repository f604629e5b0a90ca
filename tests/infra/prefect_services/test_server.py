from __future__ import annotations

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from fakes.clock import FakeClock
from fakes.supervisor import FakeSupervisor

from infra.prefect_services import server as prefect_server
from infra.prefect_services.credentials import PrefectServer, ensure_password, prefect_environment
from infra.prefect_services.server import answers, current_server, ensure_server, stop_idle_server, stop_server
from infra.prefect_services.supervision import server_idle, server_used, services_held
from infra.supervision.supervisor import ProgramStatus
from trending.errors import LabError, NotReady, StackBusy, SupervisorUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fakes.world import World

    from infra.stack.declaration import Program

DEAD = "http://127.0.0.1:1/api"


class Handler(BaseHTTPRequestHandler):
    """Answers /api/health as Prefect does, and 404 otherwise."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    """A tiny server that answers like Prefect's."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/api"
        server.shutdown()
        thread.join()


def record(home: Path, url: str) -> None:
    """Note a server as one that the lab started earlier."""
    (home / "server").mkdir()
    (home / "server" / "url").write_text(url)
    ensure_password()


def test_only_a_healthy_api_answers(url: str) -> None:
    assert answers(url)
    assert not answers(url + "/elsewhere")
    assert not answers(DEAD)
    assert not answers("nonsense")


def test_the_users_server_is_used_when_it_answers(url: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", url)
    assert ensure_server() == PrefectServer(url, started=False)
    assert current_server() == PrefectServer(url, started=False)
    assert world.calls == []


@pytest.mark.row(25)
def test_a_server_that_the_user_named_and_that_does_not_answer_is_an_error_and_no_reason_to_start_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", DEAD)
    clock = FakeClock()
    with pytest.raises(NotReady, match=f"no Prefect server answers at {DEAD}") as caught:
        ensure_server(clock)
    assert "unset PREFECT_API_URL" in caught.value.next_command
    assert current_server() is None
    assert world.calls == []


def test_a_server_that_the_lab_started_earlier_is_used_again(url: str, world: World, home: Path) -> None:
    assert current_server() is None
    record(home, url)
    assert current_server() == PrefectServer(url, started=False)
    assert ensure_server() == PrefectServer(url, started=False)
    assert world.calls == []


def test_a_server_of_ours_that_is_busy_is_waited_for_and_not_replaced(
    world: World, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(home, DEAD)
    clock = FakeClock()
    monkeypatch.setattr(prefect_server, "answers", lambda _url: clock.naps >= 5)
    assert current_server() is None, "who only asks does not wait"
    assert ensure_server(clock) == PrefectServer(DEAD, started=False)
    assert world.calls == []


def test_a_server_of_ours_that_never_answers_again_is_replaced_after_a_minute(
    world: World, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(home, DEAD)
    clock = FakeClock()
    monkeypatch.setattr(prefect_server, "answers", lambda url: url != DEAD)
    made = ensure_server(clock)
    assert made.started
    assert 60 <= clock.now - 1000 < 62
    assert "prefect-server" in world.programs


def test_without_a_server_one_is_started_and_waited_for(world: World, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    monkeypatch.setattr(prefect_server, "free_port", lambda _preferred, _span: 4711)
    monkeypatch.setattr(prefect_server, "answers", lambda _url: clock.naps >= 3)
    assert ensure_server(clock) == PrefectServer("http://127.0.0.1:4711/api", started=True)
    program: Program = world.programs["prefect-server"]
    assert program.command[-4:] == ("--host", "127.0.0.1", "--port", "4711")
    assert program.environment["PREFECT_HOME"] == str(home / "prefect")
    assert program.environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert program.environment["PREFECT_UI_API_URL"] == "http://127.0.0.1:4711/api", "else the UI asks port 4200"
    assert program.environment["PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED"] == "events,flow_runs"
    assert current_server() == PrefectServer("http://127.0.0.1:4711/api", started=False)


def test_a_server_that_never_answers_is_told_when_the_deadline_is_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    monkeypatch.setattr(prefect_server, "answers", lambda _url: False)
    with pytest.raises(NotReady, match="did not start") as caught:
        ensure_server(clock)
    assert 90 <= clock.now - 1000 < 91
    assert "prefect-server.err.log" in caught.value.evidence
    assert world.supervised


def test_a_server_that_dies_at_once_is_not_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefect_server, "answers", lambda _url: False)
    world.ended["prefect-server"] = ProgramStatus("prefect-server", "FATAL", 0, 1, "", 0.0)
    monkeypatch.setattr(FakeSupervisor, "launch", lambda _self, program: world.programs.update({program.name: program}))
    clock = FakeClock()
    with pytest.raises(NotReady):
        ensure_server(clock)
    assert clock.naps == 0


def test_stopping_says_whether_there_was_a_server_and_works_twice(world: World, home: Path) -> None:
    record(home, DEAD)
    world.supervised = True
    assert stop_server()
    assert not world.supervised
    assert not (home / "server" / "url").exists()
    assert not stop_server()


USES = """
import sys
from infra.prefect_services.supervision import server_used
with server_used():
    print("uses it", flush=True)
    sys.stdin.read()
"""


def test_a_server_that_a_command_uses_is_not_stopped_as_an_idle_one(world: World, home: Path) -> None:
    """As by a `make down` of another stack, while an `up` has asked for the server and recorded nothing yet."""
    record(home, DEAD)
    world.supervised = True
    with subprocess.Popen([sys.executable, "-c", USES], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == b"uses it\n"
        stop_idle_server()
        assert world.supervised
        command.kill()  # the kernel frees what it held
        command.communicate(timeout=20)
    stop_idle_server()
    assert not world.supervised


def test_commands_use_a_server_side_by_side_and_wait_for_one_that_stops_it(world: World, home: Path) -> None:
    record(home, DEAD)
    world.supervised = True
    with server_used(), server_used():
        stop_idle_server()
        assert world.supervised
    waited = threading.Thread(target=lambda: server_used().__enter__())
    with server_idle() as idle:
        assert idle
        waited.start()
        waited.join(0.1)
        assert waited.is_alive()
    waited.join(5)
    assert not waited.is_alive()


def test_the_command_stops_the_server_and_knows_no_other_word(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.supervised = True
    monkeypatch.setattr("sys.argv", ["it", "stop"])
    prefect_server.main()
    prefect_server.main()
    assert capsys.readouterr().out == "stopped\nnone was running\n"
    monkeypatch.setattr("sys.argv", ["it", "start"])
    with pytest.raises(SystemExit, match="usage"):
        prefect_server.main()


def test_a_server_that_does_not_end_is_an_error_and_not_said_to_be_stopped(
    world: World, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.supervised = True
    (home / "server").mkdir(exist_ok=True)
    (home / "server" / "url").write_text(DEAD)
    monkeypatch.setattr("sys.argv", ["it", "stop"])
    monkeypatch.setattr(prefect_server, "end_processes", lambda _found, _grace: [psutil.Process()])
    with pytest.raises(LabError, match="1 processes of the Prefect server and its worker do not end"):
        prefect_server.main()
    assert capsys.readouterr().out == ""
    assert (home / "server" / "url").exists()


def test_the_users_prefect_home_is_respected(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert prefect_environment()["PREFECT_HOME"] == str(home / "prefect")
    monkeypatch.setenv("PREFECT_HOME", "/elsewhere")
    assert prefect_environment()["PREFECT_HOME"] == "/elsewhere"


def test_a_port_that_another_checkout_took_meanwhile_is_left_to_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ports = iter([4711, 4712])
    monkeypatch.setattr(prefect_server, "free_port", lambda _preferred, _span: next(ports))
    monkeypatch.setattr(prefect_server, "answers", lambda _url: True)
    monkeypatch.setattr(prefect_server, "is_ours", lambda url: "4712" in url)
    assert ensure_server(FakeClock()) == PrefectServer("http://127.0.0.1:4712/api", started=True)


def test_somebody_elses_server_at_our_recorded_address_is_not_ours(url: str, home: Path) -> None:
    record(home, url)
    assert current_server() is None
    assert not prefect_server.is_ours("http://127.0.0.1:1/api")


def test_two_commands_at_once_start_one_server(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one waits, and finds the first one's."""
    world.slow["launch prefect-server"] = 0.3
    monkeypatch.setattr(prefect_server, "free_port", lambda _preferred, _span: 4711)
    monkeypatch.setattr(prefect_server, "answers", lambda _url: "prefect-server" in world.programs)
    found: list[PrefectServer] = []
    commands = [threading.Thread(target=lambda: found.append(ensure_server())) for _ in range(2)]
    for command in commands:
        command.start()
    for command in commands:
        command.join(20)
    assert sorted(server.started for server in found) == [False, True]
    assert world.changes.count("launch prefect-server") == 1


def test_whoever_waits_too_long_for_another_command_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.prefect_services.supervision.HELD_SECONDS", 0.05)
    told: list[str] = []

    def another() -> None:
        try:
            stop_server()
        except StackBusy as error:
            told.append(error.cause)

    with services_held():
        command = threading.Thread(target=another)
        command.start()
        command.join(20)
    assert "another command has been starting or stopping the Prefect server" in told[0]
    assert world.calls == []


def test_a_living_supervisord_that_cannot_be_asked_keeps_its_server_and_worker(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that runs somebody's flow is not ended because its supervisord's socket was deleted."""
    ended: list[object] = []
    monkeypatch.setattr(prefect_server, "end_processes", lambda processes, _grace: ended.append(processes))
    world.supervised = True
    world.unreachable = "supervisord, pid 4711, runs and its socket is gone"
    with pytest.raises(SupervisorUnreachable, match="can't be asked"):
        ensure_server(FakeClock())
    assert (ended, world.changes) == ([], [])
    assert stop_server(), "a person who asks for its end gets it"
    assert not world.supervised
