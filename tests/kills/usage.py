"""What a stack takes of memory and disk at most, looked at every few seconds."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Self

import psutil

from infra.host.processes import COMPONENT_VARIABLE, stack_processes

if TYPE_CHECKING:
    from infra.host.paths import StackPaths

LOOK_SECONDS = 5.0
MIB = 2**20


class Usage:
    """Looks while it is open; the figures are peaks, in bytes. Memory is each process's proportional share (PSS)."""

    def __init__(self, paths: StackPaths) -> None:
        self._paths = paths
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="usage")
        self.memory = 0
        self.of_components: Counter[str] = Counter()
        self.disk = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        """Look once."""
        now: Counter[str] = Counter()
        for process in stack_processes(self._paths.stack_id):
            try:
                now[process.environ().get(COMPONENT_VARIABLE, "supervisor")] += process.memory_full_info().pss
            except psutil.Error:
                continue  # it was killed meanwhile, which is what happens here
        self.memory = max(self.memory, now.total())
        self.of_components |= now
        self.disk = max(self.disk, self._on_disk())

    def _on_disk(self) -> int:
        size = 0
        for path in self._paths.root.rglob("*"):
            try:
                size += path.lstat().st_blocks * 512
            except FileNotFoundError:
                continue  # a segment, or a file of Spark's
        return size

    def lines(self) -> list[str]:
        """Return the peaks as printed, in MiB."""
        parts = ", ".join(f"{component} {size // MIB:,}" for component, size in sorted(self.of_components.items()))
        return [f"peak memory {self.memory // MIB:,} MiB ({parts}), peak disk {self.disk // MIB:,} MiB"]
