"""The lines of ``make status``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fakes.stacks import beat, make_whole

from infra.operations.description import describe

if TYPE_CHECKING:
    from fakes.world import World


def test_what_is_said_of_a_part_is_said_once(world: World) -> None:
    lab = make_whole()
    beat(lab, "producer", phase="working", figures={})
    lines = {line.name: line for line in describe(lab)}
    assert lines["kafka"].health == "healthy"
    assert lines["kafka"].detail.count(world.cluster_id) == 1
    assert lines["producer"].detail == "working"
    assert lines["stream"].detail.startswith("working; acknowledged 7, batches 2")
