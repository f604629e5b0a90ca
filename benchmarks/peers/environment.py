"""The peers' own environment: what they need is locked by itself, since it agrees with the lab's packages in nothing.

It is made at the first use and used offline from then on; a changed lock makes another one.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.contest import Unmeasurable
from benchmarks.kafka_tools import bench_directory
from infra.host.paths import short_hash

LOCK = Path(__file__).with_name("requirements.lock")
TIMEOUT = 900.0


def peers_python(lock: Path = LOCK) -> Path:
    """Return the Python of the peers' environment; raises Unmeasurable where it is neither here nor can be made."""
    place = bench_directory() / f"{lock.stem}-{short_hash(lock.read_text(encoding='utf-8'))}"
    python, complete = place / "bin" / "python", place / ".complete"
    if not complete.exists():
        _run([sys.executable, "-m", "venv", "--clear", str(place)])
        _run([str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", str(lock)])
        complete.touch()
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if done.returncode:
        message = f"the peers' environment cannot be made: {(done.stdout + done.stderr).strip()[-300:]}"
        raise Unmeasurable(message)
