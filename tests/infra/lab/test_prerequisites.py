from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.lab import prerequisites
from trending.errors import PrerequisiteMissing

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.usefixtures("java17")
def test_prerequisites_that_are_met_are_listed_and_end_well(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prerequisites, "CHECKS", (prerequisites.check_python, prerequisites.check_java))
    assert prerequisites.main() == 0
    said = capsys.readouterr()
    assert said.out.count("[ok]") == 2
    assert "Java 17" in said.out
    assert said.err == ""


def test_every_missing_prerequisite_is_told_and_the_exit_code_is_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(prerequisites, "CHECKS", (prerequisites.check_java, lambda: prerequisites.check_memory(10**9)))
    assert prerequisites.main() == 3
    said = capsys.readouterr().err
    assert said.count("[missing]") == 2
    assert "no Java was found" in said
    assert "HEAP_MB=256" in said


def test_an_old_python_is_named_with_the_way_to_choose_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prerequisites, "MINIMUM_PYTHON", (4, 0))
    with pytest.raises(PrerequisiteMissing) as caught:
        prerequisites.check_python()
    assert "PYTHON=" in caught.value.next_command


def test_too_little_disk_is_told_for_the_nearest_directory_that_exists(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteMissing) as caught:
        prerequisites.check_disk(10**9, tmp_path / "not" / "yet")
    assert caught.value.evidence == f"at {tmp_path}"
    assert "TRENDING_HOME" in caught.value.next_command


def test_enough_memory_and_disk_are_reported_in_mebibytes() -> None:
    assert "MiB of memory" in prerequisites.check_memory(1)
    assert "MiB of disk" in prerequisites.check_disk(1)
