"""Installing a lock's packages, with progress. Uses only the standard library, so that it can run in an environment without any.

``python -m infra.lab.packages requirements.lock`` has pip install them into the Python that it is run by.
"""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from infra.console.crash_reports import run_reported
from infra.host.paths import CHECKOUT
from trending.errors import DamagedDownload, InvalidInput, PrerequisiteMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LOCK, STAMP = CHECKOUT / "requirements.lock", Path(sys.prefix) / ".complete"
"""What users install, and the copy of it that the set-up leaves in the environment when it is done."""
OPTIONS = ("--disable-pip-version-check", "--progress-bar", "off", "--no-input", "--no-deps", "--require-hashes")
EACH = 30
"""How many packages are between two lines, where the output is no terminal."""
LAST_LINES = 5
REMEDIES = (
    (
        "CERTIFICATE_VERIFY_FAILED",
        "this network shows a certificate of its own, which pip does not know: export PIP_CERT=/path/to/certificates, then again",
    ),
    (os.strerror(errno.ENOSPC), "free some space where this checkout lies; then again"),
)
"""Sign in what pip said last → what helps."""
OTHER_REMEDY = "look at the network, and at pip.conf if you use a mirror; then again"
_NEXT = re.compile(r"^(?:Collecting|Requirement already satisfied:) ([\w.-]+)")
_OTHER_SUM = re.compile(r"hashes? (?:do not|mismatch)|DO NOT MATCH", re.IGNORECASE)


def installed() -> bool:
    """Whether the environment was set up from today's lock."""
    return STAMP.is_file() and STAMP.read_bytes() == LOCK.read_bytes()


def install(lock: Path, pip: tuple[str, ...] = (sys.executable, "-m", "pip")) -> None:
    """Have pip install the lock's packages; raises DamagedDownload for other sums, PrerequisiteMissing if pip fails otherwise."""
    packages = sum("==" in line and not line.startswith((" ", "#")) for line in lock.read_text(encoding="utf-8").splitlines())
    command = [*pip, "install", *OPTIONS, "-r", str(lock)]
    last: deque[str] = deque(maxlen=LAST_LINES)
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        show = _on_a_terminal if sys.stdout.isatty() else _in_lines
        show(_followed(process.stdout, last), packages)
    if process.returncode:
        said = " | ".join(last)
        if _OTHER_SUM.search(said):
            cause = f"a package is not the one that {lock.name} names by its SHA-256"
            raise DamagedDownload(cause, said, "try again; if it stays so, something on the way exchanges files")
        cause = f"pip could not install what {lock.name} names"
        raise PrerequisiteMissing(cause, said, next((remedy for sign, remedy in REMEDIES if sign in said), OTHER_REMEDY))


def _followed(lines: Iterable[str], last: deque[str]) -> Iterable[str]:
    """Yield the name of each package that pip comes to, and nothing when it begins to install them; keep its last lines."""
    for line in lines:
        if line.strip():
            last.append(line.strip())
        if found := _NEXT.match(line):
            yield found[1]
        elif line.startswith("Installing collected packages"):
            yield ""


def _on_a_terminal(names: Iterable[str], packages: int) -> None:
    _tell(names, packages, lambda text: sys.stdout.write(f"\r\033[K{text}"), 1)
    sys.stdout.write("\r\033[K")


def _in_lines(names: Iterable[str], packages: int) -> None:
    _tell(names, packages, lambda text: sys.stdout.write(f"{text}\n"), EACH)


def _tell(names: Iterable[str], packages: int, show: Callable[[str], object], each: int) -> None:
    for number, name in enumerate(names, 1):
        if not name:
            show(f"... installing {packages} packages")
        elif number % each == 0:
            show(f"... {number} of {packages} packages fetched: {name}")
        sys.stdout.flush()


def main() -> None:
    """Install the lock that the arguments name."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and one lock
        cause = "one lock is needed"
        raise InvalidInput(cause, " ".join(sys.argv[1:]), "python -m infra.lab.packages requirements.lock")
    install(Path(sys.argv[1]))


if __name__ == "__main__":
    run_reported(main)
