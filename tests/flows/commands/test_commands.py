"""The small commands: status, logs, smoke test, spy, and tests/tester.py."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from fakes.compose import composed
from fakes.plain import lab_stack

from flows import smoke_test, start_up
from flows.commands.deployment import AUTOMATIONS
from flows.runs import server as serving
from infra.commands import logs, spy, status
from infra.forms.proving import SmokeTestForm
from infra.forms.showing import LogsForm, SpyForm
from infra.forms.stacks import NamedStack, StartUpForm
from infra.host.paths import StackPaths
from infra.host.processes import STACK_VARIABLE
from infra.lab.assembly import open_lab, want
from infra.lab.brokers import Broker
from infra.prefect_services.credentials import PrefectServer
from infra.prefect_services.server import RUN_HEARTBEAT_SECONDS, stop_idle_server
from infra.prefect_services.supervision import note_serving, worker_note
from infra.prefect_services.worker import worker_environment
from infra.stack.runtime import ServiceState
from infra.stack.state import Wanted
from infra.supervision.budget import DEATHS, note_death
from infra.supervision.supervisor import ProgramStatus
from trending.errors import InvalidInput, ProbeFailed, StackAbsent
from trending.kafka.connection import KafkaConnection
from trending.kafka.open_transactions import Held
from trending.settings import PageSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes.world import World

    from infra.docker.compose_stack import ComposeStack

pytestmark = pytest.mark.usefixtures("plain")


@pytest.fixture
def up(world: World, plain: None, monkeypatch: pytest.MonkeyPatch) -> World:
    del plain
    monkeypatch.setenv("COLUMNS", "400")
    start_up.start_up(StartUpForm(stack=lab_stack()))
    return world


def rows(output: str) -> dict[str, str]:
    """Return name → row of the printed table."""
    return {line.split()[0]: line for line in output.splitlines() if line.split()}


def test_the_status_of_a_healthy_stack_has_a_line_for_each_part_and_ends_well(
    up: World, capsys: pytest.CaptureFixture[str]
) -> None:
    status.main(NamedStack(name="lab"))
    table = rows(capsys.readouterr().out)
    port = open_lab("lab").settings.stack.port
    assert re.search(rf"kafka +running +healthy +{port}", table["kafka"])
    assert re.search(r"producer +running +healthy +working; acknowledged 7", table["producer"])
    assert "last_ack_at" not in table["producer"]
    assert re.search(r"stream +running +healthy", table["stream"])
    assert re.search(r"page +running +healthy +8501 +working", table["page"])
    assert up.changes[-1] == "launch page", "looking changes nothing"


@pytest.mark.row(34)
def test_the_status_names_a_partition_that_is_held_and_ends_well(up: World, capsys: pytest.CaptureFixture[str]) -> None:
    up.held = [Held(0, 7, 90)]
    status.main(NamedStack(name="lab"))
    assert f"{Held(0, 7, 90)}\n" in capsys.readouterr().out


def test_the_status_of_a_stack_with_a_missing_part_ends_with_1(up: World, capsys: pytest.CaptureFixture[str]) -> None:
    up.programs.pop("stream")
    with pytest.raises(SystemExit) as caught:
        status.main(NamedStack(name="lab"))
    assert caught.value.code == 1
    assert re.search(r"stream +absent", rows(capsys.readouterr().out)["stream"])


def test_a_service_that_runs_and_does_not_answer_is_unhealthy(up: World, capsys: pytest.CaptureFixture[str]) -> None:
    up.cluster_id = "another"
    with pytest.raises(SystemExit):
        status.main(NamedStack(name="lab"))
    output = capsys.readouterr().out
    assert re.search(r"kafka +running +unhealthy", output)
    assert "another cluster answers at our address" in output


def test_a_program_that_runs_and_does_not_beat_is_unhealthy(up: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert up.running
    StackPaths.of("lab").heartbeat("producer").unlink()
    with pytest.raises(SystemExit):
        status.main(NamedStack(name="lab"))
    assert re.search(r"producer +running +unhealthy +producer has given no sign of life yet", capsys.readouterr().out)


def test_a_program_that_ended_shows_its_state(up: World, capsys: pytest.CaptureFixture[str]) -> None:
    up.ended["stream"] = ProgramStatus("stream", "EXITED", 0, 12, "", 0.0)
    with pytest.raises(SystemExit):
        status.main(NamedStack(name="lab"))
    assert re.search(r"stream +exited +unhealthy", capsys.readouterr().out)


def test_a_page_that_answers_as_another_stacks_is_unhealthy(
    up: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert up.running
    monkeypatch.setattr("infra.operations.page.ask_whose", lambda _port: "other-1234")
    with pytest.raises(SystemExit):
        status.main(NamedStack(name="lab"))
    output = capsys.readouterr().out
    assert re.search(r"page +running +unhealthy +8501 +another page answers on port 8501", output)


def test_a_stack_that_wants_no_page_misses_none(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    start_up.start_up(StartUpForm(stack=lab_stack(), page=PageSettings(page_port=0)))
    status.main(NamedStack(name="lab"))
    assert re.search(r"page +absent +- +not asked for", capsys.readouterr().out)
    assert "page" not in world.running


@pytest.mark.row(27)
def test_a_program_that_was_given_up_is_shown_as_such_with_the_way_back(up: World, capsys: pytest.CaptureFixture[str]) -> None:
    paths = StackPaths.of("lab")
    for _ in range(DEATHS + 1):
        note_death(paths.budget, "stream", 1.0, "java.io.IOException: No space left on device")
    up.ended["stream"] = ProgramStatus("stream", "STOPPED", 0, 0, "", 0.0)
    with pytest.raises(SystemExit):
        status.main(NamedStack(name="lab"))
    output = capsys.readouterr().out
    assert re.search(r"stream +given up +unhealthy +the program stream was given up after five deaths in ten minutes", output)
    assert "the last cause: java.io.IOException: No space left on device" in output
    assert "make up NAME=lab gives it its budget back" in output


def test_a_stack_that_is_down_is_no_trouble(up: World, capsys: pytest.CaptureFixture[str]) -> None:
    from flows import tear_down  # noqa: PLC0415
    from infra.forms.stacks import TearDownForm  # noqa: PLC0415

    tear_down.tear_down(TearDownForm(name="lab"))
    status.main(NamedStack(name="lab"))
    output = capsys.readouterr().out
    assert re.search(r"kafka +absent", output)
    assert "0 processes carry the stack's mark" in output
    assert open_lab("lab").state.wanted is Wanted.DOWN
    assert up.running == set()


@pytest.mark.row(9)
def test_processes_that_nobody_owns_are_listed_as_left_over(up: World, capsys: pytest.CaptureFixture[str]) -> None:
    up.supervised = False
    mark = {**os.environ, STACK_VARIABLE: StackPaths.of("lab").stack_id, "TRENDING_COMPONENT": "stream"}
    with subprocess.Popen(["sleep", "60"], env=mark, start_new_session=True) as child:
        time.sleep(0.1)
        with pytest.raises(SystemExit):
            status.main(NamedStack(name="lab"))
        child.kill()
    output = capsys.readouterr().out
    assert re.search(rf"stream +left over .*pid {child.pid}; make down NAME=lab ends it", output)
    assert "1 processes carry the stack's mark" in output


def test_a_stack_of_docker_compose_is_shown_and_only_looked_at(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.compose = composed()
    world.cluster_id = "theirs"
    world.services["kafka"] = "theirs"
    world.bootstraps["localhost:9092"] = world
    status.main(NamedStack(name="lab"))
    output = capsys.readouterr().out
    assert "Docker Compose's, not ours: docker compose -p lab down" in output
    seen = "kafka, pid 4711; its own check: healthy; cluster theirs; brokers: 1, controller: "
    assert re.search(rf"kafka +running +healthy +9092 +{seen}", output)
    assert re.search(r"ui +running +healthy +8080", output)
    assert not any(call.startswith(("create", "write", "round trip")) for call in world.calls), world.calls
    assert world.changes == []
    assert not StackPaths.of("lab").root.exists()


@pytest.mark.parametrize(
    ("theirs", "shown"),
    [
        (composed(health="unhealthy"), r"kafka +running +unhealthy .*health check of kafka says unhealthy"),
        (composed(ServiceState.EXITED), r"kafka +exited +-"),
    ],
)
def test_trouble_in_a_stack_of_docker_compose_ends_with_1(
    world: World, theirs: ComposeStack, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    world.compose = theirs
    with pytest.raises(SystemExit) as caught:
        status.main(NamedStack(name="lab"))
    assert caught.value.code == 1
    assert re.search(shown, capsys.readouterr().out)


@pytest.mark.usefixtures("world")
def test_the_status_of_nothing_is_an_error_with_the_command_that_makes_it() -> None:
    with pytest.raises(StackAbsent) as caught:
        status.main(NamedStack(name="lab"))
    assert caught.value.exit_code == 11


@pytest.mark.usefixtures("up")
def test_logs_of_a_service_and_of_a_program_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    logs.main(LogsForm(name="lab", service="kafka", lines=2))
    assert capsys.readouterr().out == "kafka says 0\nkafka says 1\n"
    (StackPaths.of("lab").output / "stream.err.log").write_text("a\nb\n")
    logs.main(LogsForm(name="lab", lines=1))
    assert capsys.readouterr().out == "b\nstream works\n"


@pytest.mark.usefixtures("up")
def test_logs_of_an_unknown_service_name_those_that_there_are() -> None:
    with pytest.raises(InvalidInput, match="zookeeper is no part of lab") as caught:
        logs.main(LogsForm(name="lab", service="zookeeper"))
    assert caught.value.evidence == "its parts are kafka, producer, stream, page"


@pytest.mark.usefixtures("up")
def test_the_smoke_test_probes_the_stacks_topic_at_its_address(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[KafkaConnection, str, float]] = []

    def probe(connection: KafkaConnection, topic: str, timeout: float, show: Callable[[str], None]) -> None:
        asked.append((connection, topic, timeout))
        show(">>> ¡TODO FUNCIONA!")

    monkeypatch.setattr("infra.operations.audit.run_probe", probe)
    monkeypatch.setattr(smoke_test, "with_server", lambda run: run())
    smoke_test.main(SmokeTestForm(name="lab", timeout_seconds=3))
    assert asked == [(open_lab("lab").stack.connection, "tweets_topic", 3.0)]
    assert said[-1] == ">>> ¡TODO FUNCIONA!"


@pytest.mark.usefixtures("up", "own_process")
def test_the_spy_prints_a_record_a_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def follow(connection: KafkaConnection, topic: str, stop: Any, show: Callable[[str], None], limit: int) -> None:
        assert not stop.is_set()
        show(f"{connection.bootstrap} {topic} {limit}")

    monkeypatch.setattr(spy, "follow", follow)
    spy.main(SpyForm(name="lab", limit=3))
    assert capsys.readouterr().out == f"{open_lab('lab').stack.connection.bootstrap} tweets_topic 3\n"


@pytest.fixture
def tester() -> Any:
    spec = importlib.util.spec_from_file_location("tester", Path(__file__).resolve().parents[2] / "tester.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Address and topic of every probe of pretend, which succeeds."""
    probes: list[tuple[str, str]] = []

    def probe(connection: KafkaConnection, topic: str, _timeout: float, show: Callable[[str], None], _ensure: Any) -> None:
        probes.append((connection.bootstrap, topic))
        show(f">>> 1. INICIANDO PRODUTOR (Enviando mensajes a {connection.bootstrap})...")

    monkeypatch.setattr("trending.kafka.probe.run_probe", probe)
    return probes


@pytest.fixture
def composed_trending(monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker Compose has the project trending, whose broker listens on port 19092."""
    stack = composed()
    broker = replace(stack.brokers[0], ports=(19092,))
    found = replace(stack, project="trending", services=(broker,))
    monkeypatch.setattr("infra.lab.brokers.compose_stack", lambda name: found if name == "trending" else None)


@pytest.mark.usefixtures("world")
def test_the_tester_finds_its_broker_from_the_nearest_word_to_the_usual_address(
    tester: Any, asked: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("infra.lab.brokers.compose_stack", lambda _name: None)
    assert tester.main([]) == 0
    assert asked.pop() == ("localhost:9092", "tweets_topic")
    assert capsys.readouterr().out.startswith(">>> 1. INICIANDO PRODUTOR (Enviando mensajes a localhost:9092)")
    stack = lab_stack(name="trending", topic="mine")
    start_up.start_up(StartUpForm(stack=stack))
    assert tester.main([]) == 0
    assert asked.pop() == (stack.bootstrap, "mine")
    monkeypatch.setenv("TRENDING_NAME", "")
    assert tester.main([]) == 0
    assert asked.pop() == (stack.bootstrap, "mine")
    assert tester.main(["--bootstrap", "far.example:1,[::1]:2"]) == 0
    assert asked.pop() == ("far.example:1,[::1]:2", "tweets_topic")


@pytest.mark.usefixtures("world", "composed_trending")
def test_the_tester_takes_composes_broker_where_no_stack_of_the_lab_runs(
    tester: Any, asked: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tester.main([]) == 0
    assert asked.pop() == ("localhost:19092", "tweets_topic")
    monkeypatch.setenv("TRENDING_NAME", "trending")
    assert tester.main([]) == 0
    assert asked.pop() == ("localhost:19092", "tweets_topic")
    monkeypatch.delenv("TRENDING_NAME")
    stack = lab_stack(name="trending")
    start_up.start_up(StartUpForm(stack=stack))
    assert tester.main([]) == 0
    assert asked.pop() == (stack.bootstrap, "tweets_topic")
    want(open_lab("trending"), Wanted.DOWN)
    assert tester.main([]) == 0
    assert asked.pop() == ("localhost:19092", "tweets_topic")


@pytest.mark.usefixtures("world", "composed_trending")
def test_the_tester_does_not_take_another_stack_than_the_named_one(
    tester: Any, asked: list[tuple[str, str]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRENDING_NAME", "lab")
    assert tester.main([]) == 11
    said = capsys.readouterr()
    assert said.err.startswith("error: there is no stack lab\n")
    assert (said.out, asked) == ("", [])


@pytest.mark.usefixtures("up")
def test_the_tester_ends_with_8_when_the_messages_did_not_come_back(
    tester: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRENDING_NAME", "lab")

    def fail(*_: object) -> None:
        cause = "message 3 was not acknowledged"
        raise ProbeFailed(cause)

    monkeypatch.setattr("trending.kafka.probe.run_probe", fail)
    assert tester.main([]) == 8
    assert "message 3 was not acknowledged" in capsys.readouterr().err


def test_the_tester_makes_the_topic_of_a_broker_that_is_not_the_labs(world: World) -> None:
    foreign = Broker(KafkaConnection("localhost:9092"), "tweets_topic", ours=False)
    world.services["kafka"] = "foreign"
    assert foreign.ensure_topic()
    assert list(world.topics) == ["tweets_topic"]
    assert not foreign.ensure_topic()
    world.topics.clear()
    assert not replace(foreign, ours=True).ensure_topic()
    assert world.topics == {}


@pytest.mark.parametrize("address", ["nonsense", "localhost", "localhost:", "a b:1", "localhost:9092,", "localhost:999999"])
def test_the_tester_with_an_address_that_is_none_ends_with_2(
    address: str, tester: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tester.main(["--bootstrap", address]) == 2
    assert address in capsys.readouterr().err


def test_the_tester_with_an_impossible_name_ends_with_2_and_one_message(
    tester: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRENDING_NAME", "../../etc")
    assert tester.main([]) == 2
    assert "TRENDING_NAME" in capsys.readouterr().err


def test_a_flow_runs_on_the_server_that_there_is_and_leaves_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, PREFECT_HOME  # noqa: PLC0415

    server = PrefectServer("http://127.0.0.1:1/api", started=True)
    left: list[object] = []
    seen: list[tuple[str | None, Path]] = []
    monkeypatch.setattr(serving, "ensure_server", lambda **_how: server)
    monkeypatch.setattr("atexit.register", left.append)
    serving.with_server(lambda: seen.append((PREFECT_API_URL.value(), PREFECT_HOME.value())))
    assert seen == [(server.url, home / "prefect")]
    assert left == []
    serving.with_server(lambda: None, leave=False)
    stopped: list[bool] = []
    monkeypatch.setattr("infra.prefect_services.server.stop_server", lambda: stopped.append(True))
    (stop,) = left
    assert callable(stop)
    note_serving()
    stop()
    assert stopped == [], "make serve has made it its own"
    worker_note().unlink()
    stop()
    assert stopped == [True]
    assert PREFECT_API_URL.value() != server.url
    # A take-down that ends meanwhile, of another stack, leaves it: nothing is recorded yet of what this run starts.
    serving.with_server(stop_idle_server)
    assert stopped == [True]
    beats: list[int | None] = []
    serving.with_server(lambda: beats.append(PREFECT_FLOWS_HEARTBEAT_FREQUENCY.value()))
    serving.with_server(lambda: beats.append(PREFECT_FLOWS_HEARTBEAT_FREQUENCY.value()), run_heartbeat=None)
    assert beats == [RUN_HEARTBEAT_SECONDS, None]


def test_no_living_run_is_silent_as_long_as_the_automation_waits() -> None:
    declared = yaml.safe_load(AUTOMATIONS.read_text(encoding="utf-8"))["automations"]
    within = next(each for each in declared if each["name"] == "trending-zombies")["trigger"]["within"]
    server = PrefectServer("http://127.0.0.1:1/api", started=False)
    assert within >= 3 * RUN_HEARTBEAT_SECONDS
    assert worker_environment(server)["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == str(RUN_HEARTBEAT_SECONDS)
