"""Finding a Java that Spark and Kafka both run on."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from infra.host.environment import built_environment
from infra.host.systems import java_remedy
from trending.errors import PrerequisiteMissing

SUPPORTED = (17, 21)
ASK_SECONDS = 20
MOST_WORDS = 200


@dataclass(frozen=True)
class Java:
    """A usable Java: its executable, its major version, and the value of JAVA_HOME for it."""

    executable: Path
    major: int
    home: Path


class Told(NamedTuple):
    """What a JVM tells of itself: its major version (8 for 1.8), its ``java.home``, and the first two lines that it printed.

    None for what it does not tell.
    """

    major: int | None
    home: Path | None
    words: str = ""


def find_java() -> Java:
    """Return the Java of JAVA_HOME or else of the path; raises PrerequisiteMissing, which says where it searched."""
    home = os.environ.get("JAVA_HOME")
    where = f"JAVA_HOME={home}" if home else "the path"
    candidate = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if candidate is None:
        cause = "no Java was found"
        raise PrerequisiteMissing(cause, f"looked for an executable 'java' in {where}", java_remedy())
    told = _known(candidate, Path(candidate).stat().st_mtime_ns)
    if told.major is None:
        # An installed one that cannot start, under a limit of memory say, is not mended by installing another.
        cause = f"{candidate} does not say of which version it is, so it is not known whether it can be used"
        by_hand = f"{shlex.quote(candidate)} -version shows what is wrong with it; otherwise {java_remedy()}"
        raise PrerequisiteMissing(cause, f"found by {where}; it said: {told.words or 'nothing'}", by_hand)
    if told.major not in SUPPORTED:
        wanted = " or ".join(map(str, SUPPORTED))
        untried = ", which the lab was not tried with yet" if told.major > max(SUPPORTED) else ""
        cause = f"Java {wanted} is needed and {candidate} is Java {told.major}{untried}"
        raise PrerequisiteMissing(cause, f"found by {where}", java_remedy())
    place = told.home or Path(candidate).resolve().parent.parent
    return Java(_itself(Path(candidate), place), told.major, place)


def _itself(candidate: Path, home: Path) -> Path:
    """Return the Java itself: a version manager's shim is a script, and what it runs depends on directory and environment."""
    executable = home / "bin" / "java"
    return candidate if not executable.is_file() or executable.samefile(candidate) else executable


@lru_cache
def _known(executable: str, _changed: int) -> Told:
    # Cached: every look at a broker needs it, and a JVM for each would compete with the broker that is starting.
    return ask_java(Path(executable))


def ask_java(executable: Path) -> Told:
    """Return what the JVM itself tells."""
    command = [str(executable), "-XshowSettings:properties", "-version"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_SECONDS, check=False, env=built_environment())
    except (OSError, subprocess.TimeoutExpired) as error:
        return Told(None, None, str(error))
    said = done.stderr + done.stdout
    major = re.search(r'version "(?:1\.)?(\d+)', said)
    home = re.search(r"^\s*java\.home = (.+)$", said, re.MULTILINE)
    words = "; ".join([line.strip() for line in said.splitlines() if line.strip()][:2])  # a JVM's reason is in the second
    return Told(int(major[1]) if major else None, Path(home[1].strip()) if home else None, words[:MOST_WORDS])
