"""A user without a name, and a lab's directory that two users have written to."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

import pytest

from infra.host.paths import check_home
from infra.host.user import check_user, require_own_home, user_name
from infra.operations.services import check_machine, prepare_stack
from trending.errors import InvalidInput, NotOurs, PrerequisiteMissing
from trending.settings import LabSettings, StackSettings

if TYPE_CHECKING:
    from pathlib import Path

NAMELESS = 54321


def test_a_user_with_a_name_is_fine() -> None:
    assert check_user() == f"user {pwd.getpwuid(os.geteuid()).pw_name}"


@pytest.mark.row(35)
def test_a_user_id_without_a_name_is_told_with_the_way_to_give_it_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: NAMELESS)
    assert user_name(NAMELESS) == str(NAMELESS)
    with pytest.raises(PrerequisiteMissing, match=f"the user id {NAMELESS} has no name") as caught:
        check_user()
    assert f"lab:x:{NAMELESS}:" in caught.value.next_command


def test_a_home_of_ones_own_or_none_is_fine(home: Path) -> None:
    require_own_home()
    (home / "stacks" / "lab").mkdir(parents=True)
    (home / "jars").symlink_to("/")
    require_own_home()
    os.environ["TRENDING_HOME"] = str(home / "not" / "yet")
    require_own_home()


@pytest.mark.row(35)
def test_a_home_that_can_be_no_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was a traceback, or a state file that was said to be damaged."""
    (tmp_path / "file").touch()
    (tmp_path / "ring").symlink_to(tmp_path / "back")
    (tmp_path / "back").symlink_to(tmp_path / "ring")
    for name in ("file", "file/lab", "ring", "ring/lab"):
        monkeypatch.setenv("TRENDING_HOME", str(tmp_path / name))
        with pytest.raises(InvalidInput, match="can be none") as caught:
            require_own_home()
        assert caught.value.evidence == f"{tmp_path / name.removesuffix('/lab')} is no directory"


@pytest.mark.row(35)
def test_a_home_behind_a_link_that_leads_nowhere_is_not_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As to a disk that is not mounted: its stacks were said not to exist, and new ones were made beside them."""
    disk, link = tmp_path / "disk" / "lab", tmp_path / "link"
    link.symlink_to(disk)
    monkeypatch.setenv("TRENDING_HOME", str(link))
    with pytest.raises(NotOurs, match="is a link that leads nowhere") as caught:
        require_own_home()
    assert caught.value.next_command == f"mount or make {disk}; or, for a lab without it, rm {link}"
    disk.mkdir(parents=True)
    require_own_home()


@pytest.mark.row(35)
@pytest.mark.parametrize("name", ["a,b", "a:b"])
def test_a_home_in_which_a_broker_would_write_elsewhere_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRENDING_HOME", str(tmp_path / name))
    with pytest.raises(InvalidInput, match=f"contains '{name[1]}'") as caught:
        check_home()
    assert "set TRENDING_HOME" in caught.value.next_command
    with pytest.raises(InvalidInput, match="splits paths at"):
        check_machine(StackSettings())
    with pytest.raises(InvalidInput, match="splits paths at"):
        prepare_stack(LabSettings())
    assert not (tmp_path / name).exists()


@pytest.mark.row(35)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("place", [".", "stacks", "stacks/lab", "server/logs"])
def test_whatever_belongs_to_another_user_is_named_with_the_ways_on(place: str, home: Path) -> None:
    path = home / place
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, NAMELESS, NAMELESS)
    with pytest.raises(NotOurs, match=f"used by {NAMELESS} too, and this is ") as caught:
        require_own_home()
    assert str(path.resolve()) in caught.value.evidence
    assert "set TRENDING_HOME to a directory that is" in caught.value.next_command
    os.chown(path, 0, 0)
