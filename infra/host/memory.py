"""What the kernel tells of memory: how much is available, and how often its OOM killer has struck. Standard library only."""

from __future__ import annotations

import re
from pathlib import Path

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
_COUNTER = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


def oom_kills(proc: Path = PROC, cgroups: Path = CGROUPS) -> int | None:
    """Return how many processes the OOM killer has ended, as exactly as the kernel tells; None where it tells nothing.

    The counter of our own control group leaves out other people's processes. ``/proc/vmstat`` counts those of the whole machine.
    """
    for counters in (*_own_groups(proc, cgroups), proc / "vmstat"):
        try:
            found = _COUNTER.search(counters.read_text(encoding="ascii", errors="replace"))
        except OSError:
            continue
        if found:
            return int(found[1])
    return None


def _own_groups(proc: Path, cgroups: Path) -> list[Path]:
    """Return the files with our control group's counters: ``memory.events`` of version 2, ``memory.oom_control`` of version 1."""
    try:
        lines = (proc / "self/cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    groups = [line.split(":", 2) for line in lines if line.count(":") >= 2]  # noqa: PLR2004 - number, controllers, path
    first = [cgroups / "memory" / path.lstrip("/") / "memory.oom_control" for _id, kinds, path in groups if kinds == "memory"]
    second = [cgroups / path.lstrip("/") / "memory.events" for _id, kinds, path in groups if not kinds]
    return first + second


def available_mb(proc: Path = PROC) -> int | None:
    """Return the MiB that programs could still get; None where the machine does not tell it, as on macOS.

    That is more than the free pages: the page cache would give some back.
    """
    try:
        found = re.search(r"^MemAvailable: *(\d+) kB$", (proc / "meminfo").read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) // 1024 if found else None
