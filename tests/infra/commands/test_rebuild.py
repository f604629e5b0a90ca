from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.stacks import make

from infra.commands import rebuild
from infra.forms.parameters import RebuildForm
from infra.operations.stream import submit_stream
from trending.errors import StackAbsent

if TYPE_CHECKING:
    from fakes.world import World


@pytest.mark.row(21)
def test_a_rebuild_says_from_where_it_counts_and_what_comes_next(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    make()
    submit_stream("lab")
    rebuild.main(RebuildForm(name="lab"))
    assert capsys.readouterr().out == (
        "partition 0 is counted anew from offset 7\nnext: make audit NAME=lab proves the count once the stream has caught up\n"
    )
    assert world.changes[-1] == "launch stream"


@pytest.mark.usefixtures("world")
def test_of_a_stack_that_nobody_made_nothing_is_rebuilt() -> None:
    with pytest.raises(StackAbsent):
        rebuild.main(RebuildForm(name="lab"))
