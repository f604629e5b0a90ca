from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from infra.host.paths import StackPaths
from infra.host.processes import STACK_VARIABLE, stack_processes
from infra.stack.origin import note_origin, require_own
from trending.errors import NotOurs

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.row(35)


@pytest.fixture
def original(tmp_path: Path) -> StackPaths:
    paths = StackPaths(tmp_path / "original" / ".trending", "lab")
    paths.data.mkdir(parents=True)
    note_origin(paths)
    return paths


def at(place: Path) -> StackPaths:
    return StackPaths(place / ".trending", "lab")


def test_a_stacks_own_directory_and_one_of_an_earlier_version_are_fine(original: StackPaths) -> None:
    require_own(original)
    original.origin.unlink()
    require_own(original)
    require_own(StackPaths(original.home, "another"))


def test_a_copy_is_refused_while_the_original_is_there(original: StackPaths, tmp_path: Path) -> None:
    shutil.copytree(original.home.parent, tmp_path / "copy")
    with pytest.raises(NotOurs, match="is a copy of that of") as caught:
        require_own(at(tmp_path / "copy"))
    assert str(original.home) in caught.value.cause
    assert caught.value.next_command.startswith("make up NAME=another")
    assert "VOLUMES" not in str(caught.value)


def test_the_remedy_for_a_copy_works(original: StackPaths, tmp_path: Path) -> None:
    copied = at(tmp_path / "copy")
    shutil.copytree(original.home.parent, tmp_path / "copy")
    with pytest.raises(NotOurs) as caught:
        require_own(copied)
    command = caught.value.next_command.partition("or ")[2].removesuffix(" and make up")
    subprocess.run(command, shell=True, check=True)  # noqa: S602 - what a person would paste
    require_own(copied)
    assert not copied.root.exists()
    assert [paths.name for paths in (StackPaths(copied.home, root.name) for root in (copied.home / "stacks").glob("[!.]*"))] == []


def test_a_moved_checkout_takes_its_stacks_along(original: StackPaths, tmp_path: Path) -> None:
    original.home.parent.rename(tmp_path / "moved")
    moved = at(tmp_path / "moved")
    require_own(moved)
    note_origin(moved)
    assert moved.origin.read_text() == str(moved.home)


def test_what_still_runs_of_a_moved_checkout_ends_first(original: StackPaths, tmp_path: Path) -> None:
    child = subprocess.Popen(["sleep", "60"], env={**os.environ, STACK_VARIABLE: original.stack_id}, start_new_session=True)
    try:
        while not stack_processes(original.stack_id):
            time.sleep(0.01)
        original.home.parent.rename(tmp_path / "moved")
        with pytest.raises(NotOurs, match="still runs from") as caught:
            require_own(at(tmp_path / "moved"))
        assert f"pid {child.pid}" in caught.value.evidence
        assert f"make down NAME=lab LEFT_BY={original.home}" in caught.value.next_command
    finally:
        child.kill()
        child.wait()
    require_own(at(tmp_path / "moved"))


def test_a_directory_under_two_paths_is_no_copy_and_is_run_from_one(
    original: StackPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(original.home.parent, tmp_path / "mounted")
    monkeypatch.setattr("pathlib.Path.samefile", lambda *_: True)  # as a bind mount has it
    with pytest.raises(NotOurs, match="the same directory under another path") as caught:
        require_own(at(tmp_path / "mounted"))
    assert f"TRENDING_HOME={original.home}" in caught.value.next_command


def test_an_original_that_may_not_be_looked_at_is_there(
    original: StackPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(original.home.parent, tmp_path / "copy")

    def refuse(_path: Path, *_other: object) -> bool:
        raise PermissionError

    for question in ("exists", "samefile"):
        monkeypatch.setattr(f"pathlib.Path.{question}", refuse)
    with pytest.raises(NotOurs, match="is a copy of"):
        require_own(at(tmp_path / "copy"))
