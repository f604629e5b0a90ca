"""Heartbeats of several producers, read as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from trending.programs.heartbeat import FINISHED, WAITING, Heartbeat, joined

if TYPE_CHECKING:
    from pathlib import Path


def written(directory: Path, *beats: Heartbeat) -> list[Path]:
    paths = [directory / f"producer-{place}.json" for place, _beat in enumerate(beats)]
    for path, beat in zip(paths, beats, strict=True):
        path.write_bytes(msgspec.json.encode(beat))
    return paths


def test_figures_are_added_and_the_oldest_beat_says_how_old_they_are(tmp_path: Path) -> None:
    first = Heartbeat(20.0, 1, "running", {"acknowledged": 5, "position": 9, "overdue": 0.5, "offset.0": 3}, "run", 2.0)
    second = Heartbeat(10.0, 2, "running", {"acknowledged": 7, "position": 4, "overdue": 2.0, "offset.1": 8}, "run", 3.0)
    figures = {"acknowledged": 12, "position": 9, "overdue": 2.0, "offset.0": 3, "offset.1": 8}
    assert joined(written(tmp_path, first, second)) == Heartbeat(10.0, 2, "running", figures, "run", 3.0)


@pytest.mark.parametrize(
    ("phases", "told"),
    [
        (("running", "waiting for the broker"), "waiting for the broker"),
        (("running", "starting: reading back"), "starting: reading back"),
        ((FINISHED, "running", FINISHED), "running"),
        ((WAITING, FINISHED), WAITING),
        ((FINISHED, FINISHED), FINISHED),
        (("running", "stopped"), "stopped"),
    ],
)
def test_all_are_as_well_as_the_one_that_is_least_well(phases: tuple[str, ...], told: str, tmp_path: Path) -> None:
    found = joined(written(tmp_path, *(Heartbeat(1.0, 1, phase) for phase in phases)))
    assert found is not None
    assert found.phase == told


def test_one_alone_is_as_it_is_and_without_any_there_is_none(tmp_path: Path) -> None:
    only = Heartbeat(1.0, 1, "running", {"sent": 1})
    (path,) = written(tmp_path, only)
    assert joined([path, tmp_path / "absent.json"]) == only
    assert joined([tmp_path / "absent.json"]) is None
