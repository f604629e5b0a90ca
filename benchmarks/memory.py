"""The memory of a process and everything that it started, while it works: its proportional set size, sampled."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable

EVERY_SECONDS = 0.25
MIB = 1 << 20


def pss_mb(processes: Iterable[psutil.Process]) -> float:
    """Return the MiB of the processes; pages that several have count once. Those that end meanwhile count nothing."""
    total = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += process.memory_full_info().pss
    return total / MIB


def family(pid: int) -> list[psutil.Process]:
    """Return a process and all below it; empty once it has ended."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


class Peak:
    """The largest sum that was seen between entering and leaving."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.mb = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            self.mb = max(self.mb, pss_mb(family(self._pid)))
            if self._stop.wait(EVERY_SECONDS):
                return
