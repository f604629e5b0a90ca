from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

from infra.lab import prerequisites
from trending.errors import PrerequisiteMissing

CHECKOUT = Path(__file__).resolve().parents[3]


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


class Version(NamedTuple):
    """Like sys.version_info."""

    major: int
    minor: int
    micro: int = 0


@pytest.mark.parametrize("version", [Version(3, 9, 2), Version(3, 10, 18), Version(3, 14), Version(4, 0)])
def test_a_python_that_the_locked_packages_do_not_know_is_refused(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prerequisites.sys, "version_info", version)
    with pytest.raises(PrerequisiteMissing, match=rf"Python 3.11 to 3.13 is needed and .* is {version.major}\.{version.minor}"):
        prerequisites.check_python()


@pytest.mark.parametrize("version", [Version(3, 11), Version(3, 12, 9), Version(3, 13, 1)])
def test_every_python_in_between_will_do(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prerequisites.sys, "version_info", version)
    assert prerequisites.check_python().startswith("Python 3.1")


def test_the_check_and_the_package_agree_on_the_versions() -> None:
    wanted = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    bounds = [tuple(map(int, each.split("."))) for each in re.findall(r"\d+\.\d+", wanted)]
    assert bounds == [prerequisites.MINIMUM_PYTHON, prerequisites.UNSUPPORTED_PYTHON]


def test_the_check_asks_for_the_disk_that_the_manual_names() -> None:
    for manual in ("README.md", "README.es.md"):
        assert f"{prerequisites.DISK_MB // 1000} GB" in (CHECKOUT / manual).read_text(encoding="utf-8")


def test_a_machine_that_does_not_tell_its_memory_passes_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prerequisites, "available_mb", lambda: None)
    assert prerequisites.check_memory() == "this machine does not tell its available memory: 1800 MiB are needed"


def test_too_little_disk_is_told_for_the_nearest_directory_that_exists(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteMissing) as caught:
        prerequisites.check_disk(10**9, tmp_path / "not" / "yet")
    assert caught.value.evidence == f"at {tmp_path}"
    assert "TRENDING_HOME" in caught.value.next_command


def test_enough_memory_and_disk_are_reported_in_mebibytes() -> None:
    assert "MiB of memory" in prerequisites.check_memory(1)
    assert "MiB of disk" in prerequisites.check_disk(1)
