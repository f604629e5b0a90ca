"""Peers that are scripts: each tells as JSON, in the last line that it prints, how many records it took in how many seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.contest import Sample
from infra.host.paths import CHECKOUT

TIMEOUT = 900.0
HERE = Path(__file__).parent


def run_script(name: str, *arguments: object, python: str = sys.executable) -> Sample:
    """Run a script of this folder and return its records a second; raises RuntimeError with its last words when it fails."""
    command = [python, str(HERE / f"{name}.py"), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(CHECKOUT), str(CHECKOUT / "src")))}
    return rate_of(run_program(name, command, environment, TIMEOUT))


def run_program(name: str, command: list[str], environment: dict[str, str], timeout: float) -> str:
    """Run a peer to its end and return what it printed; raises RuntimeError with its last words when it fails."""
    done = subprocess.run(
        command,
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode:
        message = f"{name} ended with {done.returncode}: {(done.stdout + done.stderr)[-600:]}"
        raise RuntimeError(message)
    return done.stdout


def rate_of(output: str) -> Sample:
    """Return records a second, and the records, from a script's last line."""
    told = json.loads(output.strip().splitlines()[-1])
    return Sample(told["records"] / told["seconds"], {"records": told["records"], "seconds": told["seconds"]})
