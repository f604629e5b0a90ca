"""The lines of ``make status``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.runtime import FakeRuntime
from fakes.stacks import beat, make_whole

from infra.operations.description import describe, told
from trending.errors import EngineUnavailable, NotReady

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


@pytest.mark.usefixtures("world")
def test_a_container_whose_engine_is_silent_is_unseen_and_the_rest_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = make_whole()
    beat(lab, "producer")

    def silent(_runtime: FakeRuntime, _service: object) -> None:
        cause = "no Docker engine answers"
        raise EngineUnavailable(cause, "", "start it")

    monkeypatch.setattr(FakeRuntime, "observe", silent)
    lines = {line.name: line for line in describe(lab)}
    assert (lines["kafka"].state, lines["kafka"].trouble) == ("unseen", True)
    assert "no Docker engine answers" in lines["kafka"].detail
    assert lines["producer"].state == "running"


def test_large_counts_are_told_in_full_and_moments_not_at_all(world: World) -> None:
    assert world
    lab = make_whole()
    figures = {
        "acknowledged": 12_345_678.0,
        "rate": 999.4321,
        "batches": 3.0,
        "read_until": 1.79e9,
        "progress_at": 1.79e9,
        "watermark": 1.79e9,
    }
    beat(lab, "stream", phase="working", figures=figures)
    lines = {line.name: line for line in describe(lab)}
    assert lines["stream"].detail == "working; acknowledged 12345678, rate 999, batches 3"


def test_the_status_does_not_name_itself_as_what_to_do_next() -> None:
    cause = "stream is starting the session"
    assert told(NotReady(cause, "pid 7", "make status")) == f"{cause}\n  evidence: pid 7"
    assert told(NotReady(cause, "pid 7", "make logs SERVICE=stream")).endswith("next: make logs SERVICE=stream")
