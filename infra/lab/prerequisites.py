"""Prerequisites: Python, Java, memory, disk. Uses only the standard library, so that it can run before the set-up."""

from __future__ import annotations

import platform
import shutil
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from infra.console.crash_reports import run_reported
from infra.host.memory import available_mb
from infra.host.paths import lab_home
from infra.host.systems import MACOS, this_system
from infra.host.user import check_user
from infra.java.installation import find_java
from trending.errors import PrerequisiteMissing

if TYPE_CHECKING:
    from pathlib import Path

MINIMUM_PYTHON, UNSUPPORTED_PYTHON = (3, 11), (3, 14)
"""As in pyproject.toml, which a test compares."""
MEMORY_MB = 1800
"""Memory for driver, broker, Prefect server and programs together, with default heaps."""
STARTING_DISK_MB = 50
"""With less there is no start: supervisor, broker and Prefect's server could not even write what is wrong with them."""
DISK_MB = 2000
"""Disk space for the virtual environment and the jars, 1.8 GB as measured, and an hour of data. The manual says 2 GB."""


def check_python() -> str:
    """Return what was found; raises PrerequisiteMissing for a Python that is too old, or too new for the locked packages."""
    found = ".".join(map(str, sys.version_info[:3]))
    if not MINIMUM_PYTHON <= sys.version_info[:2] < UNSUPPORTED_PYTHON:
        cause = f"Python 3.11 to 3.13 is needed and {sys.executable} is {found}"
        raise PrerequisiteMissing(cause, sys.executable, "make PYTHON=/path/to/python3.11 demo")
    return f"Python {found}"


def check_system() -> str:
    """Return the system's name; raises PrerequisiteMissing on macOS."""
    kind = platform.system()
    if kind == "Darwin":
        raise PrerequisiteMissing(MACOS, f"this is {platform.platform()}", "see docs/runtimes.md, On a Mac or in Codespaces")
    found = this_system()
    if found is None:
        return f"{kind}, a system that was not tried"
    return found.name if found.tried else f"{found.name}, which was not tried yet"


def check_venv() -> str:
    """Return that virtual environments can be made; raises PrerequisiteMissing where Debian's python3-venv is missing."""
    if find_spec("ensurepip") is None:
        cause = "this Python can't make virtual environments: its module ensurepip is missing"
        raise PrerequisiteMissing(cause, sys.executable, "sudo apt-get install -y python3-venv")
    return "virtual environments can be made"


def check_java() -> str:
    """Return what was found; raises PrerequisiteMissing without Java 17 or 21."""
    java = find_java()
    return f"Java {java.major} ({java.executable})"


def check_memory(needed_mb: int = MEMORY_MB) -> str:
    """Return what is available, or that the machine does not tell it; raises PrerequisiteMissing below ``needed_mb`` MiB."""
    available = available_mb()
    if available is None:
        return f"this machine does not tell its available memory: {needed_mb} MiB are needed"
    if available < needed_mb:
        cause = f"{needed_mb} MiB of memory are needed and {available} MiB are available"
        raise PrerequisiteMissing(cause, "/proc/meminfo, MemAvailable", "close other programs, or make up HEAP_MB=256")
    return f"{available} MiB of memory available"


def check_disk(needed_mb: int = DISK_MB, where: Path | None = None) -> str:
    """Return what is free where the lab keeps its data; raises PrerequisiteMissing below ``needed_mb`` MiB."""
    place = where or lab_home()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free // 2**20
    if free < needed_mb:
        cause = f"{needed_mb} MiB of disk are needed and {free} MiB are free"
        raise PrerequisiteMissing(cause, f"at {place}", "free some space, or set TRENDING_HOME to a larger disk")
    return f"{free} MiB of disk free"


CHECKS = (check_system, check_user, check_python, check_venv, check_java, check_memory, check_disk)


def main() -> int:
    """Run every check, print one line each, return the exit code: 3 if any prerequisite is missing."""
    failures = 0
    for check in CHECKS:
        try:
            sys.stdout.write(f"[ok] {check()}\n")
        except PrerequisiteMissing as error:
            failures += 1
            sys.stderr.write(f"[missing] {error}\n")
    return PrerequisiteMissing.exit_code if failures else 0


if __name__ == "__main__":
    run_reported(main)
