"""What a stack takes of memory and disk at most, looked at every few seconds."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import psutil
from kills.watch import Watch

from infra.host.processes import COMPONENT_VARIABLE, stack_processes

if TYPE_CHECKING:
    from infra.host.paths import StackPaths

MIB = 2**20


class Usage(Watch):
    """Looks while it is open; the figures are peaks, in bytes. Memory is each process's proportional share (PSS)."""

    every_seconds = 5.0

    def __init__(self, paths: StackPaths) -> None:
        super().__init__()
        self._paths = paths
        self.memory = 0
        self.of_components: Counter[str] = Counter()
        self.disk = 0

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
