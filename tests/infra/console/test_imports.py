"""The first second of a command, before its own handling of signals and errors begins."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from infra.host.paths import CHECKOUT
from trending.errors import Interrupted

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("module", ["flows.tear_down", "infra.commands.status"])
def test_an_interruption_while_libraries_are_imported_is_one_line(module: str, tmp_path: Path) -> None:
    (tmp_path / "pydantic.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", module, "--help"]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == Interrupted.exit_code
    assert done.stderr == "interrupted\n"


@pytest.mark.thorough
@pytest.mark.row(36)
@pytest.mark.usefixtures("home")
def test_a_setting_that_prefects_import_refuses_is_one_line() -> None:
    environment = {**os.environ, "PREFECT_CLIENT_MAX_RETRIES": "abc"}
    command = [sys.executable, "-m", "flows.tear_down", "--name=zz"]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ValidationError: ")
    assert " its traceback is in " in last


@pytest.mark.parametrize("module", ["flows.audit", "infra.commands.status"])
def test_a_python_that_has_not_what_the_lab_needs_is_one_line(module: str) -> None:
    command = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        f"import runpy, sys; sys.path[0:0] = ['.']; sys.argv = ['-m']; runpy.run_module('{module}')",
    ]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {sys.executable} has not what the lab needs (No module named '")
    assert done.stderr.endswith("): run .venv/bin/lab, or the same with make\n")
    assert len(done.stderr.splitlines()) == 1


def test_a_package_that_is_only_imported_changes_nothing() -> None:
    code = "import signal, sys, flows; sys.exit(signal.getsignal(signal.SIGINT) is not signal.default_int_handler)"
    assert subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=False).returncode == 0
