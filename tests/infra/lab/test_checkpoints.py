"""Where the checkpoints of a stack are, on a machine of pretend: elsewhere, only what it has made there is its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.stacks import make

from infra.lab.assembly import open_lab
from infra.lab.checkpoints import (
    check_checkpoint,
    checkpoint_place,
    delete_checkpoints,
    note_checkpoint,
    require_deletable_checkpoints,
    root_of,
)
from infra.stack.state import write_state
from trending.errors import ConfigurationConflict, NotOurs
from trending.places.settings import PlaceSettings

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.world import World

    from infra.lab.assembly import Lab


@pytest.fixture
def base(tmp_path: Path) -> Path:
    base = tmp_path / "shared"
    base.mkdir()
    return base


@pytest.fixture
def lab(world: World, base: Path) -> Lab:
    """A stack whose checkpoints are in a shared directory."""
    made = make()
    return at(made, f"file://{base}")


def at(lab: Lab, checkpoint: str) -> Lab:
    changed = lab.settings.model_copy(update={"places": PlaceSettings(checkpoint=checkpoint)})
    write_state(lab.paths, lab.state.model_copy(update={"settings": changed}))
    return open_lab(lab.paths.name)


def test_a_stack_has_a_directory_of_its_own_there(lab: Lab, base: Path) -> None:
    assert checkpoint_place(lab, "1") == base / lab.paths.stack_id / "1"
    assert check_checkpoint(lab.paths, lab.settings) == str(base / lab.paths.stack_id)
    assert list(base.iterdir()) == [], "nothing of the look is left"
    beside = at(lab, "")
    assert checkpoint_place(beside, "1") == lab.paths.checkpoint("1")
    assert check_checkpoint(lab.paths, beside.settings) == ""


def test_what_lies_there_already_is_another_ones(lab: Lab) -> None:
    root = root_of(lab.paths, lab.settings)
    (root / "1").mkdir(parents=True)
    with pytest.raises(NotOurs, match="that this stack has not made"):
        check_checkpoint(lab.paths, lab.settings)
    note_checkpoint(lab)
    assert check_checkpoint(lab.paths, lab.settings) == str(root)


def test_a_directory_that_is_not_there_is_one_error(lab: Lab, base: Path) -> None:
    base.rmdir()
    with pytest.raises(ConfigurationConflict, match="is not there") as caught:
        check_checkpoint(lab.paths, lab.settings)
    assert caught.value.next_command.startswith("mkdir -p ")


def test_only_what_the_stack_has_made_is_deleted_wherever_its_checkpoint_is_now(lab: Lab, base: Path, tmp_path: Path) -> None:
    note_checkpoint(lab)
    note_checkpoint(open_lab("lab"))
    root = root_of(lab.paths, lab.settings)
    (root / "1" / "offsets").mkdir(parents=True)
    (base / "theirs").mkdir()
    other = tmp_path / "other"
    (other / lab.paths.stack_id).mkdir(parents=True)
    moved = at(open_lab("lab"), f"file://{other}")
    assert moved.state.checkpoints_made == (str(root),)
    require_deletable_checkpoints(moved)
    delete_checkpoints(moved)
    assert list(base.iterdir()) == [base / "theirs"]
    assert list(other.iterdir()) == [other / lab.paths.stack_id], "nobody has recorded that this stack had made it"
    delete_checkpoints(moved)


def test_a_link_is_not_followed(lab: Lab, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    note_checkpoint(lab)
    root_of(lab.paths, lab.settings).symlink_to(theirs)
    for work in (
        lambda: check_checkpoint(lab.paths, lab.settings),
        lambda: require_deletable_checkpoints(open_lab("lab")),
    ):
        with pytest.raises(NotOurs):
            work()
    assert theirs.is_dir()
