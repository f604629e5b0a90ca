"""Where a supervisord has its socket: decided by its directory alone, never by a shell."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from infra.supervision import control_socket as module
from infra.supervision.configuration import forget_programs, write_configuration
from infra.supervision.control_socket import (
    CONFIGURATION,
    PATH_BYTES,
    SOCKET,
    WHILE_BOUND,
    place_socket,
    release_socket,
    socket_of,
)
from trending.errors import PrerequisiteMissing

TEMPORARY = Path("/tmp")  # noqa: S108 - the fallback is this very directory


def long_directory(tmp_path: Path) -> Path:
    directory = tmp_path / ("x" * PATH_BYTES)
    directory.mkdir()
    return directory


def test_it_lies_in_the_directory_where_the_path_fits(tmp_path: Path) -> None:
    assert place_socket(tmp_path) == tmp_path / "supervisor.sock"
    assert socket_of(tmp_path) == tmp_path / "supervisor.sock"


def test_the_last_path_that_fits_leaves_room_for_the_pid_that_supervisord_appends(tmp_path: Path) -> None:
    room = PATH_BYTES - len(WHILE_BOUND) - len(os.fsencode(tmp_path)) - len("//supervisor.sock")
    for more, inside in ((0, True), (1, False)):
        directory = tmp_path / ("y" * (room + more))
        directory.mkdir()
        place = place_socket(directory)
        assert (place.parent == directory) is inside
        if not inside:
            place.parent.rmdir()


@pytest.mark.parametrize(
    "damaged",
    [b"\xff\xfe\x00\x9d", b"; directory: {broken\nfile=/tmp/x.sock\n", b"; directory: [1]\nfile=/tmp/x.sock\n", b""],
    ids=["no text", "no JSON", "another value", "empty"],
)
def test_a_damaged_configuration_names_no_socket_and_is_no_reason_to_stop(damaged: bytes, tmp_path: Path) -> None:
    path = write_configuration(tmp_path, "lab-12345678")
    path.write_bytes(damaged)
    assert socket_of(tmp_path) == tmp_path / SOCKET
    forget_programs(tmp_path)
    release_socket(tmp_path)
    assert place_socket(tmp_path) == tmp_path / SOCKET


@pytest.mark.parametrize("name", ["a #b", "a ;b"])
def test_a_path_that_the_configuration_would_cut_is_not_used(tmp_path: Path, name: str) -> None:
    directory = tmp_path / name
    directory.mkdir()
    place = place_socket(directory)
    assert place.parent != directory
    place.parent.rmdir()


def test_the_configuration_records_it_with_every_character_of_its_path(tmp_path: Path) -> None:
    directory = tmp_path / "100 % ñ"
    directory.mkdir()
    write_configuration(directory, "mark")
    assert socket_of(directory) == directory / "supervisor.sock"


def test_a_place_for_the_user_alone_is_recorded_used_again_and_deleted_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = TEMPORARY / f"tl-{os.getpid()}"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    directory = long_directory(tmp_path)
    write_configuration(directory, "mark")
    recorded = socket_of(directory)
    assert recorded.parent.parent == runtime
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert socket_of(directory) == recorded
    assert place_socket(directory) == recorded
    recorded.touch()
    release_socket(directory)
    assert list(runtime.iterdir()) == []
    runtime.rmdir()
    fresh = place_socket(directory)
    assert fresh.parent.parent == TEMPORARY
    fresh.parent.rmdir()


def test_a_recorded_place_that_others_may_enter_is_not_used_again(tmp_path: Path) -> None:
    directory = long_directory(tmp_path)
    write_configuration(directory, "mark")
    recorded = socket_of(directory)
    recorded.parent.chmod(0o755)
    fresh = place_socket(directory)
    assert fresh.parent != recorded.parent
    for made in (recorded.parent, fresh.parent):
        made.rmdir()


def record(directory: Path, socket: Path) -> None:
    (directory / CONFIGURATION).write_text(f"[supervisord]\ndirectory={directory}\nfile={socket}\n", encoding="utf-8")


def test_a_directory_that_is_not_the_labs_is_never_deleted(tmp_path: Path) -> None:
    elsewhere = tmp_path / "somebodys"
    elsewhere.mkdir(mode=0o700)
    record(tmp_path, elsewhere / "supervisor.sock")
    assert socket_of(tmp_path).parent == elsewhere
    release_socket(tmp_path)
    assert elsewhere.exists()


def test_a_record_that_was_copied_from_another_directory_is_none(tmp_path: Path) -> None:
    original, copied = tmp_path / "a", tmp_path / "b"
    for place in (original, copied):
        place.mkdir()
    write_configuration(original, "mark")
    (copied / CONFIGURATION).write_bytes((original / CONFIGURATION).read_bytes())
    assert socket_of(copied) == copied / SOCKET


@pytest.mark.parametrize("what", ["open", "file", "gone"])
def test_a_place_that_others_may_enter_or_that_is_none_is_not_followed_and_nothing_of_it_is_touched(
    tmp_path: Path, what: str
) -> None:
    place = tmp_path / "trending-x"
    if what == "open":
        place.mkdir(mode=0o755)
        (place / SOCKET).touch()
    elif what == "file":
        place.touch()
    record(tmp_path, place / SOCKET)
    assert socket_of(tmp_path) == tmp_path / SOCKET
    release_socket(tmp_path)
    assert place.exists() is (what != "gone")
    assert what != "open" or (place / SOCKET).exists()


def test_where_the_file_system_holds_no_sockets_it_lies_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Windows drive under WSL2 refuses to bind, some shared folders refuse the hard link that supervisord makes."""

    def refused(_source: Path, _target: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(module.os, "link", refused)
    place = place_socket(tmp_path)
    assert place.parent != tmp_path
    assert list(tmp_path.iterdir()) == [], "the trial leaves nothing"
    place.parent.rmdir()


def test_no_place_at_all_is_one_error_with_the_places_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(module.os, "access", lambda _path, _mode: False)
    with pytest.raises(PrerequisiteMissing, match="no place for supervisord's socket") as caught:
        place_socket(long_directory(tmp_path))
    assert str(TEMPORARY) in caught.value.evidence
    shutil.rmtree(tmp_path)
