from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.in_c_code import in_c_code
from fakes.stacks import make

from infra.commands import rebuild
from infra.forms.proving import RebuildForm
from infra.operations.stream import submit_stream
from trending.errors import Interrupted, NotReady, ServiceDied, StackAbsent, UndoAbandoned

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes.world import World


@pytest.mark.row(21)
def test_a_rebuild_says_from_where_it_counts_and_what_comes_next(
    world: World, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    make()
    submit_stream("lab")
    rebuild.main(RebuildForm(name="lab"))
    assert said == [
        "the stream stops, and counts the log anew under a new checkpoint",
        "partition 0 is counted anew from offset 7",
        "the stream counts; make audit NAME=lab proves the count once it has caught up",
    ]
    assert capsys.readouterr().out == "", "it prints in one way"
    assert world.changes[-1] == "launch stream"


@pytest.mark.row(21)
def test_a_rebuild_that_takes_long_goes_on_by_itself_and_says_how_to_follow_it(
    world: World, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    submit_stream("lab")
    monkeypatch.setattr("infra.operations.stream.READY_SECONDS", 0.0)
    world.fail("watch stream", NotReady("stream is running and has no batches yet", "10 s"))
    with pytest.raises(NotReady) as caught:
        rebuild.main(RebuildForm(name="lab"))
    assert caught.value.exit_code == 6
    assert "counting goes on by itself" in caught.value.cause
    assert "make status NAME=lab" in caught.value.next_command
    assert said[-1] == "partition 0 is counted anew from offset 7"
    assert world.changes[-1] == "launch stream"


@pytest.mark.row(21)
def test_a_stream_that_dies_in_a_rebuild_is_not_said_to_go_on(world: World) -> None:
    make()
    submit_stream("lab")
    world.fail("watch stream", ServiceDied("stream is stopped", "exit code 1"), ServiceDied("stream is stopped", "exit code 1"))
    with pytest.raises(ServiceDied, match="stream is stopped"):
        rebuild.main(RebuildForm(name="lab"))


STILL = "the stream counts the log anew by itself; make status NAME=lab shows how far it is"


@pytest.mark.row(21)
@pytest.mark.parametrize("raised", [Interrupted, lambda: in_c_code(Interrupted())])
@pytest.mark.parametrize("step", ["remove stream", "launch stream"])
def test_a_rebuild_that_is_interrupted_leaves_a_stream_that_counts(
    world: World, said: list[str], step: str, raised: Callable[[], BaseException]
) -> None:
    make()
    submit_stream("lab")
    world.fail(step, raised())
    with pytest.raises(Interrupted):
        rebuild.main(RebuildForm(name="lab"))
    assert said[1:] == ["interrupted: the rebuild is finished all the same, since nothing counts before", STILL]
    assert "stream" in world.programs
    assert world.changes[-1] == "launch stream"


@pytest.mark.row(21)
@pytest.mark.parametrize("raised", [UndoAbandoned, lambda: in_c_code(UndoAbandoned())])
def test_a_rebuild_that_is_abandoned_does_not_go_without_saying_that_nothing_counts(
    world: World, said: list[str], raised: Callable[[], BaseException]
) -> None:
    """Its last words were that it is finished all the same."""
    make()
    submit_stream("lab")
    world.fail("launch stream", Interrupted(), raised())
    with pytest.raises(UndoAbandoned):
        rebuild.main(RebuildForm(name="lab"))
    assert said[-1] == "the rebuild was abandoned, and nothing counts: make rebuild NAME=lab does it from the beginning"
    assert "stream" not in world.programs
    rebuild.main(RebuildForm(name="lab"))
    assert "stream" in world.programs


@pytest.mark.row(21)
@pytest.mark.parametrize("raised", [Interrupted, lambda: in_c_code(Interrupted())])
def test_a_rebuild_that_is_interrupted_before_its_first_batch_says_how_to_follow_it(
    world: World, said: list[str], raised: Callable[[], BaseException]
) -> None:
    make()
    submit_stream("lab")
    world.fail("watch stream", raised())
    with pytest.raises(Interrupted):
        rebuild.main(RebuildForm(name="lab"))
    assert said[-1] == STILL


@pytest.mark.row(21)
@pytest.mark.usefixtures("world")
def test_a_rebuild_that_is_interrupted_while_it_says_where_it_begins_says_how_to_follow_it(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    submit_stream("lab")

    def say_or_end(line: str) -> None:
        if line.startswith("partition 0 "):
            raise Interrupted
        said.append(line)

    monkeypatch.setattr(rebuild, "say", say_or_end)
    with pytest.raises(Interrupted):
        rebuild.main(RebuildForm(name="lab"))
    assert said[-1] == STILL


def test_a_rebuild_that_is_interrupted_before_it_stops_anything_changes_nothing(world: World, said: list[str]) -> None:
    make()
    submit_stream("lab")
    world.forget_history()
    world.fail("ends of tweets_topic", Interrupted())
    with pytest.raises(Interrupted):
        rebuild.main(RebuildForm(name="lab"))
    assert (world.changes, said[1:]) == ([], [])


@pytest.mark.usefixtures("world")
def test_of_a_stack_that_nobody_made_nothing_is_rebuilt() -> None:
    with pytest.raises(StackAbsent):
        rebuild.main(RebuildForm(name="lab"))
