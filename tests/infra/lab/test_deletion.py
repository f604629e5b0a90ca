"""What of a stack's directory goes with an undo: what the lab has made, at any depth, and nothing of somebody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.host.paths import StackPaths
from infra.lab.deletion import delete_new
from infra.stack.belongings import everything_in

if TYPE_CHECKING:
    from pathlib import Path

PLACES = (
    "mine",
    "data/mine",
    "data/aside/mine",
    "data/checkpoints/mine",
    "data/checkpoints/0123456789ab/mine",
    "data/kafka/mine.old",
)


@pytest.fixture
def paths(tmp_path: Path) -> StackPaths:
    """A stack that a start-up has made and not finished."""
    made = StackPaths(tmp_path, "lab")
    key, partition = made.checkpoint("0123456789ab"), made.broker("kafka") / "tweets-0"
    for file in (key / "offsets" / "0", made.aside / "ledger.sqlite", partition / "partition.metadata", made.run / "kafka.drift"):
        file.parent.mkdir(parents=True)
        file.touch()
    return made


@pytest.mark.row(35)
@pytest.mark.parametrize("place", PLACES)
def test_a_directory_that_somebody_put_there_meanwhile_stays_with_all_that_is_in_it(paths: StackPaths, place: str) -> None:
    theirs = paths.root / place
    (theirs / "deeper").mkdir(parents=True)
    for file in (theirs / "photo", theirs / "deeper" / "photo"):
        file.write_text("mine", encoding="utf-8")
    kept = everything_in(theirs)
    delete_new(paths, None)
    assert everything_in(theirs) == kept
    ours = (everything_in(paths.root) or frozenset()) - {theirs, *(kept or ()), *theirs.parents}
    assert not ours, "all else has gone"


def test_what_has_come_into_a_directory_of_the_labs_that_was_there_goes(paths: StackPaths) -> None:
    before = everything_in(paths.root)
    (paths.data / "kafka" / "tweets-1").mkdir()
    (paths.data / "kafka" / "tweets-1" / "partition.metadata").touch()
    delete_new(paths, before)
    assert everything_in(paths.root) == before
