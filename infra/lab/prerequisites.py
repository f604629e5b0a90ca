"""Prerequisites: Python, Java, memory, disk. Uses only the standard library, so that it can run before the set-up."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from infra.host.paths import lab_home
from infra.host.standard_streams import make_streams_endure
from infra.java.installation import find_java
from trending.errors import PrerequisiteMissing

MINIMUM_PYTHON = (3, 11)
MEMORY_MB = 1800
"""Memory for driver, broker, Prefect server and programs together, with default heaps."""
DISK_MB = 1500
"""Disk space for the virtual environment, the jars and an hour of data."""


def check_python() -> str:
    """Return what was found; raises PrerequisiteMissing for a Python that is too old."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < MINIMUM_PYTHON:
        cause = f"Python 3.11 or newer is needed and {sys.executable} is {found}"
        raise PrerequisiteMissing(cause, sys.executable, "make PYTHON=/path/to/python3.11 demo")
    return f"Python {found}"


def check_java() -> str:
    """Return what was found; raises PrerequisiteMissing without Java 17 or 21."""
    java = find_java()
    return f"Java {java.major} ({java.executable})"


def check_memory(needed_mb: int = MEMORY_MB) -> str:
    """Return what is available; raises PrerequisiteMissing below ``needed_mb`` MiB."""
    page, pages = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_AVPHYS_PAGES")
    available = page * pages // 2**20
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        # Not the free pages, which do not include what the page cache would give back.
        fields = dict(line.split(":", 1) for line in meminfo.read_text(encoding="ascii").splitlines())
        available = int(fields["MemAvailable"].split()[0]) // 1024
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


CHECKS = (check_python, check_java, check_memory, check_disk)


def main() -> int:
    """Run every check, print one line each, return the exit code: 3 if any prerequisite is missing."""
    make_streams_endure()
    failures = 0
    for check in CHECKS:
        try:
            sys.stdout.write(f"[ok] {check()}\n")
        except PrerequisiteMissing as error:
            failures += 1
            sys.stderr.write(f"[missing] {error}\n")
    return PrerequisiteMissing.exit_code if failures else 0


if __name__ == "__main__":
    sys.exit(main())
