"""Processes that a benchmark starts itself: output in a file, waited for by what they print, ended with all they started."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import psutil

from infra.host.processes import end_processes
from infra.supervision.supervisor import clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

POLL_SECONDS = 0.02
RULE = "=====\n"
MARK = "benchmark"
"""Stands for the stack id in the environment of what no supervisor owns."""


class Child:
    """One process. ``out`` holds what it prints, ``err`` what it complains of."""

    def __init__(self, name: str, command: Sequence[str], directory: Path, environment: Mapping[str, str] | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.out, self._err = directory / f"{name}.bench.out", directory / f"{name}.bench.err"
        variables = {**clean_environment(MARK), **(environment or {})}
        with self.out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=variables)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def require_alive(self) -> None:
        """Raise RuntimeError with its last words when it has ended."""
        if self._process.poll() is not None:
            message = f"{self.name} ended with {self._process.returncode}: {self._err.read_text(encoding='utf-8')[-600:]}"
            raise RuntimeError(message)

    def require_no_failure(self) -> None:
        """Raise RuntimeError with its last words when it has ended, but for a success."""
        if self._process.poll():
            self.require_alive()

    def finish(self, timeout: float) -> None:
        """Wait for its end; raises RuntimeError unless that is a success."""
        self._process.wait(timeout)
        self.require_no_failure()

    def end(self) -> None:
        """End it and everything that it started; one that has ended by itself is left alone, since its pid may be another's."""
        if self._process.poll() is not None:
            return
        family = psutil.Process(self._process.pid)
        end_processes([family, *family.children(recursive=True)], 10.0)
        self._process.wait(10)


def has_block(path: Path, check: Callable[[], None]) -> bool:
    """Tell whether a complete ranking, from rule to rule, is in the file; ``check`` raises when none will come."""
    check()
    return path.exists() and path.read_text(encoding="utf-8").count(RULE) > 1


def wait_until(done: Callable[[], bool], timeout: float, what: str) -> None:
    """Look again and again until ``done``; raises TimeoutError naming ``what`` it waited for."""
    deadline = time.monotonic() + timeout
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(POLL_SECONDS)
