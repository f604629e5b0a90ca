from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from fakes.homes import make_java
from fakes.supervisor import FakeSupervisor
from fakes.world import World
from hypothesis import example, given
from hypothesis import strategies as st

from infra.embedded import runtime as embedded
from infra.embedded.runtime import EmbeddedRuntime
from infra.host.paths import StackPaths
from infra.host.processes import COMPONENT_VARIABLE, STACK_VARIABLE
from infra.kafka.properties import render_properties
from infra.kafka.readiness import require_running
from infra.stack.profiles import declare
from infra.stack.runtime import Outcome, ServiceState
from infra.supervision.budget import DEATHS, note_death, read_budget
from infra.supervision.supervisor import ProgramStatus
from trending.errors import ConfigurationConflict, NotReady, PrerequisiteMissing, ServiceDied
from trending.settings import RuntimeKind, StackSettings

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = """for last; do :; done
dir=$(sed -n 's/^log.dirs=//p' "$last")
echo "$@" >> "$LOG"
printf '#made by a fake\\ncluster.id=%s\\nversion=1\\n' our-cluster > "$dir/meta.properties"
"""


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Java that formats storage as Kafka's tool does, and writes down how it was called."""
    java = make_java(tmp_path / "jdk" / "bin", "17.0.1", f"LOG='{tmp_path}/format.log'\n{FORMAT}")
    monkeypatch.setenv("PATH", f"{java.parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "format.log"


def runtime(world: World, **settings: Any) -> EmbeddedRuntime:
    paths = StackPaths.of("lab")
    stack = declare(StackSettings(name="lab", **settings), RuntimeKind.EMBEDDED, paths, "our-cluster")
    supervisor = FakeSupervisor(world, paths)
    if not supervisor.running():
        supervisor.start()
        world.forget_history()
    return EmbeddedRuntime(stack, paths, supervisor)


def kafka(of: EmbeddedRuntime) -> Any:
    return of._stack.services[0]


def test_properties_with_foreign_letters_and_backslashes_are_escaped_for_java() -> None:
    text = render_properties({"log.dirs": "/home/ñandú/été 50%", "b": "back\\slash", "c": "a=b:c#d"})
    assert text == "log.dirs=/home/\\u00f1and\\u00fa/\\u00e9t\\u00e9 50%\nb=back\\u005cslash\nc=a=b:c#d\n"
    assert text.isascii()


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
@example("/home/🎉/𝄞")
def test_every_value_of_the_properties_is_read_back_as_java_reads_it(value: str) -> None:
    line = render_properties({"log.dirs": f"/{value}"}).removesuffix("\n")
    units = re.findall(r"\\u[0-9a-f]{4}|[ -~]", line.removeprefix("log.dirs="))
    assert "".join(units) == line.removeprefix("log.dirs="), "nothing else is in it"
    read = b"".join(int(each[2:] if len(each) > 1 else f"{ord(each):x}", 16).to_bytes(2, "big") for each in units)
    assert read.decode("utf-16-be") == f"/{value}"


def test_a_first_start_formats_the_storage_and_launches_the_broker(world: World, log: Path) -> None:
    made = runtime(world)
    assert made.start(kafka(made)) is Outcome.CREATED
    assert "kafka.tools.StorageTool format --cluster-id our-cluster" in log.read_text()
    program = world.programs["kafka"]
    assert "kafka.Kafka" in program.command
    assert "-Xmx512M" in program.command
    assert "-XX:+ExitOnOutOfMemoryError" in program.command
    assert program.environment["JAVA_HOME"].endswith("jdk")


@pytest.mark.row(5)
def test_a_broker_that_is_right_is_adopted_and_nothing_is_touched(world: World, log: Path) -> None:
    made = runtime(world)
    made.start(kafka(made))
    world.forget_history()
    assert runtime(world).start(kafka(made)) is Outcome.ADOPTED
    assert world.changes == []
    assert len(log.read_text().splitlines()) == 1


@pytest.mark.row(5)
def test_a_broker_that_drifted_is_made_anew_on_its_old_data(world: World, log: Path) -> None:
    made = runtime(world)
    made.start(kafka(made))
    larger = runtime(world, heap_mb=600)
    assert larger.observe(kafka(larger)).drifted
    assert larger.start(kafka(larger)) is Outcome.RECREATED
    assert "-Xmx600M" in world.programs["kafka"].command
    assert not larger.observe(kafka(larger)).drifted
    assert len(log.read_text().splitlines()) == 1


@pytest.mark.row(15)
@pytest.mark.usefixtures("log")
def test_storage_of_another_cluster_is_found_before_the_start(world: World) -> None:
    made = runtime(world)
    directory = StackPaths.of("lab").data / "kafka"
    directory.mkdir(parents=True)
    (directory / "meta.properties").write_text("cluster.id=theirs\n")
    with pytest.raises(ConfigurationConflict):
        made.start(kafka(made))
    assert world.changes == []


@pytest.mark.parametrize(
    ("said", "cause", "remedy"),
    [
        ("java.io.IOException: No space left on device", "the disk that holds the data is full", "TRENDING_HOME"),
        ("something nobody has seen", "cannot be formatted", "make status"),
    ],
)
def test_a_format_that_fails_says_where_and_why(
    said: str, cause: str, remedy: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_java(tmp_path / "bin", "17", f"echo '{said}' >&2; exit 1")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    made = runtime(world)
    with pytest.raises(ConfigurationConflict) as caught:
        made.start(kafka(made))
    assert cause in caught.value.cause
    assert said in caught.value.evidence
    assert str(StackPaths.of("lab").data / "kafka") in caught.value.evidence
    assert remedy in caught.value.next_command
    assert world.changes == []


@pytest.mark.usefixtures("log")
def test_stop_and_remove_need_a_supervisord_and_keep_the_data(world: World) -> None:
    made = runtime(world)
    made.start(kafka(made))
    made.stop(kafka(made))
    made.remove(kafka(made))
    assert world.calls[-2:] == ["stop kafka", "remove kafka"]
    assert (StackPaths.of("lab").data / "kafka" / "meta.properties").exists()
    world.supervised = False
    world.forget_history()
    made.stop(kafka(made))
    made.remove(kafka(made))
    assert world.calls == []


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize(
    ("word", "state", "exit_code"),
    [
        ("RUNNING", ServiceState.RUNNING, None),
        ("STARTING", ServiceState.RUNNING, None),
        ("STOPPED", ServiceState.STOPPED, None),
        ("EXITED", ServiceState.EXITED, 3),
        ("BACKOFF", ServiceState.EXITED, 3),
        ("FATAL", ServiceState.GIVEN_UP, 3),
    ],
)
def test_supervisords_words_are_the_services_states(word: str, state: ServiceState, exit_code: int | None, world: World) -> None:
    made = runtime(world)
    made.start(kafka(made))
    world.ended["kafka"] = ProgramStatus("kafka", word, 5, 3, "", 0.0)
    seen = made.observe(kafka(made))
    assert (seen.state, seen.exit_code) == (state, exit_code)
    assert seen.comes_back == (state is ServiceState.EXITED), (
        "exit code 3 is none of those after which supervisord leaves it dead"
    )
    assert ("pid 5" in seen.detail) == (state is ServiceState.RUNNING)


def test_a_broker_that_was_never_started_is_absent(world: World) -> None:
    made = runtime(world)
    assert made.observe(kafka(made)).state is ServiceState.ABSENT


@pytest.mark.usefixtures("log")
def test_a_broker_stopped_for_dying_too_often_is_given_up_until_somebody_starts_it_again(world: World) -> None:
    made = runtime(world)
    made.start(kafka(made))
    budget = StackPaths.of("lab").budget
    for _ in range(DEATHS + 1):
        note_death(budget, "kafka", 1.0, "terminated by SIGKILL", memory=True)
    world.ended["kafka"] = ProgramStatus("kafka", "STOPPED", 0, 0, "", 0.0)
    assert made.observe(kafka(made)).state is ServiceState.GIVEN_UP
    assert made.observe(kafka(made)).deaths.startswith("five deaths in ten minutes; the last cause: terminated by SIGKILL (")
    with pytest.raises(ServiceDied, match=r"kafka is given up after five deaths in ten minutes; the last cause: .*OOM") as caught:
        require_running(made, kafka(made))
    assert caught.value.next_command.endswith("make up gives it its budget back")
    assert not made.observe(kafka(made)).comes_back
    assert made.start(kafka(made)) is Outcome.RECREATED
    assert read_budget(budget) == {}
    assert made.observe(kafka(made)).state is ServiceState.RUNNING


@pytest.mark.usefixtures("log")
def test_the_oom_killers_strike_elsewhere_is_no_cause_of_a_death_without_a_kill(world: World) -> None:
    made = runtime(world)
    made.start(kafka(made))
    for _ in range(DEATHS + 1):
        note_death(StackPaths.of("lab").budget, "kafka", 1.0, "exit status 3: java.io.IOException: disk", memory=True)
    world.ended["kafka"] = ProgramStatus("kafka", "STOPPED", 0, 0, "", 0.0)
    with pytest.raises(ServiceDied, match=r"the last cause: exit status 3: java.io.IOException: disk") as caught:
        require_running(made, kafka(made))
    assert "OOM" not in str(caught.value)


@pytest.mark.usefixtures("log")
def test_a_kill_whose_death_is_not_noted_yet_is_put_down_to_nothing(world: World) -> None:
    made = runtime(world)
    made.start(kafka(made))
    world.ended["kafka"] = ProgramStatus("kafka", "EXITED", 0, -1, "", 0.0)
    with pytest.raises(NotReady, match="whether memory was the reason cannot be known here"):
        require_running(made, kafka(made))


def test_preparing_checks_java_before_any_download(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []
    monkeypatch.setattr(embedded, "ensure_jars", fetched.append)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PrerequisiteMissing):
        runtime(world).prepare()
    assert fetched == []
    make_java(tmp_path, "17")
    runtime(world).prepare()
    assert fetched == ["broker"]


@pytest.mark.parametrize("volumes", [False, True])
def test_what_lies_in_the_stacks_directory_is_left_to_who_deletes_that(volumes: bool, world: World) -> None:  # noqa: FBT001
    made = runtime(world)
    note = StackPaths.of("lab").data / "notes.txt"
    note.parent.mkdir(parents=True)
    note.write_bytes(b"somebody's")
    made.destroy(volumes=volumes)
    assert note.exists()
    assert made.kind is RuntimeKind.EMBEDDED


def test_its_services_are_processes_under_supervisord_from_the_locked_jars(world: World) -> None:
    made = runtime(world)
    made.require_no_namesake()
    assert (made.foundation, made.checks()) == ("supervisor", {})
    assert made.image(kafka(made)) == ""
    assert made.kafka_version() == "4.4.0"


def test_logs_are_the_last_lines_whatever_their_bytes(world: World) -> None:
    made = runtime(world)
    assert made.output(kafka(made), 3) == ""
    StackPaths.of("lab").output_file("kafka").write_bytes(b"one\ntwo\nthr\xffee\nfour\n")
    assert made.output(kafka(made), 2) == "thr\ufffdee\nfour"


@pytest.mark.row(12)
@pytest.mark.usefixtures("log")
def test_a_frozen_broker_is_called_paused_and_goes_on_when_it_is_started(world: World) -> None:
    made = runtime(world)
    made.start(kafka(made))
    environment = {**os.environ, STACK_VARIABLE: StackPaths.of("lab").stack_id, COMPONENT_VARIABLE: "kafka"}
    with subprocess.Popen(["sleep", "60"], env=environment, start_new_session=True) as broker:
        world.ended["kafka"] = ProgramStatus("kafka", "RUNNING", broker.pid, 0, "", 1.0)
        broker.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + 5
        while not made.observe(kafka(made)).frozen:
            assert time.monotonic() < deadline
        with pytest.raises(NotReady, match="kafka is paused"):
            require_running(made, kafka(made))
        assert made.start(kafka(made)) is Outcome.STARTED
        while made.observe(kafka(made)).frozen:
            assert time.monotonic() < deadline
        assert made.start(kafka(made)) is Outcome.ADOPTED
        broker.kill()
