from __future__ import annotations

from typing import TYPE_CHECKING

from fakes.trending.checkpoint import stream_spec
from filelock import FileLock

from trending.stream.session import clear_scratch

if TYPE_CHECKING:
    from pathlib import Path


def test_what_a_killed_job_left_is_deleted_and_that_of_a_job_that_runs_is_not(tmp_path: Path) -> None:
    spec = stream_spec(tmp_path, "topic-1", {0: 0})
    spec.lock.parent.mkdir(parents=True)
    beside = spec.scratch.parent
    for name in ("1", "closed", "running"):
        (beside / name / "blockmgr-1").mkdir(parents=True)
    with FileLock(spec.lock_of("running")):
        clear_scratch(spec)
    assert sorted(path.relative_to(beside).as_posix() for path in beside.rglob("*")) == ["1", "running", "running/blockmgr-1"]


def test_the_first_job_of_a_stack_makes_its_directory(tmp_path: Path) -> None:
    spec = stream_spec(tmp_path, "topic-1", {0: 0})
    clear_scratch(spec)
    assert spec.scratch.is_dir()
    assert spec.scratch.is_relative_to(tmp_path), "and not the machine's"
