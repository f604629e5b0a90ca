"""The executors' Python, which must be of the driver's minor version: tasks are pickled, and the package compiled, for that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from trending.errors import ConfigurationConflict

if TYPE_CHECKING:
    from trending.spark_settings import SparkSettings

DRIVERS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHON_REMEDY = (
    f"install Python {DRIVERS_PYTHON} on the workers, or give EXECUTOR_PYTHON=/path/to/python{DRIVERS_PYTHON}; then make up"
)
ANSWER_SECONDS = 10.0
_TELL = "import sys; print(*sys.version_info[:2], sep='.')"


def another_python(python: str) -> str:
    """Return the cause for executors whose Python is not the driver's."""
    return f"the executors' Python, {python}, is not the driver's {DRIVERS_PYTHON}"


def require_python(settings: SparkSettings) -> None:
    """Raise ConfigurationConflict where the executors' Python is a file of this machine and not of the driver's version.

    A name on the workers' path, or a file of another machine, only an executor can tell.
    """
    python = settings.executor_python
    if settings.elsewhere or not Path(python).is_absolute():
        return
    try:
        done = subprocess.run([python, "-c", _TELL], capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigurationConflict(another_python(python), str(error), PYTHON_REMEDY) from error
    found = done.stdout.strip()
    if found != DRIVERS_PYTHON:
        evidence = (
            f"it is Python {found}" if found else (done.stderr.strip().splitlines() or [f"it ends with {done.returncode}"])[-1]
        )
        raise ConfigurationConflict(another_python(python), evidence, PYTHON_REMEDY)
