"""A trap: a file names the points at which a program dies, one life after the other, and another has how it died."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class Death(NamedTuple):
    """A program's death at a point: when, in seconds since the epoch, and the pid that it had."""

    at: float
    pid: int
    point: str


def kill_this_process() -> None:
    """End this process as the kernel would: nothing of it runs any more."""
    os.kill(os.getpid(), signal.SIGKILL)


class Trap:
    """The trap of one program. The test arms it; the program, in whatever life, springs it."""

    def __init__(self, folder: Path, program: str, kill: Callable[[], None] = kill_this_process) -> None:
        self._armed = folder / f"{program}.armed"
        self._deaths = folder / f"{program}.deaths"
        self._kill = kill

    def arm(self, points: Sequence[str]) -> None:
        """Have the program die at each of the points, in this order."""
        self._write(points)

    def left(self) -> list[str]:
        """Return the points that the program has not died at yet."""
        try:
            return list(json.loads(self._armed.read_bytes()))
        except FileNotFoundError:
            return []

    def deaths(self) -> list[Death]:
        """Return every death so far, in order."""
        if not self._deaths.exists():
            return []
        return [Death(*json.loads(line)) for line in self._deaths.read_text(encoding="utf-8").splitlines()]

    def reach(self, point: str) -> None:
        """Die here if this is the point whose turn it is."""
        if not (left := self.left()) or left[0] != point:
            return
        with self._deaths.open("a", encoding="utf-8") as file:
            file.write(json.dumps([time.time(), os.getpid(), point]) + "\n")
        self._write(left[1:])
        self._kill()

    def _write(self, points: Sequence[str]) -> None:
        if not points:
            self._armed.unlink(missing_ok=True)
            return
        fresh = self._armed.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(list(points)), encoding="utf-8")
        fresh.replace(self._armed)
