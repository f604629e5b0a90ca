from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock, Timeout

from infra.host.paths import CHECKOUT, StackPaths, lab_home
from infra.stack import state as module
from infra.stack.state import (
    VERSION,
    StackState,
    Wanted,
    down_asked_for,
    existing_stacks,
    read_state,
    stack_held,
    take_down_waits,
    write_state,
)
from trending.errors import ConfigurationConflict, NotOurs, StackBusy
from trending.settings import LabSettings, RuntimeKind, StackSettings

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = """
from infra.host.paths import StackPaths
from infra.stack.state import stack_held
with stack_held(StackPaths.of("lab")):
    print("held", flush=True)
    input()
"""


@pytest.fixture
def paths() -> StackPaths:
    return StackPaths.of("lab")


def a_state(wanted: Wanted = Wanted.UP) -> StackState:
    return StackState(
        wanted=wanted, runtime=RuntimeKind.EMBEDDED, cluster_id="abc", settings=LabSettings(stack=StackSettings(name="lab"))
    )


def test_what_is_written_is_read_back(paths: StackPaths) -> None:
    assert read_state(paths) is None
    write_state(paths, a_state(Wanted.STOPPED))
    assert read_state(paths) == a_state(Wanted.STOPPED)
    assert [path.name for path in paths.root.iterdir() if path != paths.origin] == ["state.json"]


def test_stacks_that_exist_are_those_with_a_state(paths: StackPaths) -> None:
    assert existing_stacks() == []
    StackPaths.of("empty").root.mkdir(parents=True)
    write_state(paths, a_state())
    write_state(StackPaths.of("another"), a_state())
    assert existing_stacks() == ["another", "lab"]


@pytest.mark.row(35)
@pytest.mark.parametrize("content", ["", "{", '{"wanted": "up"}', '{"wanted": "sideways"}'])
def test_a_damaged_state_file_is_one_clear_error(paths: StackPaths, content: str) -> None:
    write_state(paths, a_state())
    paths.state.write_text(content)
    with pytest.raises(ConfigurationConflict) as caught:
        read_state(paths)
    assert str(paths.state) in caught.value.cause
    assert caught.value.next_command.startswith(f"mv {paths.state} ")
    assert "VOLUMES" not in caught.value.next_command


@pytest.mark.row(35)
@pytest.mark.parametrize("made", ["directory", "loop", "bytes", "depth"])
def test_whatever_lies_in_its_place_is_one_clear_error(paths: StackPaths, made: str) -> None:
    paths.root.mkdir(parents=True)
    match made:
        case "directory":
            paths.state.mkdir()
        case "loop":
            paths.state.symlink_to(paths.state)
        case "bytes":
            paths.state.write_bytes(b"\xff\x00")
        case _:
            paths.state.write_text("[" * 200_000)
    with pytest.raises(ConfigurationConflict, match="is damaged") as caught:
        read_state(paths)
    assert "VOLUMES" not in caught.value.next_command


@pytest.mark.row(35)
def test_another_users_state_file_is_one_clear_error(paths: StackPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    write_state(paths, a_state())

    def refuse(_path: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)  # root, which tests may run as, may read everything
    with pytest.raises(ConfigurationConflict, match="may not be read by this user") as caught:
        read_state(paths)
    assert "VOLUMES" not in caught.value.next_command
    assert caught.value.next_command == f"chmod u+rw {paths.state}, then once more", "it is this user's own"
    monkeypatch.setattr("os.geteuid", lambda: 54321)
    with pytest.raises(ConfigurationConflict) as caught:
        read_state(paths)
    assert caught.value.next_command == f"ls -l {paths.state} shows whose stack it is"


@pytest.mark.row(35)
def test_a_state_file_without_a_version_is_the_first_form_and_is_read(paths: StackPaths) -> None:
    write_state(paths, a_state())
    known = json.loads(paths.state.read_text())
    assert known.pop("version") == VERSION
    del known["adopted"]
    paths.state.write_text(json.dumps(known))
    assert read_state(paths) == a_state()


@pytest.mark.row(35)
def test_a_state_file_of_a_newer_lab_is_refused_and_its_data_is_not_to_be_deleted(paths: StackPaths) -> None:
    write_state(paths, a_state())
    known = json.loads(paths.state.read_text())
    paths.state.write_text(json.dumps({**known, "version": VERSION + 1, "something": "new"}))
    with pytest.raises(ConfigurationConflict, match="was written by a newer version of the lab") as caught:
        read_state(paths)
    assert f"version {VERSION + 1}" in caught.value.evidence
    assert "VOLUMES" not in caught.value.next_command


def test_the_lock_excludes_a_second_holder_and_names_the_stack(paths: StackPaths) -> None:
    with stack_held(paths), pytest.raises(StackBusy, match="another command has held the stack lab"), stack_held(paths, 0.05):
        pytest.fail("two commands hold the stack")


def test_the_lock_is_free_again_after_its_holder_and_leaves_no_file(paths: StackPaths) -> None:
    with pytest.raises(ZeroDivisionError), stack_held(paths):
        1 / 0  # noqa: B018 - any failure will do
    with stack_held(paths, 0.05):
        assert paths.lock.exists()
    assert not paths.lock.exists()


@pytest.mark.row(9)
def test_a_holder_that_was_killed_frees_the_lock(paths: StackPaths) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(StackBusy), stack_held(paths, 0.05):
            pytest.fail("two commands hold the stack")
        child.kill()
        child.wait()
        with stack_held(paths, 2):
            assert paths.lock.exists()


def test_a_holder_that_ends_does_not_take_away_the_lock_of_the_next_one(
    paths: StackPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_one = FileLock(paths.lock, timeout=0)

    class Watched(FileLock):
        """Lets the next command in the moment that the lock is free."""

        def release(self, force: bool = False) -> None:  # noqa: FBT001, FBT002 - the parent's signature
            super().release(force)
            next_one.acquire()

    monkeypatch.setattr(module, "FileLock", Watched)
    with stack_held(paths):
        pass
    with pytest.raises(Timeout):
        FileLock(paths.lock, timeout=0).acquire()
    next_one.release(force=True)  # it was let in twice


def test_the_home_is_that_of_the_variable_or_in_the_checkout(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lab_home() == home
    monkeypatch.delenv("TRENDING_HOME")
    assert lab_home() == CHECKOUT / ".trending"


def test_stacks_of_one_name_in_two_homes_have_different_marks(home: Path) -> None:
    one, other = StackPaths(home / "a", "lab"), StackPaths(home / "b", "lab")
    assert one.stack_id != other.stack_id


@pytest.mark.row(26)
def test_a_request_to_take_down_dies_with_its_process_and_one_of_two_does_not_withdraw_the_others(tmp_path: Path) -> None:
    paths = StackPaths(tmp_path, "lab")
    assert not take_down_waits(paths)
    with down_asked_for(paths):
        with down_asked_for(paths):
            assert take_down_waits(paths)
        assert take_down_waits(paths), "the other one still waits"
    assert not take_down_waits(paths)
    assert not paths.down_request.exists()
    code = "import sys; from pathlib import Path; from infra.host.paths import StackPaths; from infra.stack.state import *\n"
    code += "with down_asked_for(StackPaths(Path(sys.argv[1]), 'lab')): print('asked', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as asking:
        assert asking.stdout is not None
        assert asking.stdout.readline() == b"asked\n"
        assert take_down_waits(paths)
        asking.kill()
    assert paths.down_request.exists()
    assert not take_down_waits(paths)


def test_two_who_look_at_once_do_not_take_each_other_for_a_request(tmp_path: Path) -> None:
    paths = StackPaths(tmp_path, "lab")
    paths.down_request.parent.mkdir(parents=True)
    paths.down_request.touch()
    with paths.down_request.open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_EX)
        assert not take_down_waits(paths)


@pytest.mark.row(35)
@pytest.mark.parametrize("original_is_there", [True, False])
def test_a_directory_with_another_stacks_state_is_refused(home: Path, original_is_there: bool) -> None:  # noqa: FBT001
    first, other = StackPaths.of("lab"), StackPaths.of("copied")
    settings = LabSettings(stack=StackSettings(name="lab"))
    write_state(first, StackState(wanted=Wanted.UP, runtime=RuntimeKind.EMBEDDED, cluster_id="c", settings=settings))
    shutil.copytree(first.root, other.root)
    if not original_is_there:
        shutil.rmtree(first.root)
    with pytest.raises(NotOurs, match="its state is lab's") as caught:
        read_state(other)
    remedy = caught.value.next_command
    subprocess.run(remedy[: remedy.index(" sets " if original_is_there else " gives ")], shell=True, check=True)  # noqa: S602 - as a person would paste it
    assert read_state(other) is None
    assert read_state(first) is not None
    assert home in first.root.parents


@pytest.mark.parametrize("place", ["stacks", "stacks/lab", "stacks/lab/data", "stacks/lab/state.json"])
def test_a_link_that_leads_nowhere_is_no_absent_stack(place: str, paths: StackPaths, tmp_path: Path) -> None:
    """A disk that is not mounted: a start would put another stack in its place."""
    link, disk = paths.home / place, tmp_path / "not mounted"
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_dir():
        link.rmdir()
    link.symlink_to(disk)
    with pytest.raises(NotOurs, match="leads nowhere") as caught:
        read_state(paths)
    assert f"'{disk}'" in caught.value.next_command
    assert link.is_symlink()
    disk.write_text("") if place.endswith("json") else disk.mkdir()
    if not place.endswith("json"):
        assert read_state(paths) is None
