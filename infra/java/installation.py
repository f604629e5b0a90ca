"""Finding a Java that Spark and Kafka both run on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from infra.host.environment import built_environment
from trending.errors import PrerequisiteMissing

SUPPORTED = (17, 21)
REMEDY = "apt-get install openjdk-17-jre-headless, or set JAVA_HOME to a Java 17 or 21"


@dataclass(frozen=True)
class Java:
    """A usable Java: its executable and major version."""

    executable: Path
    major: int

    @property
    def home(self) -> Path:
        """The value of JAVA_HOME for this Java."""
        return self.executable.resolve().parent.parent


def find_java() -> Java:
    """Return the Java of JAVA_HOME or else of the path; raises PrerequisiteMissing, which says where it searched."""
    home = os.environ.get("JAVA_HOME")
    where = f"JAVA_HOME={home}" if home else "the path"
    candidate = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if candidate is None:
        cause = "no Java was found"
        raise PrerequisiteMissing(cause, f"looked for an executable 'java' in {where}", REMEDY)
    major = _known_major(candidate, Path(candidate).stat().st_mtime_ns)
    if major not in SUPPORTED:
        wanted = " or ".join(map(str, SUPPORTED))
        cause = f"Java {wanted} is needed and {candidate} is Java {major or 'of an unknown version'}"
        raise PrerequisiteMissing(cause, f"found by {where}", REMEDY)
    return Java(Path(candidate), major)


@lru_cache
def _known_major(executable: str, _changed: int) -> int | None:
    # Cached: every look at a broker needs it, and a JVM for each would compete with the broker that is starting.
    return java_major(Path(executable))


def java_major(executable: Path) -> int | None:
    """Return the major version that ``java -version`` prints (8 for 1.8), or None if it prints none."""
    try:
        done = subprocess.run(
            [executable, "-version"], capture_output=True, text=True, timeout=20, check=False, env=built_environment()
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(match.group(1)) if match else None
