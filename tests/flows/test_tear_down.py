from __future__ import annotations

import atexit
import errno
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from at_terminal import at_terminal
from fakes.compose import composed
from fakes.plain import lab_stack
from prefect import Task

from flows import start_up, tear_down
from flows.tear_down import wanted_up
from infra.forms.stacks import StartUpForm, TearDownForm
from infra.forms.terminal import run_command
from infra.host.paths import StackPaths
from infra.host.processes import STACK_VARIABLE
from infra.lab.assembly import open_lab
from infra.operations import page, producer, stream
from infra.operations import services as infrastructure
from infra.prefect_services.credentials import PrefectServer
from infra.prefect_services.supervision import note_serving, worker_note
from infra.stack.state import Wanted, read_state
from trending.errors import ConfigurationConflict, EngineUnavailable, LabError, NotOurs
from trending.settings import RuntimeKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes.world import World

pytestmark = pytest.mark.usefixtures("plain")


@pytest.fixture
def at_exit(monkeypatch: pytest.MonkeyPatch, plain: None) -> list[Callable[[], object]]:
    """What a command leaves for its exit; nothing of it is registered in this process. Its tasks are tasks again."""
    del plain
    for module in (infrastructure, producer, stream, page):
        for name, value in vars(module).items():
            if isinstance(value, Task) and hasattr(tear_down, name):
                monkeypatch.setattr(tear_down, name, value)
    left: list[Callable[[], object]] = []
    monkeypatch.setattr(atexit, "register", left.append)
    return left


def up(**stack: Any) -> None:
    start_up.start_up(StartUpForm(stack=lab_stack(**stack)))


def down(**settings: Any) -> Any:
    return tear_down.tear_down(TearDownForm(name="lab", confirm="lab", **settings))


def test_everything_goes_in_the_reverse_of_the_order_in_which_it_came(world: World) -> None:
    up(brokers=3)
    came = [change for change in world.changes if not change.startswith("create")]
    world.forget_history()
    assert down()
    went = world.changes
    assert went == ["end page", "end stream", "end producer", "end kafka-3", "end kafka-2", "end kafka", "end supervisor"]
    assert [change.split()[-1] for change in reversed(went)] == [change.split()[-1] for change in sorted(came, key=came.index)]


@pytest.mark.row(6)
def test_down_keeps_the_data_and_says_so(world: World, said: list[str]) -> None:
    up()
    down()
    state = read_state(StackPaths.of("lab"))
    assert state is not None
    assert state.wanted is Wanted.DOWN
    assert (StackPaths.of("lab").data / "kafka").exists()
    assert world.running == set()
    assert said[-1] == "stack lab is down; its data is kept"


def test_down_with_volumes_leaves_nothing_of_the_stack(world: World, said: list[str]) -> None:
    up()
    down(volumes=True)
    assert not StackPaths.of("lab").root.exists()
    assert world.topics == {}
    assert said[-1] == "stack lab is down and its data deleted"


def test_a_stack_of_docker_compose_is_left_alone_with_the_command_for_it(world: World, said: list[str]) -> None:
    world.compose = composed()
    assert down(volumes=True) is False
    assert said[-1].endswith("which is left alone; to take it down: docker compose -p lab down")
    assert world.changes == []


@pytest.mark.row(6)
def test_down_twice_and_on_nothing_succeeds(world: World, said: list[str]) -> None:
    assert down() is False
    assert said == ["there is no stack lab: nothing to take down"]
    up()
    assert down()
    world.forget_history()
    assert down()
    assert world.changes == []
    assert down(volumes=True)
    assert down(volumes=True) is False


def test_stop_keeps_everything_for_a_quick_start(world: World, said: list[str]) -> None:
    up()
    down(stop_only=True)
    state = read_state(StackPaths.of("lab"))
    assert state is not None
    assert state.wanted is Wanted.STOPPED
    assert world.supervised
    assert world.running == set()
    assert "make start brings it back" in said[-1]
    world.forget_history()
    up(port=open_lab("lab").settings.stack.port)
    assert world.changes == ["start kafka", "launch producer", "launch stream", "launch page"]


@pytest.mark.row(25)
def test_down_ends_what_a_killed_supervisor_left_behind(world: World) -> None:
    up()
    world.supervised = False
    mark = {STACK_VARIABLE: StackPaths.of("lab").stack_id}
    with subprocess.Popen(["sleep", "60"], env=mark, executable="/bin/sleep", start_new_session=True) as child:
        time.sleep(0.1)
        down()
        assert child.wait(5) is not None
    assert "remove stream" not in world.calls, "there was no supervisor to ask"


@pytest.mark.row(25)
def test_down_names_a_shell_that_carries_the_mark_and_leaves_it_alone(world: World, said: list[str]) -> None:
    up()
    world.supervised = False
    with at_terminal(**{STACK_VARIABLE: StackPaths.of("lab").stack_id}) as shell:
        down()
        assert shell.poll() is None
    assert (
        f"left alone, since it has a terminal and so is somebody's, though it carries the mark of lab: sleep (pid {shell.pid})"
        in said
    )


@pytest.mark.row(25)
def test_main_without_a_server_takes_the_stack_down(world: World, at_exit: list[Callable[[], object]]) -> None:
    up()
    tear_down.main(TearDownForm(name="lab"))
    assert world.running == set()
    assert not world.supervised
    assert len(at_exit) == 1


def test_main_with_a_server_runs_the_flow_on_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    up()
    used: list[PrefectServer] = []
    server = PrefectServer("http://127.0.0.1:1/api", started=False)
    monkeypatch.setattr(tear_down, "current_server", lambda _users: server)
    monkeypatch.setattr(tear_down, "run_on", lambda which, run: (used.append(which), run()))
    tear_down.main(TearDownForm(name="lab", stop_only=True))
    assert used == [server]
    assert world.running == set()


@pytest.mark.row(25)
def test_a_server_that_answers_and_can_do_nothing_does_not_keep_a_stack_up(
    world: World, said: list[str], at_exit: list[Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    start_up.start_up(StartUpForm(stack=lab_stack()))

    def refused(_server: PrefectServer, _run: Callable[[], object]) -> None:
        raise RuntimeError("503 Service Unavailable")

    monkeypatch.setattr(tear_down, "current_server", lambda _users: PrefectServer("http://127.0.0.1:1/api", started=False))
    monkeypatch.setattr(tear_down, "run_on", refused)
    tear_down.main(TearDownForm(name="lab"))
    assert world.running == set()
    assert any("503 Service Unavailable" in line and "going on without" in line for line in said)
    assert at_exit


@pytest.mark.row(25)
def test_a_server_that_falls_silent_after_the_take_down_is_not_said_to_have_kept_it_from_running(
    world: World, said: list[str], at_exit: list[Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    start_up.start_up(StartUpForm(stack=lab_stack()))

    def silent_at_the_end(_server: PrefectServer, run: Callable[[], object]) -> None:
        run()
        raise TimeoutError("the state was not taken")

    monkeypatch.setattr(tear_down, "current_server", lambda _users: PrefectServer("http://127.0.0.1:1/api", started=False))
    monkeypatch.setattr(tear_down, "run_on", silent_at_the_end)
    world.forget_history()
    tear_down.main(TearDownForm(name="lab"))
    assert world.running == set()
    assert world.calls.count("destroy") == 1, "it is not done twice"
    assert not any("could not run it" in line for line in said)
    assert said[-1] == (
        "Prefect at http://127.0.0.1:1/api did not take the end of the run (TimeoutError: the state was not taken): it may show"
        " it as running; the take-down itself is done"
    )
    assert at_exit


@pytest.mark.usefixtures("world")
def test_the_last_stack_takes_our_server_along_and_no_other_does(
    at_exit: list[Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[bool] = []
    monkeypatch.setattr("infra.prefect_services.server.stop_server", lambda: stopped.append(True))
    up()
    start_up.start_up(StartUpForm(stack=lab_stack(name="other", brokers=2)))
    tear_down.main(TearDownForm(name="lab"))
    at_exit.pop()()
    assert stopped == []
    tear_down.main(TearDownForm(name="other"))
    last = at_exit.pop()
    note_serving()
    last()
    assert stopped == [], "a worker is served by it"
    worker_note().unlink()
    last()
    assert stopped == [True]


@pytest.mark.usefixtures("world")
def test_a_stopped_stack_still_wants_its_server() -> None:
    assert not wanted_up("lab")
    up()
    assert wanted_up("lab")
    down(stop_only=True)
    assert wanted_up("lab")
    down()
    assert not wanted_up("lab")


@pytest.mark.row(35)
def test_the_remedy_for_a_damaged_state_file_works(world: World, at_exit: list[Callable[[], object]]) -> None:
    up()
    StackPaths.of("lab").state.write_text("{")
    with pytest.raises(ConfigurationConflict) as caught:
        tear_down.main(TearDownForm(name="lab"))
    assert "VOLUMES" not in caught.value.next_command
    assert world.running, "data is never deleted unasked"
    cluster = world.cluster_id
    StackPaths.of("lab").state.rename(StackPaths.of("lab").state.with_suffix(".json.damaged"))
    up()
    assert open_lab("lab").state.cluster_id == cluster, "it was adopted"
    StackPaths.of("lab").state.write_text("{")
    tear_down.main(TearDownForm(name="lab", volumes=True, confirm="lab"))
    assert not StackPaths.of("lab").root.exists()
    assert not world.supervised
    assert down() is False
    del at_exit


@pytest.mark.usefixtures("world")
def test_a_damaged_state_file_of_another_stack_is_no_reason_to_stop_the_server(
    at_exit: list[Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.prefect_services.server.stop_server", lambda: pytest.fail("another stack may still need it"))
    damaged = StackPaths.of("another").state
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{")
    tear_down.main(TearDownForm(name="lab"))
    at_exit.pop()()
    assert damaged.exists()


@pytest.mark.parametrize("volumes", [False, True])
def test_a_take_down_that_cannot_reach_docker_touches_and_records_nothing(world: World, volumes: bool) -> None:  # noqa: FBT001
    def silent() -> str:
        raise EngineUnavailable("no Docker engine answers at somewhere")

    up(runtime=RuntimeKind.DOCKER)
    world.checks["engine"] = silent
    world.forget_history()
    for settings in ({"volumes": volumes}, {"stop_only": True}):
        with pytest.raises(EngineUnavailable, match="no Docker engine answers"):
            down(**settings)
    state = read_state(StackPaths.of("lab"))
    assert state is not None
    assert state.wanted is Wanted.UP
    assert world.changes == []
    world.checks.clear()
    assert down(volumes=volumes)


def test_a_step_that_fails_is_an_error_and_down_once_more_ends_it(world: World) -> None:
    up()
    world.fail("remove kafka", LabError("it does not end"))
    with pytest.raises(LabError, match="it does not end"):
        down()
    state = read_state(StackPaths.of("lab"))
    assert state is not None
    assert state.wanted is Wanted.DOWN, "what is wanted is known before anything is tried"
    assert down()
    assert world.running == set()


def test_the_command_for_nothing_ends_well(
    own_process: None, at_exit: list[Callable[[], object]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del own_process, at_exit
    monkeypatch.setattr(sys, "argv", ["down", "--name", "lab"])
    run_command(TearDownForm, tear_down.main, "down")
    assert "there is no stack lab" in capsys.readouterr().out


def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(_path: object, _model: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("infra.stack.state.write_model", write)


@pytest.mark.row(35)
@pytest.mark.parametrize("stop_only", [False, True], ids=["down", "stop"])
def test_on_a_full_disk_a_stack_is_taken_down_and_what_could_not_be_recorded_is_said(
    stop_only: bool,  # noqa: FBT001
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    said: list[str],
) -> None:
    up()
    full_disk(monkeypatch)
    with pytest.raises(LabError, match="could not be recorded: a health check may bring it back") as caught:
        down(stop_only=stop_only)
    assert world.running == set()
    assert (StackPaths.of("lab").data / "kafka").exists()
    assert caught.value.next_command == f"free some space, then make {'stop' if stop_only else 'down'} NAME=lab once more"
    assert "it is taken down all the same" in said[-1]
    monkeypatch.undo()


@pytest.mark.row(35)
def test_on_a_full_disk_the_data_can_be_deleted(world: World, monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    up()
    full_disk(monkeypatch)
    assert down(volumes=True)
    assert world.running == set()
    assert not StackPaths.of("lab").root.exists()
    assert said[-1] == "stack lab is down and its data deleted"


@pytest.mark.row(35)
@pytest.mark.parametrize("link", ["data", "data/kafka", ".", ".."])
def test_data_behind_a_link_is_neither_deleted_nor_said_to_be(link: str, world: World, tmp_path: Path, said: list[str]) -> None:
    up()
    paths = StackPaths.of("lab")
    place, elsewhere = Path(os.path.normpath(paths.root / link)), tmp_path / "big disk"
    shutil.move(place, elsewhere)
    place.symlink_to(elsewhere)
    (elsewhere / "mine").touch()
    with pytest.raises(NotOurs, match="behind a link") as caught:
        down(volumes=True)
    assert world.running, "nothing was touched"
    assert str(elsewhere) in caught.value.evidence
    assert "make down NAME=lab keeps the data" in caught.value.next_command
    assert down()
    assert (elsewhere / "mine").exists()
    place.unlink()
    down(volumes=True)
    assert not paths.root.exists()
    assert (elsewhere / "mine").exists()
    assert "lab" in said[-1]


@pytest.mark.row(35)
@pytest.mark.parametrize("place", ["data/kafka", "run", "."])
def test_data_that_cannot_all_be_deleted_stays_whole_and_everything_runs_on(
    place: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    up()
    paths = StackPaths.of("lab")
    refused, access = paths.root / place, os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != refused and access(path, mode))  # root may do all
    with pytest.raises(LabError, match="cannot be deleted by this user: nothing was touched") as caught:
        down(volumes=True)
    assert world.running
    assert (paths.data / "kafka").exists()
    assert str(refused) in caught.value.evidence
    assert caught.value.next_command.startswith(f"chmod -R u+rwX {paths.root}, then make down NAME=lab VOLUMES=1")
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(LabError) as caught:
        down(volumes=True)
    assert caught.value.next_command.startswith(f"ls -ld {refused} shows whose it is")
    assert down(), "without its data it goes"


def test_a_take_down_that_may_not_use_a_file_says_what_it_left(
    world: World, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tear_down, "current_server", lambda *_users: None)
    monkeypatch.setattr(tear_down, "stop_at_exit", lambda _stop: None)
    monkeypatch.setattr(tear_down, "words_of_left", lambda name: f"This is left: kafka of {name}")
    up()
    world.fail("remove kafka", PermissionError(13, "Permission denied", str(StackPaths.of("lab").run)))
    with pytest.raises(PermissionError):
        tear_down.main(TearDownForm(name="lab"))
    assert said[-1] == "this take-down has not come to its end. This is left: kafka of lab"


def test_the_truth_that_an_audit_has_written_goes_with_the_data(world: World) -> None:
    up()
    paths = StackPaths.of("lab")
    for place in (paths.truth, paths.truth.with_suffix(".new")):  # the second one of a life that was killed while it wrote
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("{}", encoding="ascii")
    assert down(volumes=True)
    assert not paths.root.exists()
    assert not world.running


MINE = [
    "data/mine",
    "data/notes.txt",
    "data/ledger.sqlite.bak",
    "data.bak",
    "thesis.txt",
    "data/kafka.bak",
    "data/kafka/thesis.txt",
    "data/kafka/photos",
    "data/kafka/tweets_topic-0/thesis.txt",
    "data/checkpoints/thesis.txt",
    "data/checkpoints/0a1b2c3d4e5f/thesis.txt",
    "data/aside/thesis.txt",
]


@pytest.mark.row(35)
@pytest.mark.parametrize("place", MINE)
def test_what_somebody_has_put_beside_the_data_is_not_deleted(place: str, world: World, said: list[str]) -> None:
    up()
    paths = StackPaths.of("lab")
    mine = paths.root / place
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("three years of work", encoding="ascii")
    with pytest.raises(NotOurs, match="that the lab did not make") as caught:
        down(volumes=True)
    assert world.running, "nothing was touched"
    assert caught.value.evidence == str(mine)
    assert f"mv {mine} ~/" in caught.value.next_command
    assert down()
    assert mine.exists()
    mine.unlink()
    down(volumes=True)
    assert not paths.root.exists()
    assert "lab" in said[-1]


def test_what_brokers_job_and_lab_leave_is_nothing_that_somebody_has_put_there(world: World) -> None:
    """Names as a whole stack leaves them, with those of a moment: of a deletion, a compaction, a replacement."""
    up()
    paths = StackPaths.of("lab")
    for name in OURS:
        path = paths.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert down(volumes=True)
    assert not paths.root.exists()
    assert not world.running


OURS = [
    *(f"data/kafka/{name}" for name in (".lock", ".kafka_cleanshutdown", "meta.properties", "meta.properties.tmp")),
    *(f"data/kafka-2/{name}-checkpoint" for name in ("cleaner-offset", "log-start-offset", "recovery-point-offset")),
    "data/kafka/replication-offset-checkpoint.tmp",
    "data/kafka/bootstrap.checkpoint",
    "data/kafka/__cluster_metadata-0/quorum-state",
    "data/kafka/__cluster_metadata-0/quorum-state.tmp",
    "data/kafka/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint",
    "data/kafka/__cluster_metadata-0/00000000000000000042-0000000001.checkpoint.part",
    "data/kafka/tweets_topic-0/partition.metadata",
    "data/kafka/tweets_topic-0/leader-epoch-checkpoint",
    "data/kafka/tweets_topic-0/leader-epoch-checkpoint.tmp",
    *(f"data/kafka/tweets_topic-0/00000000000000000000.{end}" for end in ("log", "index", "timeindex", "txnindex", "snapshot")),
    *(f"data/kafka/tweets_topic-0/00000000000000000000.{end}" for end in ("log.deleted", "index.cleaned", "log.swap")),
    "data/kafka/tweets_topic.dlq-0.0123456789abcdef0123456789abcdef-delete/00000000000000000007.log",
    "data/checkpoints/38a5baa2b0e9.start.json",
    "data/checkpoints/38a5baa2b0e9.lock",  # version 0.1.0
    "data/checkpoints/38a5baa2b0e9-1/.metadata.crc",
    "data/checkpoints/38a5baa2b0e9-1/metadata",
    "data/checkpoints/38a5baa2b0e9/offsets/.4.crc",
    "data/checkpoints/38a5baa2b0e9.aside-20261130T144700/commits/4",
    "data/aside/ledger.sqlite-wal",
    "data/ledger.sqlite-shm",
    "data/serving.sqlite.aside-20261130T144700",
    *(f"run/{name}" for name in ("budget.json", "budget.json.lock", "kafka.drift", "kafka.properties", "stream.heartbeat.json")),
    *(f"run/{name}" for name in ("supervisord.conf", "supervisord.log", "supervisord.log.1", "supervisord.pid")),
    *(f"run/{name}" for name in ("supervisor.sock.4711", "budget.4711", "stream.heartbeat.4711", "naive.sqlite-wal")),
    *(f"run/{name}/x" for name in ("locks", "logs", "programs", "scratch", "tls", "job-checkpoint")),
    "state.fresh",
    "health.lock",
]
