"""A command that waits for another one says for whom, and that it was suspended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from infra.host.paths import CHECKOUT, StackPaths
from infra.host.processes import is_frozen
from infra.stack import holder
from infra.stack.holder import holder_of, words_of_holder
from infra.stack.state import stack_held
from trending.errors import StackBusy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLD = """
import sys
from infra.host.paths import StackPaths
from infra.stack.state import stack_held
with stack_held(StackPaths.of("lab")):
    print("held", flush=True)
    sys.stdin.read()
"""

pytestmark = pytest.mark.skipif(not holder.LOCKS.exists(), reason="without /proc/locks the kernel does not tell who holds a lock")


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """Another command, which holds the stack."""
    monkeypatch.setenv("TRENDING_HOME", str(tmp_path))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "src")])}
    with subprocess.Popen([sys.executable, "-c", HOLD], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout
        assert child.stdout.readline() == b"held\n"
        yield child
        child.kill()


@pytest.mark.row(25)
def test_who_waits_is_told_for_whom_and_that_it_was_suspended(
    other: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(holder, "say", said.append)
    monkeypatch.setattr(holder, "SILENT_SECONDS", 0.1)
    other.send_signal(signal.SIGSTOP)
    while not is_frozen(other.pid):
        assert psutil.pid_exists(other.pid)
    paths = StackPaths.of("lab")
    with pytest.raises(StackBusy, match="another command has held the stack lab") as caught, stack_held(paths, 0.3):
        pass
    (line,) = said
    assert line.startswith(f"the stack lab is held by pid {other.pid} (")
    assert f"which is suspended: fg in its terminal, or kill -CONT {other.pid}, lets it go on" in line
    assert f"pid {other.pid} (" in caught.value.evidence
    other.send_signal(signal.SIGCONT)
    assert other.stdin
    other.stdin.close()
    with stack_held(paths, 20):
        pass


def test_a_lock_that_is_soon_free_is_waited_for_in_silence(
    other: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(holder, "say", said.append)
    monkeypatch.setattr(holder, "SILENT_SECONDS", 20.0)
    assert other.stdin
    other.stdin.close()
    with stack_held(StackPaths.of("lab"), 30):
        pass
    assert said == []


def test_where_the_kernel_does_not_tell_it_is_another_command(
    other: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = StackPaths.of("lab").lock
    assert holder_of(lock) == other.pid
    assert holder_of(tmp_path / "none") is None
    monkeypatch.setattr(holder, "LOCKS", tmp_path / "none")
    assert words_of_holder(lock) == "another command"
