"""A user without a name, and a lab's directory that two users have written to."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

import pytest

from infra.host.user import check_user, require_own_home, user_name
from trending.errors import NotOurs, PrerequisiteMissing

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
