from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest

from trending.stream.progress import ProgressListener, figures_of


def progress(**changes: Any) -> dict[str, Any]:
    """Return a progress event as Spark 4.2 writes it, with some fields changed."""
    return {
        "id": "q",
        "runId": "run 1",
        "batchId": 12,
        "timestamp": "2026-11-29T06:24:55.250Z",
        "numInputRows": 340,
        "durationMs": {"addBatch": 700, "triggerExecution": 1250},
        "stateOperators": [
            {"numRowsTotal": 8, "numRowsDroppedByWatermark": 0},
            {"numRowsTotal": 3, "numRowsDroppedByWatermark": 0},
        ],
        "sources": [
            {
                "startOffset": {"tweets": {"0": 100, "1": 50}},
                "endOffset": {"tweets": {"0": 400, "1": 90}},
                "metrics": {"avgOffsetsBehindLatest": "5.0", "maxOffsetsBehindLatest": "7", "minOffsetsBehindLatest": "3"},
            }
        ],
    } | changes


def source(**changes: Any) -> list[dict[str, Any]]:
    return [progress()["sources"][0] | changes]


def dropping(first: int, second: int, run: str = "run 1") -> dict[str, Any]:
    operators = [{"numRowsTotal": 1, "numRowsDroppedByWatermark": groups} for groups in (first, second)]
    return progress(runId=run, stateOperators=operators)


class Event:
    """A QueryProgressEvent as far as the listener looks."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.progress = self
        self.json = json.dumps(content)


class Wire:
    """A listener and what it notes."""

    def __init__(self, offsets: dict[int, int] | None = None) -> None:
        self.noted: list[tuple[str, int]] = []
        self.listener = ProgressListener(lambda run, groups: self.noted.append((run, groups)), offsets or {})

    def hear(self, *events: dict[str, Any]) -> None:
        for content in events:
            event: Any = Event(content)
            self.listener.onQueryProgress(event)


def test_the_figures_of_a_batch() -> None:
    before = time.time()
    figures = figures_of(progress())
    assert before <= figures.pop("progress_at") <= time.time()
    assert figures == {
        "batch": 12,
        "input_rows": 340,
        "batch_seconds": 1.25,
        "state_rows": 11,
        "behind": 7.0,
        "offset.0": 400,
        "offset.1": 90,
    }


@pytest.mark.parametrize("metrics", [None, {}])
def test_without_metrics_nothing_is_known_to_be_behind_nor_to_be_read_whole(metrics: dict[str, str] | None) -> None:
    figures = figures_of(progress(sources=source(metrics=metrics)))
    assert figures["behind"] == 0
    assert "read_until" not in figures


def test_a_batch_that_left_nothing_behind_has_read_until_its_trigger_began() -> None:
    assert figures_of(progress(sources=source(metrics={"maxOffsetsBehindLatest": "0"})))["read_until"] == 1795933495.25


def test_a_batch_that_left_something_behind_changes_nothing_of_what_was_read_before() -> None:
    wire = Wire()
    wire.hear(progress(sources=source(metrics={"maxOffsetsBehindLatest": "0"})), progress(timestamp="2026-11-29T06:25:55.250Z"))
    assert wire.listener.figures()["read_until"] == 1795933495.25


@pytest.mark.parametrize("end", [None, {}])
def test_a_batch_without_offsets_tells_none(end: dict[str, Any] | None) -> None:
    assert not [name for name in figures_of(progress(sources=source(endOffset=end))) if name.startswith("offset.")]


def test_the_watermark_is_told_once_there_is_one() -> None:
    assert "watermark" not in figures_of(progress())
    assert "watermark" not in figures_of(progress(eventTime={"watermark": "1970-01-01T00:00:00.000Z"}))
    told = figures_of(progress(eventTime={"watermark": "2026-11-29T06:23:55.500Z"}))
    assert told["watermark"] == 1_795_933_435.5


def test_a_batch_without_state_or_duration_has_none() -> None:
    figures = figures_of(progress(stateOperators=[], durationMs={}))
    assert (figures["state_rows"], figures["batch_seconds"]) == (0, 0)


def test_before_the_first_batch_the_figures_are_the_checkpoints_offsets() -> None:
    assert Wire({0: 41, 2: 7}).listener.figures() == {"offset.0": 41, "offset.2": 7}


def test_every_batch_is_counted_and_the_latest_is_told() -> None:
    wire = Wire({0: 1})
    wire.hear(progress(), progress(batchId=13, numInputRows=0))
    figures = wire.listener.figures()
    assert (figures["batches"], figures["batch"], figures["input_rows"], figures["offset.0"]) == (2, 13, 0, 400)
    assert wire.listener.batches == 2
    assert (figures["rows_total"], figures["seconds_total"]) == (340, 2.5), "sums, so that no batch between two looks is missed"


def test_dropped_groups_are_summed_over_operators_and_batches_of_a_run() -> None:
    wire = Wire()
    wire.hear(dropping(2, 1), progress(), dropping(0, 4))
    assert wire.noted == [("run 1", 3), ("run 1", 7)]
    assert wire.listener.dropped == 7


def test_each_run_of_the_query_has_its_own_sum() -> None:
    wire = Wire()
    wire.hear(dropping(2, 0), dropping(5, 0, "run 2"), dropping(1, 0, "run 2"))
    assert wire.noted == [("run 1", 2), ("run 2", 5), ("run 2", 6)]


def test_where_nothing_was_dropped_nothing_is_noted() -> None:
    wire = Wire()
    wire.hear(progress(), progress(stateOperators=[{"numRowsTotal": 1}]))
    assert wire.noted == []


def test_an_idle_trigger_is_a_sign_of_life_and_no_batch() -> None:
    wire = Wire()
    nothing: Any = None
    idle: Any = SimpleNamespace(timestamp="2026-11-29T06:24:55.250Z")
    before = time.time()
    wire.listener.onQueryStarted(nothing)
    assert wire.listener.figures() == {}
    wire.listener.onQueryIdle(idle)
    wire.listener.onQueryTerminated(nothing)
    assert list(wire.listener.figures()) == ["progress_at", "read_until"]
    assert wire.listener.figures()["read_until"] == 1795933495.25, "there was nothing to read"
    assert wire.listener.figures()["progress_at"] >= before
    assert wire.listener.batches == 0


def test_the_figures_handed_out_are_a_copy() -> None:
    wire = Wire({0: 1})
    wire.listener.figures()["offset.0"] = 99
    assert wire.listener.figures() == {"offset.0": 1}
