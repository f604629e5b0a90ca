"""Data that no state file remembers: adopted, never deleted; and a supervisord that can't be asked is never ended by a start."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from fakes.plain import lab_stack

from flows import start_up as module
from flows import tear_down
from infra.commands import status
from infra.docker.marks import DockerMarks, MarkedContainer
from infra.forms.stacks import NamedStack, StartUpForm, TearDownForm
from infra.host.paths import StackPaths
from infra.host.processes import COMPONENT_VARIABLE, STACK_VARIABLE, stack_processes
from infra.lab.assembly import open_lab, want
from infra.lab.remains import SUPERVISORD, Remains, Remnant
from infra.operations.epochs import earlier_records
from infra.operations.undo import found_before
from infra.stack.state import VERSION, Wanted, read_state
from trending.errors import ConfigurationConflict, EngineUnavailable, Interrupted, LabError, SupervisorUnreachable
from trending.settings import RuntimeKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fakes.world import World

pytestmark = pytest.mark.usefixtures("plain")
VOLUME = "lab_kafka-data"
CLUSTER = "kept-cluster-id-000001"
STEPS = ["prepare", "start supervisor", "start kafka", "create tweets_topic", "launch stream", "watch stream"]
ERRORS = [ConfigurationConflict("it cannot be"), Interrupted()]


def up(**stack: Any) -> Any:
    return module.start_up(StartUpForm(stack=lab_stack(**stack)))


def lose_state() -> None:
    StackPaths.of("lab").state.unlink()


@pytest.fixture
def kept_volume(world: World) -> World:
    """A machine whose engine has the data of a stack that nobody remembers."""
    world.volumes[VOLUME] = CLUSTER
    return world


@pytest.mark.row(35)
def test_kept_volumes_without_a_state_are_adopted_with_their_cluster_and_runtime(kept_volume: World, said: list[str]) -> None:
    up(runtime=RuntimeKind.AUTO)
    state = read_state(StackPaths.of("lab"))
    assert state is not None
    assert (state.runtime, state.cluster_id, state.adopted) == (RuntimeKind.DOCKER, CLUSTER, True)
    assert kept_volume.cluster_id == CLUSTER
    assert any("no state file remembers: it is adopted" in line and VOLUME in line for line in said)


def counted(monkeypatch: pytest.MonkeyPatch, asked: list[str], *places: str) -> None:
    """Have each question of these modules noted."""
    for place in places:
        module_name, _dot, question = place.rpartition(".")
        ask = getattr(importlib.import_module(module_name), question)
        monkeypatch.setattr(place, lambda *details, ask=ask, question=question: asked.append(question) or ask(*details))


@pytest.mark.parametrize("runtime", [RuntimeKind.AUTO, RuntimeKind.EMBEDDED])
def test_a_first_start_asks_docker_for_the_stacks_marks_once(
    runtime: RuntimeKind, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    counted(monkeypatch, asked, "infra.lab.remains.docker_marks", "infra.lab.runtime_factory.docker_marks")
    up(runtime=runtime)
    assert asked == ["docker_marks"]
    assert world.running


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("step", STEPS)
def test_a_start_on_kept_volumes_that_fails_deletes_none_of_them(step: str, error: BaseException, kept_volume: World) -> None:
    kept_volume.fail(step, error)
    with pytest.raises(type(error)):
        up(runtime=RuntimeKind.DOCKER)
    assert kept_volume.volumes == {VOLUME: CLUSTER}
    assert kept_volume.running == set()
    assert read_state(StackPaths.of("lab")) is None, "what failed is not remembered"
    up(runtime=RuntimeKind.DOCKER)
    assert open_lab("lab").state.cluster_id == CLUSTER


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("step", STEPS)
def test_a_start_on_kept_directories_that_fails_deletes_none_of_them(step: str, error: BaseException, world: World) -> None:
    up()
    cluster = open_lab("lab").state.cluster_id
    tear_down.tear_down(TearDownForm(name="lab"))
    lose_state()
    world.fail(step, error)
    with pytest.raises(type(error)):
        up()
    assert (StackPaths.of("lab").data / "kafka" / "meta.properties").exists()
    assert world.running == set()
    up()
    assert open_lab("lab").state.cluster_id == cluster


def test_volumes_that_the_failed_run_made_itself_go_with_it(world: World) -> None:
    world.fail("watch stream", ConfigurationConflict("it cannot be"))
    world.volumes.clear()
    with pytest.raises(ConfigurationConflict):
        up()
    assert not StackPaths.of("lab").root.exists()


def test_data_beside_the_brokers_is_data_too(world: World) -> None:
    """The brokers' data may be gone and the ledger there: it is not the run's to delete."""
    ledger = StackPaths.of("lab").ledger
    ledger.parent.mkdir(parents=True)
    ledger.write_bytes(b"somebody's")
    world.fail("watch stream", ConfigurationConflict("it cannot be"))
    with pytest.raises(ConfigurationConflict):
        up()
    assert ledger.read_bytes() == b"somebody's"


@pytest.mark.parametrize(
    ("volumes", "cause"),
    [
        ({VOLUME: ""}, "its cluster id cannot be read"),
        ({VOLUME: CLUSTER, "lab_kafka-2-data": "another"}, "data of several clusters"),
    ],
)
def test_data_that_does_not_tell_its_cluster_stops_everything_and_stays(
    volumes: dict[str, str], cause: str, world: World
) -> None:
    world.volumes.update(volumes)
    with pytest.raises(ConfigurationConflict, match=cause) as caught:
        up(runtime=RuntimeKind.DOCKER)
    assert "leaves it" in caught.value.next_command
    assert "make down NAME=lab VOLUMES=1 deletes it" in caught.value.next_command
    assert world.changes == []
    assert world.volumes == volumes
    assert read_state(StackPaths.of("lab")) is None


def test_a_directory_without_its_meta_properties_stops_everything_and_stays(world: World) -> None:
    segment = StackPaths.of("lab").data / "kafka" / "tweets_topic-0" / "0.log"
    segment.parent.mkdir(parents=True)
    segment.write_bytes(b"tweets")
    with pytest.raises(ConfigurationConflict, match="its cluster id cannot be read"):
        up()
    assert segment.read_bytes() == b"tweets"


@pytest.mark.parametrize(("kept", "asked"), [("docker", RuntimeKind.EMBEDDED), ("embedded", RuntimeKind.DOCKER)])
def test_another_runtime_than_that_of_the_data_is_refused(kept: str, asked: RuntimeKind, world: World) -> None:
    if kept == "docker":
        world.volumes[VOLUME] = CLUSTER
    else:
        up()
        tear_down.tear_down(TearDownForm(name="lab"))
        lose_state()
        world.forget_history()
    with pytest.raises(ConfigurationConflict, match=f"has data of the {kept} runtime") as caught:
        up(runtime=asked)
    assert f"RUNTIME={kept}" in caught.value.next_command
    assert world.changes == []


def test_data_in_both_runtimes_is_nobodys_guess(world: World) -> None:
    up()
    tear_down.tear_down(TearDownForm(name="lab"))
    lose_state()
    world.volumes[VOLUME] = CLUSTER
    with pytest.raises(ConfigurationConflict, match="has data in both runtimes"):
        up(runtime=RuntimeKind.AUTO)
    assert world.volumes
    assert (StackPaths.of("lab").data / "kafka").exists()


def test_what_runs_without_a_state_was_there_before_and_stays(world: World) -> None:
    world.volumes[VOLUME] = CLUSTER
    world.marked = (MarkedContainer("kafka", "lab-kafka", "running"), MarkedContainer("kafka-2", "lab-kafka-2", "exited"))
    before = found_before("lab")
    assert (before.running, before.nothing_ran) == ({"kafka"}, False)
    assert before.data == (f"volume {VOLUME}",)


@pytest.fixture
def marked_process() -> Iterator[subprocess.Popen[bytes]]:
    """A process with the mark of a stack that no state file remembers."""
    stack_id = StackPaths.of("lab").stack_id
    mark = {STACK_VARIABLE: stack_id, COMPONENT_VARIABLE: "producer"}
    child = subprocess.Popen(["sleep", "60"], env={**os.environ, **mark}, start_new_session=True)
    while not stack_processes(stack_id):
        time.sleep(0.01)
    yield child
    child.kill()
    child.wait()


def test_down_without_a_state_ends_what_carries_the_mark_and_keeps_the_data(
    kept_volume: World, marked_process: subprocess.Popen[bytes], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.operations.take_down.engine_answers", lambda: None)
    assert tear_down.tear_down(TearDownForm(name="lab"))
    assert marked_process.poll() is not None
    assert kept_volume.volumes == {VOLUME: CLUSTER}
    assert read_state(StackPaths.of("lab")) is None
    assert f"producer (process pid {marked_process.pid})" in said[-1]
    assert said[-1].endswith("its data is kept")


def test_down_with_volumes_and_without_a_state_deletes_the_data_by_its_mark(
    kept_volume: World, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.operations.take_down.engine_answers", lambda: None)
    assert tear_down.tear_down(TearDownForm(name="lab", volumes=True, confirm="lab"))
    assert kept_volume.volumes == {}
    assert said[-1].endswith("its data is gone too")


@pytest.mark.parametrize("stop_only", [False, True])
def test_data_alone_is_named_and_left_by_a_take_down(stop_only: bool, kept_volume: World, said: list[str]) -> None:  # noqa: FBT001
    assert not tear_down.tear_down(TearDownForm(name="lab", stop_only=stop_only))
    assert kept_volume.volumes
    assert f"this carries its mark: volume {VOLUME}" in said[-1]
    assert "make up NAME=lab adopts it" in said[-1]


def test_stop_without_a_state_ends_nothing(kept_volume: World, marked_process: subprocess.Popen[bytes]) -> None:
    assert not tear_down.tear_down(TearDownForm(name="lab", stop_only=True))
    assert marked_process.poll() is None


def test_status_without_a_state_lists_what_carries_the_mark(
    kept_volume: World, marked_process: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    kept_volume.marked = (MarkedContainer("kafka", "lab-kafka", "exited"),)
    with pytest.raises(SystemExit) as ended:
        status.main(NamedStack(name="lab"))
    assert ended.value.code == 1
    shown = capsys.readouterr().out
    for part in (f"process pid {marked_process.pid}", "container lab-kafka, exited", f"volume {VOLUME}", "no state file"):
        assert part in shown


def test_counting_begins_at_the_end_of_the_kept_log_and_status_says_so(
    kept_volume: World, capsys: pytest.CaptureFixture[str]
) -> None:
    up(runtime=RuntimeKind.DOCKER)
    assert earlier_records(open_lab("lab")) == {0: 7}
    status.main(NamedStack(name="lab"))
    assert "records before offset 7 of partition 0 belong to an earlier life and are not audited" in capsys.readouterr().out


def test_a_start_beside_a_supervisord_that_cannot_be_asked_ends_and_changes_nothing(world: World) -> None:
    up()
    world.unreachable = "supervisord, pid 4711, runs and its socket /x is gone"
    before = read_state(StackPaths.of("lab"))
    world.forget_history()
    with pytest.raises(SupervisorUnreachable) as caught:
        up(port=open_lab("lab").settings.stack.port)
    assert "pid 4711" in caught.value.evidence
    assert "make down NAME=lab" in caught.value.next_command
    assert world.changes == []
    assert world.running == {"kafka", "producer", "stream", "page"}
    assert read_state(StackPaths.of("lab")) == before


def test_status_shows_a_supervisord_that_cannot_be_asked_and_its_programs_as_the_machine_has_them(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    up()
    world.unreachable = "supervisord, pid 4711, runs and its socket /x is gone"
    with pytest.raises(SystemExit):
        status.main(NamedStack(name="lab"))
    shown = capsys.readouterr().out
    assert "pid 4711" in shown
    assert "make down NAME=lab ends it by its mark" in shown
    assert "left over" not in shown
    (stream,) = [line for line in shown.splitlines() if line.strip().startswith("stream")]
    assert "running" in stream
    assert "healthy" in stream


def test_down_takes_a_supervisord_that_cannot_be_asked_with_it(world: World) -> None:
    up()
    world.unreachable = "supervisord, pid 4711, does not answer"
    assert tear_down.tear_down(TearDownForm(name="lab"))
    assert world.running == set()
    assert not world.supervised
    state = read_state(StackPaths.of("lab"))
    assert state is not None
    assert state.wanted is Wanted.DOWN


@pytest.mark.parametrize("step", ["prepare", "watch stream"])
def test_what_lay_in_the_stacks_directory_stays_when_a_first_start_fails(step: str, world: World) -> None:
    paths = StackPaths.of("lab")
    kept = [paths.root / "data.bak" / "ledger.sqlite", paths.root / "note.txt", paths.output / "kafka.out.log"]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"somebody's")
    world.fail(step, ConfigurationConflict("it cannot be"))
    with pytest.raises(ConfigurationConflict):
        up()
    assert all(path.read_bytes() == b"somebody's" for path in kept)
    assert not paths.state.exists()
    assert not paths.data.exists(), "that was the run's own"


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("place", ["notes.txt", "aside/notes.txt", "checkpoints/notes.txt", "kafka.bak/notes.txt"])
def test_a_users_file_among_the_data_stays_and_what_the_run_made_beside_it_goes(
    place: str, error: BaseException, world: World, said: list[str]
) -> None:
    """It made the undo keep the broker's new directory, and say that all was undone."""
    paths = StackPaths.of("lab")
    kept = paths.data / place
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"somebody's")
    world.fail("watch stream", error)
    with pytest.raises(type(error)):
        up()
    assert [each for each in paths.root.rglob("*") if not each.is_dir()] == [kept]
    assert kept.read_bytes() == b"somebody's"
    assert not paths.broker("kafka").exists()
    assert said[-1] == "what this run had made was undone"


def test_the_undo_deletes_nothing_behind_a_link_and_says_what_is_left(world: World, said: list[str], tmp_path: Path) -> None:
    paths = StackPaths.of("lab")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    paths.root.mkdir(parents=True)
    paths.data.symlink_to(elsewhere)
    world.fail("watch stream", ConfigurationConflict("it cannot be"))
    with pytest.raises(ConfigurationConflict):
        up()
    assert (elsewhere / "kafka").is_dir()
    assert paths.data.is_symlink()
    assert "This is left" in said[-1]
    assert str(paths.data / "kafka") in said[-1]
    assert "VOLUMES=1" not in said[-1], "which is refused there"


def test_what_somebody_puts_beside_the_data_while_it_starts_stays(world: World, said: list[str]) -> None:
    paths = StackPaths.of("lab")
    mine = [paths.root / "mine.txt", paths.data / "mine.txt"]

    def put() -> None:
        for path in mine:
            path.write_bytes(b"somebody's")
        raise ConfigurationConflict("it cannot be")

    world.fail("watch stream", put)
    with pytest.raises(ConfigurationConflict):
        up()
    assert sorted(each for each in paths.root.rglob("*") if not each.is_dir()) == sorted(mine)
    assert all(str(path) in said[-1] for path in mine)


@pytest.mark.parametrize(("made", "asked"), [(1, 3), (3, 1)])
def test_directories_of_another_number_of_brokers_are_refused_with_the_number(made: int, asked: int, world: World) -> None:
    up(brokers=made)
    tear_down.tear_down(TearDownForm(name="lab"))
    lose_state()
    world.forget_history()
    with pytest.raises(ConfigurationConflict, match=f"data of {made} brokers, and {asked} were asked for") as caught:
        up(brokers=asked)
    assert f"make up NAME=lab BROKERS={made}" in caught.value.next_command
    assert world.changes == []
    up(brokers=made)


def test_a_start_refused_for_a_silent_supervisord_leaves_no_state(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    up()
    shutil.rmtree(StackPaths.of("lab").root)
    world.unreachable = "supervisord, pid 4711, runs and its socket /x is gone"
    found = Remains((Remnant(SUPERVISORD, "process", "pid 4711", alive=True),), (), DockerMarks())
    monkeypatch.setattr("infra.operations.undo.remains_of", lambda _paths: found)
    with pytest.raises(SupervisorUnreachable):
        up()
    assert read_state(StackPaths.of("lab")) is None
    assert "adopts" not in found.next_commands("lab")


def test_an_engine_that_answers_only_after_the_first_look_is_no_ground_to_start_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had running could not be told from what this run makes."""
    up(runtime=RuntimeKind.DOCKER)
    lose_state()
    world.programs.clear()
    world.supervised = False
    world.forget_history()
    monkeypatch.setattr("infra.lab.remains.docker_marks", lambda *_: DockerMarks(silence="timed out"))
    with pytest.raises(EngineUnavailable, match="did not answer a moment ago") as caught:
        up(runtime=RuntimeKind.DOCKER)
    assert caught.value.evidence == "timed out"
    assert set(world.services) == {"kafka"}
    assert world.changes == []
    assert read_state(StackPaths.of("lab")) is None


@pytest.mark.parametrize("data", [True, False])
def test_a_take_down_that_could_not_ask_docker_says_so(
    data: bool,  # noqa: FBT001
    world: World,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("infra.lab.remains.docker_marks", lambda *_: DockerMarks(silence="no Docker engine answers"))
    if data:
        ledger = StackPaths.of("lab").ledger
        ledger.parent.mkdir(parents=True)
        ledger.touch()
    assert tear_down.tear_down(TearDownForm(name="lab", volumes=True, confirm="lab")) is data
    assert said[-1].partition("what Docker has of it could not be seen (no Docker engine answers")[1], said


def test_a_damaged_state_whose_data_may_be_dockers_is_not_forgotten_while_docker_is_silent(world: World) -> None:
    up(runtime=RuntimeKind.DOCKER)
    StackPaths.of("lab").state.write_text("{")
    with pytest.raises(EngineUnavailable, match="Docker, which may have its data, can't be asked"):
        tear_down.tear_down(TearDownForm(name="lab", volumes=True, confirm="lab"))
    assert StackPaths.of("lab").state.exists()
    assert world.volumes


def test_a_newer_versions_stack_keeps_its_data_whatever_is_asked(world: World) -> None:
    """What that version has made, and where, this one does not know."""
    up()
    state = StackPaths.of("lab").state
    state.write_text(state.read_text().replace(f'"version": {VERSION}', f'"version": {VERSION + 1}'))
    world.forget_history()
    for volumes in (False, True):
        with pytest.raises(ConfigurationConflict, match="a newer version of the lab") as caught:
            tear_down.tear_down(TearDownForm(name="lab", volumes=volumes, confirm="lab"))
        assert "use the version of the lab" in caught.value.next_command
    assert world.changes == []
    assert StackPaths.of("lab").broker("kafka").exists()


@pytest.mark.usefixtures("world")
def test_a_take_down_of_a_damaged_state_says_that_it_knows_of_nothing_elsewhere(said: list[str]) -> None:
    up()
    StackPaths.of("lab").state.write_text("{")
    assert tear_down.tear_down(TearDownForm(name="lab", volumes=True, confirm="lab"))
    assert "what it had made elsewhere, by CHECKPOINT, STORE_URL or BOOTSTRAP, is not known and stays" in said[-1]
    assert not StackPaths.of("lab").root.exists()


@pytest.mark.usefixtures("world")
def test_a_take_down_of_a_damaged_state_asks_once_whether_an_engine_answers(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    up()
    StackPaths.of("lab").state.write_text("{")
    asked: list[str] = []
    counted(monkeypatch, asked, "infra.operations.take_down.engine_answers", "infra.docker.presence.engine_answers")
    assert tear_down.tear_down(TearDownForm(name="lab", volumes=True, confirm="lab"))
    assert asked == ["engine_answers"]
    assert "what Docker has of it could not be seen" in said[-1]


@pytest.mark.usefixtures("world")
def test_status_tells_of_a_damaged_record_of_the_start_below_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    up()
    (record,) = StackPaths.of("lab").checkpoints.glob("*.start.json")
    record.write_bytes(b"")
    status.main(NamedStack(name="lab"))
    shown = capsys.readouterr().out
    assert "the checkpoint is damaged" in shown
    assert "stream" in shown


@pytest.mark.parametrize("text", ["{", '{"version": 99}'])
def test_status_shows_what_is_there_though_the_state_cannot_be_used(
    text: str, kept_volume: World, marked_process: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    assert kept_volume.volumes
    StackPaths.of("lab").root.mkdir(parents=True)
    StackPaths.of("lab").state.write_text(text)
    with pytest.raises(ConfigurationConflict) as caught:
        status.main(NamedStack(name="lab"))
    assert "VOLUMES" not in str(caught.value)
    shown = capsys.readouterr().out
    assert f"process pid {marked_process.pid}" in shown
    assert f"volume {VOLUME}" in shown


def test_containers_of_an_embedded_stack_are_shown_and_go_with_it(
    world: World, said: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Docker was silent when the stack was brought up, without a state, and a container of its earlier life runs again."""
    up()
    world.marked = (MarkedContainer("kafka", "lab-kafka", "running"),)
    world.volumes[VOLUME] = CLUSTER
    with pytest.raises(SystemExit):
        status.main(NamedStack(name="lab"))
    assert "container lab-kafka, running; make down NAME=lab ends it" in capsys.readouterr().out
    assert tear_down.tear_down(TearDownForm(name="lab"))
    assert any("lab-kafka" in line and "docker runtime" in line for line in said)
    assert world.volumes == {VOLUME: CLUSTER}


@pytest.mark.usefixtures("world")
def test_data_that_could_not_be_deleted_is_not_called_deleted(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    up()

    def refused(root: object, onerror: Any = None, **_: object) -> None:
        if onerror:
            onerror(None, f"{root}/data/ledger.sqlite", (PermissionError, PermissionError("another user's"), None))

    with monkeypatch.context() as patch:
        patch.setattr("infra.lab.deletion.shutil.rmtree", refused)
        with pytest.raises(LabError, match="its data could not be deleted") as caught:
            tear_down.tear_down(TearDownForm(name="lab", volumes=True, confirm="lab"))
    assert "ledger.sqlite: another user's" in caught.value.evidence
    assert not [line for line in said if "deleted" in line]


def test_of_a_stack_that_a_take_down_has_left_half_way_status_names_the_take_down(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    up()
    want(open_lab("lab"), Wanted.DOWN)
    assert world.services
    with pytest.raises(SystemExit):
        status.main(NamedStack(name="lab"))
    shown = capsys.readouterr().out
    assert "make down NAME=lab once more ends what runs" in shown
    assert "HEAL=1" not in shown
