"""The kernel's counters, read from files as it writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.host.memory import available_mb, oom_kills

if TYPE_CHECKING:
    from pathlib import Path

EVENTS = "low 0\nhigh 0\nmax 12\noom 1\noom_kill {}\noom_group_kill 0\n"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_own_control_group_is_asked_before_the_whole_machine(tmp_path: Path) -> None:
    write(tmp_path / "proc/vmstat", "nr_free_pages 7\noom_kill 9\n")
    assert oom_kills(tmp_path / "proc", tmp_path / "cgroup") == 9
    write(tmp_path / "proc/self/cgroup", "0::/user.slice/session-3.scope\n")
    assert oom_kills(tmp_path / "proc", tmp_path / "cgroup") == 9
    write(tmp_path / "cgroup/user.slice/session-3.scope/memory.events", EVENTS.format(2))
    assert oom_kills(tmp_path / "proc", tmp_path / "cgroup") == 2


def test_version_1_of_control_groups_has_a_file_of_another_name(tmp_path: Path) -> None:
    write(tmp_path / "proc/self/cgroup", "5:cpu,cpuacct:/\n4:memory:/lab\n0::/\n")
    write(tmp_path / "cgroup/memory/lab/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    assert oom_kills(tmp_path / "proc", tmp_path / "cgroup") == 3


def test_where_the_kernel_tells_nothing_nothing_is_made_up(tmp_path: Path) -> None:
    assert oom_kills(tmp_path, tmp_path) is None
    write(tmp_path / "vmstat", "nr_free_pages 7\n")
    assert oom_kills(tmp_path, tmp_path) is None


@pytest.mark.parametrize(
    ("text", "expected"), [("MemFree:  1 kB\nMemAvailable:    2048000 kB\n", 2000), ("MemFree: 1 kB\n", None)]
)
def test_available_memory_is_the_kernels_estimate(text: str, expected: int | None, tmp_path: Path) -> None:
    write(tmp_path / "meminfo", text)
    assert available_mb(tmp_path) == expected
    assert available_mb(tmp_path / "nowhere") is None
