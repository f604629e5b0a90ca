from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from fakes.trending.checkpoint import stream_spec
from filelock import FileLock
from pyspark import SparkContext

from trending.stream import session
from trending.stream.session import HEAP_EXHAUSTED, clear_scratch, jvm_exit_code

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


@pytest.mark.parametrize("gateway", [None, SimpleNamespace(proc=None)])
def test_a_jvm_that_somebody_else_has_started_tells_no_exit_code(monkeypatch: pytest.MonkeyPatch, gateway: object) -> None:
    monkeypatch.setattr(SparkContext, "_gateway", gateway)
    assert jvm_exit_code() is None


@pytest.mark.parametrize(("ending", "code"), [(f"sys.exit({HEAP_EXHAUSTED})", HEAP_EXHAUSTED), ("sys.stdin.read()", None)])
def test_a_jvm_that_ends_tells_its_exit_code_and_one_that_goes_on_none(
    monkeypatch: pytest.MonkeyPatch, ending: str, code: int | None
) -> None:
    monkeypatch.setattr(session, "ENDING_SECONDS", 10.0 if code is not None else 0.1)
    with subprocess.Popen([sys.executable, "-c", f"import sys; {ending}"], stdin=subprocess.PIPE) as process:
        monkeypatch.setattr(SparkContext, "_gateway", SimpleNamespace(proc=process))
        assert jvm_exit_code() == code
