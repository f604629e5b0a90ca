from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from trending.errors import ConfigurationConflict
from trending.settings import StreamSettings
from trending.stream.cluster.python import require_python

if TYPE_CHECKING:
    from pathlib import Path


def cluster(python: str, master: str = "spark://127.0.0.1:7077", host: str = "127.0.0.1") -> StreamSettings:
    return StreamSettings(spark_master=master, executor_python=python, driver_host=host)


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_the_drivers_own_python_is_one_that_executors_can_have() -> None:
    require_python(cluster(sys.executable))


@pytest.mark.parametrize(
    ("does", "evidence"),
    [("echo 3.9", "it is Python 3.9"), ("echo no python >&2; exit 3", "no python"), ("exit 3", "it ends with 3")],
)
def test_another_python_of_this_machine_is_one_error(does: str, evidence: str, tmp_path: Path) -> None:
    python = script(tmp_path / "python", does)
    with pytest.raises(ConfigurationConflict, match="is not the driver's") as found:
        require_python(cluster(python))
    assert found.value.evidence == evidence
    assert "EXECUTOR_PYTHON=" in found.value.next_command


def test_one_that_is_not_there_is_the_same_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationConflict, match="is not the driver's") as found:
        require_python(cluster(str(tmp_path / "none")))
    assert "No such file" in found.value.evidence


def test_a_name_and_a_file_of_another_machine_are_the_executors_to_tell(tmp_path: Path) -> None:
    python = script(tmp_path / "python", "echo 3.9")
    require_python(cluster("python3.9"))
    require_python(cluster(python, "spark://192.0.2.1:7077", "192.0.2.7"))
